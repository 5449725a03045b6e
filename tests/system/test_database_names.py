"""The database by the name of its host: looked up without stopping the loop, and again when it is not found."""

import re
import time

import harness
import psycopg2
import pytest


def answers(url):
    try:
        psycopg2.connect(url).close()
    except psycopg2.OperationalError:
        return False
    return True


@pytest.fixture
def url(postgres, database):
    """The same database by the name of its host."""
    port = harness.free_port()
    name = re.search(r"/(test_\d+)\?", database).group(1)
    by_name = f"postgresql://balanced@localhost:{port}/{name}"
    postgres.stop()
    postgres.start(wait=False, listen_addresses="localhost", port=port)
    harness.wait_until(lambda: answers(by_name), "PostgreSQL to accept connections")
    yield by_name
    postgres.restart()


def test_host_name_is_looked_up(server, url):
    assert server(database_url=url).health("readiness") == "SERVING"


def test_unknown_host_name_is_said_and_calls_fail_at_once(server):
    running = server(ready="live", database_url="postgresql://balanced@no-such-host.invalid/balanced")
    harness.wait_until(lambda: "cannot look up no-such-host.invalid" in running.log, "the reason in the log")
    started = time.monotonic()
    with harness.fails("UNAVAILABLE", "DATABASE_UNAVAILABLE"):
        running.client().call("GetNetBalance", customer_id="d0000000-0000-4000-8000-000000000001")
    assert time.monotonic() - started < harness.PATIENCE_S
    assert running.health("liveness") == "SERVING"
