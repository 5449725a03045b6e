"""A PostgreSQL that is killed, stopped, restarted, full, locked or not there: calls fail with UNAVAILABLE or
DEADLINE_EXCEEDED and never hang, no answer is wrong, health tells, nothing leaks, and service is back as soon
as the database is.
"""

import contextlib
import os
import re
import signal
import time

import psycopg2
import pytest

import harness
from faults import (DEADLINE, NET, OK, UNAVAILABLE, Holdings, Load, active_backends, ask, assert_log_is_ours, execute,
                    locked, new_customer, wait_answering, wait_nothing_active)

ROUNDS = 3


@pytest.fixture
def customer(database):
    return new_customer(database)


def wait_health(server, state, service="readiness"):
    since = time.monotonic()
    harness.wait_until(lambda: server.health(service) == state, f"{service} to be {state}")
    print(f"{service} is {state} after {time.monotonic() - since:.3f} s")


def only(counts, *codes):
    """Whether nothing else happened."""
    return set(counts) <= set(codes)


def test_database_that_ends_and_returns_costs_only_what_was_in_flight(postgres, database, customer, server):
    one = server()
    client = one.client()
    held = Holdings(one)
    for end in ["kill", "immediate", "fast"] * ROUNDS:
        with Load(one, customer) as load:
            load.wait_for(OK, 50)
            if end == "kill":
                postgres.kill()
            else:
                postgres.stop(end)
            load.wait_for(UNAVAILABLE, 50)
            wait_health(one, "NOT_SERVING")
            assert one.health("liveness") == "SERVING"
            postgres.start()
            wait_answering(client, customer)
            load.wait_for(OK, 50)
        assert only(load.counts(), OK, UNAVAILABLE), load.counts()
        wait_health(one, "SERVING")
        held.settle()
    assert_log_is_ours(one)


def test_restart_is_survived(postgres, database, customer, server):
    one = server()
    with Load(one, customer) as load:
        for _ in range(ROUNDS):
            load.wait_for(OK, 20)
            postgres.restart()
            load.wait_for(OK, 20)
    assert only(load.counts(), OK, UNAVAILABLE), load.counts()


def test_paused_database_lets_no_call_outlive_its_deadline(postgres, database, customer, server):
    one = server(request_timeout="1s")
    client = one.client()
    held = Holdings(one)
    for _ in range(ROUNDS):
        # Callers who would wait for ever: it is the server that ends their calls.
        with Load(one, customer, timeout_s=None) as load:
            load.wait_for(OK, 50)
            postgres.pause()
            try:
                load.wait_for(DEADLINE, 8)
                wait_health(one, "NOT_SERVING")
                assert one.health("liveness") == "SERVING"
                assert one.health("balances.v1.BalanceService") == "NOT_SERVING"
            finally:
                postgres.resume()
            wait_answering(client, customer)
            load.wait_for(OK, 50)
        assert only(load.counts(), OK, UNAVAILABLE, DEADLINE), load.counts()
        wait_health(one, "SERVING")
        held.settle()
    assert_log_is_ours(one)


def test_database_paused_until_given_up_comes_back(postgres, database, customer, server):
    one = server(request_timeout="200ms")
    client = one.client()
    with Load(one, customer) as load:
        load.wait_for(OK, 20)
        postgres.pause()
        try:
            # First calls wait in vain; once the connections are known to be dead, they fail at once.
            load.wait_for(DEADLINE, 8)
            load.wait_for(UNAVAILABLE, 50)
        finally:
            postgres.resume()
        wait_answering(client, customer)
    assert only(load.counts(), OK, UNAVAILABLE, DEADLINE), load.counts()


def test_standby_may_be_behind_and_is_not_used_before_it_is_promoted(postgres, database, customer, server):
    name = re.search(r"/(test_\d+)\?", database)[1]
    standby = postgres.standby()
    try:
        standby.start()
        one = server(database_url=standby.url_of(name), ready="live")
        client = one.client()
        harness.wait_until(lambda: "is a standby" in one.log, "the server to say what is wrong")
        for _ in range(20):
            assert ask(client, customer) == UNAVAILABLE
        execute(postgres.url_of(name), "SELECT pg_switch_wal()")
        execute(standby.url_of(name), "SELECT pg_promote()")
        wait_answering(client, customer)
        wait_health(one, "SERVING")
    finally:
        standby.remove()


@pytest.mark.parametrize("which", ["LIMIT 1", ""], ids=["one", "all"])
def test_terminated_sessions_are_replaced(postgres, database, customer, server, which):
    one = server()
    held = Holdings(one)
    for _ in range(ROUNDS):
        with Load(one, customer) as load:
            for _ in range(5):
                load.wait_for(OK, 20)
                execute(database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                  f" WHERE application_name = 'balanced' {which}")
                load.wait_for(OK, 20)
        assert only(load.counts(), OK, UNAVAILABLE), load.counts()
        held.settle()
    wait_health(one, "SERVING")
    assert_log_is_ours(one)


def test_crashed_backend_takes_all_sessions_with_it_and_they_return(postgres, database, customer, server):
    one = server()
    client = one.client()
    with Load(one, customer) as load:
        for _ in range(ROUNDS):
            load.wait_for(OK, 20)
            pid, = execute(database, "SELECT pid FROM pg_stat_activity"
                                     " WHERE application_name = 'balanced' LIMIT 1")[0]
            os.kill(pid, signal.SIGKILL)
            load.wait_for(UNAVAILABLE)
            wait_answering(client, customer)
    assert only(load.counts(), OK, UNAVAILABLE), load.counts()
    assert_log_is_ours(one)


def test_cancelled_by_an_administrator_is_not_the_callers_fault(postgres, database, customer, server):
    one = server()
    with Load(one, customer) as load:
        for _ in range(20):
            load.wait_for(OK, 5)
            execute(database, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
                              " WHERE application_name = 'balanced'")
    assert only(load.counts(), OK, UNAVAILABLE), load.counts()


def test_no_connection_left_in_the_database(postgres, database, customer, server):
    with contextlib.ExitStack() as stack:
        with pytest.raises(psycopg2.OperationalError, match="too many clients"):
            while True:
                stack.enter_context(contextlib.closing(postgres.connect(database)))
        one = server(ready="live")
        client = one.client()
        assert one.health("readiness") == "NOT_SERVING"
        # The first call may wait for the first attempt to connect; then it is known to be in vain.
        for _ in range(20):
            with harness.fails(UNAVAILABLE, "DATABASE_UNAVAILABLE") as failure:
                client.call(NET, customer_id=customer)
            assert failure.details["RetryInfo"].retry_delay
        since = time.monotonic()
    wait_answering(client, customer, since)
    wait_health(one, "SERVING")
    assert "too many clients" in one.log
    assert_log_is_ours(one)


def test_fewer_connections_than_wanted_are_enough(postgres, database, customer, server):
    execute(database, "CREATE ROLE narrow LOGIN SUPERUSER CONNECTION LIMIT 2")
    execute(database, "ALTER ROLE narrow NOSUPERUSER", "GRANT USAGE ON SCHEMA balances TO narrow",
            "GRANT SELECT ON ALL TABLES IN SCHEMA balances TO narrow")
    one = server(database_url=database.replace("user=balanced", "user=narrow"))
    with Load(one, customer) as load:
        load.wait_for(OK, 100)
    assert only(load.counts(), OK), load.counts()
    assert one.health() == "SERVING"


def test_locked_tables_end_calls_in_time_and_their_statements_with_them(postgres, database, customer, server):
    one = server(request_timeout="500ms")
    client = one.client()
    with Load(one, customer, timeout_s=None) as load:
        for _ in range(ROUNDS):
            load.wait_for(OK, 20)
            with locked(database):
                load.wait_for(DEADLINE, 20)
                assert one.health("liveness") == "SERVING"
            since = time.monotonic()
            wait_answering(client, customer, since)
    assert only(load.counts(), OK, DEADLINE), load.counts()
    with locked(database):
        assert ask(client, customer) == DEADLINE
        wait_nothing_active(database)
    wait_health(one, "SERVING")


def test_short_lock_is_waited_for(postgres, database, customer, server):
    one = server()
    client = one.client()
    with locked(database):
        call = client.future(NET, customer_id=customer)
        harness.wait_until(lambda: active_backends(database) == 1, "the statement to wait")
    assert call.result().balance


def test_server_started_before_its_database(postgres, database, customer, server):
    postgres.stop()
    try:
        one = server(ready="live")
        client = one.client()
        assert ask(client, customer) == UNAVAILABLE
        assert one.health("readiness") == "NOT_SERVING"
        assert one.health("") == "NOT_SERVING"
    finally:
        postgres.start()
    wait_answering(client, customer)
    wait_health(one, "SERVING")


def test_schema_that_is_missing_is_named_and_found_once_it_is_there(postgres, server):
    url = postgres.new_database()
    one = server(database_url=url, ready="live")
    client = one.client()
    assert ask(client, "00000000-0000-4000-8000-000000000000") == UNAVAILABLE
    harness.wait_until(lambda: "run 'balanced migrate'" in one.log, "the log to say what to do")
    harness.balanced("migrate", database_url=url)
    wait_answering(client, new_customer(url))


def test_database_that_is_missing_is_found_once_it_is_there(postgres, database, server):
    template = database.split("/")[3].split("?")[0]
    url = postgres.url_of("born_late")
    one = server(database_url=url, ready="live")
    client = one.client()
    assert ask(client, "00000000-0000-4000-8000-000000000000") == UNAVAILABLE
    execute(postgres.url, f"CREATE DATABASE born_late TEMPLATE {template}")
    wait_answering(client, new_customer(url))


def test_schema_replaced_under_a_running_server_is_picked_up(postgres, database, customer, server):
    """As when a backup is restored: the statements that were prepared before are worth nothing now."""
    one = server()
    client = one.client()
    assert ask(client, customer) == OK
    execute(database, "DROP SCHEMA balances CASCADE")
    harness.balanced("migrate", database_url=database)
    restored = new_customer(database)
    wait_answering(client, restored)
    with Load(one, restored) as load:
        load.wait_for(OK, 50)
    # Each connection finds out for itself.
    assert load.counts()[OK] > load.counts()[UNAVAILABLE], load.counts()
    assert only(load.counts(), OK, UNAVAILABLE), load.counts()


@pytest.fixture
def guarded(postgres, database):
    """The URL for a role that needs a password, which is "right"."""
    rules = postgres.data / "pg_hba.conf"
    before = rules.read_text()
    execute(database, "CREATE ROLE guarded LOGIN PASSWORD 'right'", "GRANT USAGE ON SCHEMA balances TO guarded",
            "GRANT SELECT ON ALL TABLES IN SCHEMA balances TO guarded")
    rules.write_text("local all guarded scram-sha-256\n" + before)
    execute(database, "SELECT pg_reload_conf()")
    yield database.replace("user=balanced", "user=guarded")
    rules.write_text(before)
    execute(database, "SELECT pg_reload_conf()", "DROP OWNED BY guarded", "DROP ROLE guarded")


def test_refused_password_is_told_from_nothing_and_heals(postgres, database, customer, server, guarded):
    one = server(database_url=f"{guarded}&password=wrong", ready="live")
    client = one.client()
    assert ask(client, customer) == UNAVAILABLE
    assert one.health("readiness") == "NOT_SERVING"
    harness.wait_until(lambda: "password authentication failed" in one.log, "the log to name the reason")
    assert "wrong" not in one.log, "a password is in the log"
    execute(database, "ALTER ROLE guarded PASSWORD 'wrong'")
    wait_answering(client, customer)
    assert_log_is_ours(one)


def test_role_that_may_not_read_is_unavailable_until_it_may(postgres, database, customer, server, guarded):
    execute(database, "REVOKE SELECT ON balances.installation FROM guarded")
    one = server(database_url=f"{guarded}&password=right", ready="live")
    client = one.client()
    assert ask(client, customer) == UNAVAILABLE
    execute(database, "GRANT SELECT ON balances.installation TO guarded")
    wait_answering(client, customer)


def test_read_only_database_serves_reads(postgres, database, customer, server):
    name = database.split("/")[3].split("?")[0]
    execute(database, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    one = server()
    with Load(one, customer) as load:
        load.wait_for(OK, 20)
    assert only(load.counts(), OK), load.counts()
