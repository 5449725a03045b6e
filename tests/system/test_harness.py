"""The harness keeps its own promises: a cluster that comes back from anything, and the messages."""

import select

import psycopg2
import pytest

import harness


def count(postgres, url):
    with postgres.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM kept")
        return cursor.fetchone()[0]


@pytest.fixture
def kept(postgres):
    url = postgres.new_database()
    with postgres.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT 1 AS one")
    connection.close()
    return url


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_cluster_ended_comes_back_with_its_data(postgres, kept, end):
    getattr(postgres, end)()
    with pytest.raises(psycopg2.OperationalError):
        postgres.connect(kept)
    postgres.start()
    assert count(postgres, kept) == 1


def test_cluster_restarts_with_other_settings(postgres, kept):
    postgres.restart(max_connections=10)
    with postgres.connect(kept) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW max_connections")
        assert cursor.fetchone()[0] == "10"
    connection.close()
    postgres.restart()


def test_paused_cluster_answers_nothing_until_resumed(postgres, kept):
    connection = psycopg2.connect(kept, async_=True)
    harness.wait_until(lambda: connection.poll() == psycopg2.extensions.POLL_OK, "the connection")
    postgres.pause()
    connection.cursor().execute("SELECT 1")
    assert not select.select([connection], [], [], 0.2)[0]
    postgres.resume()
    assert select.select([connection], [], [], harness.PATIENCE_S)[0]
    connection.close()


def test_new_databases_are_separate(postgres, kept):
    assert postgres.new_database() != kept


def test_messages_know_every_method():
    method = harness.messages().method("ListBalances")
    assert method.input_type.full_name == "balances.v1.ListBalancesRequest"
    request = harness.messages().ListBalancesRequest(customer_id="c")
    assert request.SerializeToString()


def test_free_ports_are_free():
    assert 20000 <= harness.free_port() < 32000
