"""The harness keeps its own promises: a cluster and a Redis that come back from anything, the proxy before Redis,
and the messages."""

import contextlib
import random
import select
import socket
import ssl
import time

import psycopg2
import pytest

import harness
import redis_proxy
import resp


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


# Redis -------------------------------------------------------------------------------------------------


@pytest.fixture
def kept_key(redis):
    redis.cli("SET", "key", b"\0\r\n\xff")
    return redis


def test_redis_answers_each_kind_of_command(kept_key):
    assert kept_key.cli("GET", "key") == b"\0\r\n\xff"
    assert kept_key.cli("GET", "other") is None
    assert kept_key.cli("MGET", "key", "other") == [b"\0\r\n\xff", None]
    assert kept_key.cli("STRLEN", "key") == 4
    assert kept_key.keys() == [b"key"]
    with pytest.raises(resp.Error, match="unknown command"):
        kept_key.cli("NOTHING")
    assert kept_key.info("server")["tcp_port"] == "0"


@pytest.mark.parametrize("keep, left", [(True, [b"key"]), (False, [])])
def test_redis_restarts_with_its_data_or_empty(kept_key, keep, left):
    run_id = kept_key.info("server")["run_id"]
    kept_key.restart(keep)
    assert kept_key.keys() == left
    assert kept_key.info("server")["run_id"] != run_id
    kept_key.stop()
    kept_key.start()
    assert not kept_key.keys()


def test_killed_redis_is_away_and_comes_back_empty(kept_key):
    kept_key.kill()
    with pytest.raises(OSError):
        kept_key.cli("PING")
    kept_key.start()
    assert not kept_key.keys()


def test_paused_redis_answers_nothing_until_resumed(kept_key):
    kept_key.pause()
    with pytest.raises(TimeoutError):
        kept_key.cli("PING", timeout_s=0.2)
    kept_key.resume()
    assert kept_key.cli("PING") == "PONG"


def test_full_redis_refuses_or_forgets():
    for policy in ("noeviction", "allkeys-lru"):
        one = harness.Redis(maxmemory="3mb", maxmemory_policy=policy)
        try:
            one.start()
            answers = []
            for nr in range(50):
                try:
                    answers.append(one.cli("SET", f"key{nr}", bytes(100_000)))
                except resp.Error as error:
                    answers.append(str(error).split(" ")[0])
            assert set(answers) == ({"OK", "OOM"} if policy == "noeviction" else {"OK"})
            assert len(one.keys()) < 50
        finally:
            one.remove()


def test_redis_by_port_password_and_tls():
    one = harness.Redis(password="secret", tcp=True, tls=True)
    try:
        one.start()
        assert one.cli("PING") == "PONG"
        with socket.create_connection(("127.0.0.1", one.port)) as link:
            link.sendall(resp.command("PING"))
            assert link.recv(100).startswith(b"-NOAUTH")
        context = ssl.create_default_context(cafile=one.ca_path)
        with socket.create_connection(("127.0.0.1", one.tls_port)) as plain:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as link:
                link.sendall(resp.command("AUTH", "secret"))
                assert link.recv(100) == b"+OK\r\n"
        assert one.url == f"unix://:secret@{one.socket}"
    finally:
        one.remove()


def test_messages_of_redis_end_where_they_end():
    messages = [b"+OK\r\n", b":1\r\n", b"$-1\r\n", b"$0\r\n\r\n", b"*-1\r\n", b"*0\r\n", b"-ERR no\r\n",
                b"*2\r\n$2\r\n\r\n\r\n*1\r\n:5\r\n", resp.command("SET", "a", b"\r\n")]
    for message in messages:
        assert resp.end_of(message) == len(message)
        assert resp.end_of(b"+\r\n" + message + b"+", 3) == 3 + len(message)
        for short in range(len(message)):
            assert resp.end_of(message[:short]) is None
    values = [resp.value_of(message) for message in messages if not message.startswith(b"-")]
    assert values == ["OK", 1, None, b"", None, [], [b"\r\n", [5]], [b"SET", b"a", b"\r\n"]]


# The proxy before it -----------------------------------------------------------------------------------


class Caller:
    """A connection through the proxy; send() and receive() of one message."""

    def __init__(self, proxy):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(harness.PATIENCE_S)
        self.socket.connect(str(proxy.socket))
        self.data = b""

    def send(self, *arguments):
        self.socket.sendall(resp.command(*arguments))
        return self

    def bytes(self, timeout_s=harness.PATIENCE_S):
        """All that comes until a whole message is there, or the end."""
        self.socket.settimeout(timeout_s)
        while not resp.end_of(self.data):
            more = self.socket.recv(1 << 16)
            self.data += more
            if not more:
                break
        end = resp.end_of(self.data) or len(self.data)
        got, self.data = self.data[:end], self.data[end:]
        return got

    def receive(self, timeout_s=harness.PATIENCE_S):
        return resp.value_of(self.bytes(timeout_s))


@pytest.fixture
def caller(proxy):
    link = proxy()
    made = []

    def call():
        made.append(Caller(link))
        return made[-1]

    call.link = link
    yield call
    for one in made:
        one.socket.close()


def test_proxy_passes_everything_in_its_order(redis, caller):
    one = caller()
    for nr in range(500):
        one.send("ECHO", nr)
    one.send("SET", "big", bytes(300_000)).send("GET", "big")
    assert [one.receive() for _ in range(502)] == [str(nr).encode() for nr in range(500)] + ["OK", bytes(300_000)]
    assert caller.link.commands == {"ECHO": 500, "SET": 1, "GET": 1} == caller.link.answered
    assert caller.link.connections == 1
    one.socket.close()
    harness.wait_until(lambda: caller.link.connections == 0, "the connection to end")


@pytest.mark.parametrize("direction", ["requests", "replies"])
def test_proxy_delays_and_holds_each_direction(redis, caller, direction):
    flow = getattr(caller.link, direction)
    one = caller()
    flow.delay_s = 0.2
    since = time.monotonic()
    one.send("SET", "key", 1).send("GET", "key")
    assert [one.receive(), one.receive()] == ["OK", b"1"]
    assert 0.2 <= time.monotonic() - since < 0.4 or direction == "requests"
    flow.delay_s = 0
    flow.held = True
    one.send("SET", "key", 2)
    with pytest.raises(TimeoutError):
        one.receive(0.1)
    if direction == "replies":
        harness.wait_until(lambda: redis.cli("GET", "key") == b"2", "the command to take place")
    else:
        assert redis.cli("GET", "key") == b"1"
    flow.held = False
    assert one.receive() == "OK"
    assert redis.cli("GET", "key") == b"2"


@pytest.mark.parametrize("direction", ["requests", "replies"])
def test_proxy_swallows_each_direction(redis, caller, direction):
    getattr(caller.link, direction).swallowed = True
    one = caller().send("SET", "key", 1)
    with pytest.raises(TimeoutError):
        one.receive(0.2)
    assert redis.cli("GET", "key") == (None if direction == "requests" else b"1")
    caller.link.heal()
    assert caller().send("PING").receive() == "PONG"


def test_proxy_cuts_messages_and_their_connection(redis, caller):
    redis.cli("SET", "key", "0123456789")
    caller.link.replies.cut_at = 8
    one = caller()
    assert one.send("PING").receive() == "PONG"
    assert one.send("GET", "key").bytes() == b"$10\r\n012"
    caller.link.heal()
    caller.link.requests.cut_at = 3
    assert caller().send("PING").bytes() == b""


def test_proxy_answers_in_place_of_redis(redis, caller):
    caller.link.answer("READONLY no", "SET", "EVAL")
    one = caller().send("PING").send("SET", "key", 1).send("PING")
    assert [one.receive() for _ in range(3)][::2] == ["PONG"] * 2
    assert str(one.send("EVAL", "return 1", 0).receive()) == "READONLY no"
    assert not redis.keys()
    caller.link.answer("LOADING wait")
    assert str(one.send("PING").receive()) == "LOADING wait"
    caller.link.heal()
    assert caller.link.answered == {}
    assert one.send("PING").receive() == "PONG"
    assert caller.link.answered == {"PING": 1}


def test_proxy_mangles_what_it_is_told_to(redis, caller):
    rng = random.Random(1)
    redis.cli("SET", "key", "0123456789")
    whole = b"$10\r\n0123456789\r\n"
    caller.link.replies.mangle = redis_proxy.flipped_bit(rng, 5)
    got = caller().send("GET", "key").bytes()
    assert sum(bin(a ^ b).count("1") for a, b in zip(got, whole)) == 1 and got[:5] == whole[:5]
    caller.link.replies.mangle = redis_proxy.noise(rng)
    one = caller().send("GET", "key")
    assert one.socket.recv(100) != whole
    assert caller.link.answered == {}


def test_proxy_disconnects_and_refuses(redis, caller):
    one = caller()
    assert one.send("PING").receive() == "PONG"
    caller.link.disconnect()
    with contextlib.suppress(ConnectionResetError):
        assert one.bytes() == b""
    assert caller().send("PING").receive() == "PONG"
    caller.link.refuse()
    with contextlib.suppress(OSError):
        assert caller().send("PING").bytes() == b""
    caller.link.heal()
    assert caller().send("PING").receive() == "PONG"


def test_proxy_of_a_redis_that_is_away_ends_connections_until_it_is_back(redis, caller):
    redis.kill()
    with contextlib.suppress(OSError):
        assert caller().send("PING").bytes() == b""
    redis.start()
    assert caller().send("PING").receive() == "PONG"
