"""A Redis that is down, slow, full, loading, restarted or lying costs speed and nothing else: every answer is right,
and no call fails because of it. And what is cached ends in time: by a write through any server, by one past all of
them, and by the clock.

Answers are judged to the digit. That an answer came from Redis is shown by locking the table that it would have to be
computed from. Where a test says "at once", it asks once; where it says "soon", it asks until PATIENCE_S.
"""

import contextlib
import functools
import os
import random
import re
import threading
import time

import psycopg2
import pytest

import faults
import harness
import redis_proxy
import reference as ref
import resp
import world
from faults import DEADLINE, NET, OK, Load, execute, feed_holder, locked, waiting
from harness import wait_until
from world import CREDIT, PREPAID, USD

FRESH = {"fully_consistent": True}
PAIRS = 60


class Ada:
    """A customer with one credit, and what she can spend."""

    def __init__(self, here):
        self.here = here
        customer = here.customer()
        self.credit = customer.balance(CREDIT, overdraft=True)
        self.segment = self.credit.segment("1000", here.day(-1), here.day(1))
        here.flush()
        self.customer, self.database, self.id = customer, here.url, customer.id
        self.amount = ref.amount_of("1000")

    @property
    def balance(self):
        return ref.amount_text(self.amount)

    def write(self, client, amount="-0.5", **fields):
        """A write through a server; returns its token."""
        answer = client.call("AddManualLedgerEntry", customer_id=self.id, id=self.credit.id,
                             segment_id=self.segment.id, amount=amount, reason="goodwill", request_id=world.new_id(),
                             **fields)
        self.amount += ref.amount_of(amount)
        return answer.consistency_token

    def insert(self, amount="-0.25"):
        """A write past all servers, as anybody's program may do it."""
        self.here.run("INSERT INTO ledger_entry (customer_id, balance_id, segment_id, type, amount, reason)"
                      " VALUES (%s, %s, %s, 'CREDIT_MANUAL', %s, 'by hand')",
                      self.id, self.credit.id, self.segment.id, amount)
        self.amount += ref.amount_of(amount)

    @property
    def version(self):
        return self.here.run("SELECT version FROM ledger_version WHERE customer_id = %s", self.id)[0][0]

    def ask(self, client, **consistency):
        """What a server says she can spend."""
        return client.call(NET, customer_id=self.id, consistency=consistency or None).balance

    def shown(self, client, **consistency):
        """Asserts that a server answers with her balance."""
        assert self.ask(client, **consistency) == self.balance

    def shown_soon(self, client):
        since = time.monotonic()
        wait_until(lambda: self.ask(client) == self.balance, "the write to show")
        print(f"shows after {time.monotonic() - since:.3f} s")

    def cached(self, client, redis):
        """Asks until the answer is in Redis: a raise that comes late ends a fill. Returns the version's key and that of
        the answer, of which there may be one only."""
        def filed():
            self.shown(client)
            version = str(self.version).encode()
            return self.answer_keys(redis) and version in [redis.cli("GET", k) for k in self.version_keys(redis)]

        wait_until(filed, "the answer to be filed")
        [version_key], [answer_key] = self.version_keys(redis), self.answer_keys(redis)
        return version_key, answer_key

    def answer_keys(self, redis):
        return [key for key in redis.keys(f"*:{{{self.id}}}:*") if not key.endswith(b":v")]

    def version_keys(self, redis):
        return redis.keys(f"*:{{{self.id}}}:v")

    def served_from_redis(self, client, **consistency):
        """Whether her right balance comes while it cannot be computed."""
        with locked(self.database):
            try:
                answer = client.call(NET, customer_id=self.id, consistency=consistency or None, timeout_s=1)
            except harness.grpc.RpcError as error:
                assert error.code().name == DEADLINE, error
                return False
            assert answer.balance == self.balance
            return True


@pytest.fixture(scope="module")
def here(postgres):
    made = world.World(harness.migrated(postgres))
    yield made
    made.close()


@pytest.fixture
def database(here):
    """One for all tests: each has a customer of its own."""
    return here.url


@pytest.fixture
def ada(here):
    return Ada(here)


@pytest.fixture
def pair(database, redis, proxy, server):
    """Two servers, each with its link to the same Redis: (servers, clients, links). They wait long for Redis, so that a
    busy machine is not taken for a slow Redis."""
    links = [proxy(), proxy()]
    servers = [server(redis_url=link.url, redis_timeout="2s", database_url=f"{database}&application_name=server{nr}")
               for nr, link in enumerate(links)]
    clients = [one.client() for one in servers]
    wait_until(lambda: all(link.connections for link in links), "both servers to be connected to Redis")
    return servers, clients, links


# From the cache ----------------------------------------------------------------------------------------


def test_hit_comes_from_redis_at_every_level(redis, server, ada):
    client = server(redis_url=redis.url).client()
    ada.cached(client, redis)
    token = client.call(NET, customer_id=ada.id).consistency_token
    assert ada.served_from_redis(client)
    assert ada.served_from_redis(client, at_least_as_fresh=token)
    assert ada.served_from_redis(client, **FRESH)  # its version's row is in another table


def test_without_a_redis_url_nothing_is_cached(redis, server, ada):
    client = server(redis_url="").client()
    ada.shown(client)
    assert not ada.served_from_redis(client)
    assert not redis.keys()


def outbox_is_empty(database):
    return execute(database, "SELECT count(*) FROM balances.ledger_change") == [(0,)]


def test_one_round_trip_answers_a_hit(database, redis, proxy, server, ada):
    link = proxy()
    client = server(redis_url=link.url).client()
    wait_until(lambda: outbox_is_empty(database), "the feed to have nothing to tell")
    ada.cached(client, redis)
    link.commands.clear()
    for _ in range(20):
        ada.shown(client)
    assert link.commands["MGET"] == 20
    assert not set(link.commands) & {"GET", "SET", "EVAL", "EVALSHA"}, link.commands


def test_each_request_has_an_answer_of_its_own(redis, server, ada):
    client = server(redis_url=redis.url).client()
    requests = [(NET, {}), (NET, {"credit_type_id": ada.here.euro}), (NET, {"filters": [{"balance_types": [1]}]}),
                ("ListBalances", {"include_balance": True}), ("ListCredits", {"include_balance": True}),
                ("ListCommits", {"include_balance": True}), ("ListLedgerEntries", {})]

    def ask():
        return [client.call(method, customer_id=ada.id, **fields) for method, fields in requests]

    # A change that the feed tells of meanwhile keeps an answer from being filed: then the next one is.
    wait_until(lambda: (ask(), len(ada.answer_keys(redis)) == len(requests))[1], "all answers to be filed")
    first = ask()
    with locked(ada.database), locked(ada.database, "ledger_entry"):
        again = ask()
    assert again == first


# A Redis with faults, under load -----------------------------------------------------------------------


def no_end(_redis, _link):
    pass


def answering(error, *commands):
    return lambda redis, link: link.answer(error, *commands)


def flow(direction, **settings):
    return lambda redis, link: vars(getattr(link, direction)).update(settings)


WRITING = ("SET", "EVAL", "EVALSHA", "DEL")
FAULTS = {
    "killed": (lambda redis, link: redis.kill(), lambda redis, link: redis.start()),
    "killed and empty at once": (lambda redis, link: (redis.kill(), redis.start()), no_end),
    "restarted with its data": (lambda redis, link: redis.restart(keep=True), no_end),
    "paused": (lambda redis, link: redis.pause(), lambda redis, link: redis.resume()),
    "emptied": (lambda redis, link: redis.cli("FLUSHALL"), no_end),
    "without its scripts": (lambda redis, link: redis.cli("SCRIPT", "FLUSH"), no_end),
    "loading": (answering("LOADING Redis is loading the dataset in memory"), no_end),
    "read-only": (answering("READONLY You can't write against a read only replica.", *WRITING), no_end),
    "full": (answering("OOM command not allowed when used memory > 'maxmemory'.", *WRITING), no_end),
    "of another kind": (answering("ERR unknown command"), no_end),
    "wants a password": (answering("NOAUTH Authentication required."), no_end),
    "garbage": (lambda redis, link: vars(link.replies).update(mangle=redis_proxy.noise(random.Random(1))), no_end),
    "slow": (flow("replies", delay_s=0.3), no_end),
    "slow to be asked": (flow("requests", delay_s=0.3), no_end),
    "silent": (flow("replies", swallowed=True), no_end),
    "deaf": (flow("requests", held=True), no_end),
    "cut short": (flow("replies", cut_at=3), no_end),
    "cut at once": (flow("requests", cut_at=0), no_end),
    "refusing": (lambda redis, link: link.refuse(), no_end),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_of_redis_costs_no_answer(database, redis, proxy, server, ada, fault):
    """Timeouts are the default ones. Meanwhile writes go on, and whoever needs them sees them."""
    begin, end = FAULTS[fault]
    link = proxy()
    one = server(redis_url=link.url)
    client = one.client()
    constant = faults.new_customer(database)
    with Load(one, constant) as load:
        load.wait_for(OK, 50)
        ada.cached(client, redis)
        begin(redis, link)
        for _ in range(3):
            token = ada.write(client)
            ada.shown(client, at_least_as_fresh=token)
            ada.shown(client, **FRESH)
        load.wait_for(OK, 100)
        end(redis, link)
        link.heal()
        wait_until(lambda: link.answered["MGET"] > 10, "the server to use Redis again")
        ada.shown_soon(client)
        ada.write(client)
        ada.shown_soon(client)
        load.wait_for(OK, 50)
    assert set(load.counts()) == {OK}, load.counts()
    assert one.health() == "SERVING"
    faults.assert_log_is_ours(one)


def test_redis_that_is_not_there_from_the_start_is_used_once_it_is(redis, server, ada):
    redis.kill()
    one = server(redis_url=redis.url)
    client = one.client()
    for _ in range(20):
        ada.shown(client)
    token = ada.write(client)
    ada.shown(client, at_least_as_fresh=token)
    wait_until(lambda: "Redis" in one.log, "the log to say so")
    redis.start()
    wait_until(lambda: (ada.shown(client), ada.answer_keys(redis))[1], "Redis to be used")
    assert ada.served_from_redis(client)


def test_paused_redis_is_left_alone_after_a_few_failures(database, redis, server):
    """Eight callers who each waited for the timeout every time would get 8 answers in a second."""
    one = server(redis_url=redis.url, redis_timeout="1s")
    with Load(one, faults.new_customer(database)) as load:
        load.wait_for(OK, 100)
        redis.pause()
        since = time.monotonic()
        before = load.counts()[OK]
        wait_until(lambda: time.monotonic() - since > 10, "ten seconds to pass")
        assert load.counts()[OK] - before > 10 * 8 * 5, "each call waits for Redis"
        redis.resume()
        load.wait_for(OK, 50)
    assert set(load.counts()) == {OK}, load.counts()


@pytest.mark.parametrize("policy", ["noeviction", "allkeys-lru", "allkeys-random", "volatile-ttl"])
def test_full_redis_costs_no_answer(database, server, ada, policy):
    one = harness.Redis(maxmemory="2mb", maxmemory_policy=policy)
    try:
        one.start()
        client = server(redis_url=one.url).client()
        ada.shown(client)
        for nr in range(40):
            with contextlib.suppress(resp.Error):
                one.cli("SET", f"other{nr}", bytes(100_000))
            token = ada.write(client)
            ada.shown(client, at_least_as_fresh=token)
            ada.shown(client, **FRESH)
            ada.shown_soon(client)
        one.cli("FLUSHALL")
        wait_until(lambda: (ada.shown(client), ada.answer_keys(one))[1], "the answer to be filed again")
        assert ada.served_from_redis(client)
    finally:
        one.remove()


# Two servers -------------------------------------------------------------------------------------------


def test_write_through_one_server_shows_at_the_other_at_once(redis, pair, ada):
    _, clients, _ = pair
    for nr in range(PAIRS):
        writer, reader = clients[nr % 2], clients[(nr + 1) % 2]
        ada.shown(reader)
        ada.write(writer)
        ada.shown(reader)
        ada.shown(writer)


def test_row_inserted_by_hand_shows_soon_at_both(redis, pair, ada):
    _, clients, _ = pair
    for _ in range(20):
        for client in clients:
            ada.cached(client, redis)
        ada.insert()
        for client in clients:
            ada.shown(client, **FRESH)
            ada.shown_soon(client)
            ada.shown(client)


@pytest.mark.parametrize("end", ["kill", "pause", "terminate"])
def test_other_server_takes_the_feed_over(database, redis, pair, ada, end):
    servers, clients, _ = pair
    holder = int(feed_holder(database).removeprefix("server"))
    survivor = clients[1 - holder]
    ada.cached(survivor, redis)
    getattr(servers[holder], end)()
    ada.insert()
    ada.shown_soon(survivor)
    assert feed_holder(database) == f"server{1 - holder}"
    if end == "pause":
        servers[holder].resume()
        ada.shown_soon(clients[holder])
        ada.insert()
        ada.shown_soon(clients[holder])


def test_feed_goes_to_the_server_that_reaches_redis(database, redis, pair, ada):
    """To and fro: whoever gave the lock up may have it again."""
    _, clients, links = pair
    ada.cached(clients[0], redis)
    holder = int(feed_holder(database).removeprefix("server"))
    for _ in range(3):
        links[holder].refuse()
        ada.insert()
        ada.shown_soon(clients[1 - holder])
        wait_until(lambda: feed_holder(database) == f"server{1 - holder}", "the other server to take the feed over")
        links[holder].heal()
        holder = 1 - holder
        wait_until(lambda: links[1 - holder].connections, "the other to be connected again")
        ada.cached(clients[1 - holder], redis)


def test_feed_goes_on_when_its_session_is_ended(database, redis, pair, ada):
    _, clients, _ = pair
    for _ in range(5):
        ada.cached(clients[0], redis)
        name = feed_holder(database)
        execute(database, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        ada.insert()
        for client in clients:
            ada.shown_soon(client)
        print(f"the feed was {name}'s and is {feed_holder(database)}'s")


def test_feed_leaves_nothing_behind(database, redis, pair, ada):
    for _ in range(10):
        ada.insert()
    wait_until(lambda: outbox_is_empty(database), "an empty outbox")


def test_token_is_honoured_by_a_server_with_a_slow_link(redis, pair, ada):
    _, (writer, reader), (_, link) = pair
    rng = world.seeded()
    for _ in range(PAIRS):
        link.replies.delay_s, link.requests.delay_s = rng.uniform(0, 0.1), rng.uniform(0, 0.1)
        token = ada.write(writer)
        ada.shown(reader, at_least_as_fresh=token)


def test_writer_that_cannot_reach_redis_leaves_it_to_the_feed(database, redis, pair, ada):
    """The other server may serve the old answer for a moment, but not to those who ask for more."""
    _, (writer, reader), (link, _) = pair
    for begin in (link.refuse, lambda: vars(link.replies).update(swallowed=True)):
        ada.cached(reader, redis)
        begin()
        token = ada.write(writer)
        ada.shown(reader, at_least_as_fresh=token)
        ada.shown(reader, **FRESH)
        ada.shown_soon(reader)
        link.heal()
        ada.shown_soon(writer)


def test_server_killed_between_commit_and_raise_loses_nothing(database, redis, pair, ada):
    servers, (writer, reader), (link, _) = pair
    ada.cached(reader, redis)
    version = ada.version
    link.requests.held = True
    call = writer.future("AddManualLedgerEntry", customer_id=ada.id, id=ada.credit.id, segment_id=ada.segment.id,
                         amount="-1", reason="goodwill", request_id=world.new_id())
    wait_until(lambda: ada.version > version, "the write to be committed")
    assert not call.done()
    servers[0].kill()
    with pytest.raises(harness.grpc.RpcError):
        call.result()
    ada.amount += ref.amount_of("-1")
    ada.shown(reader, **FRESH)
    ada.shown_soon(reader)


def test_fill_that_comes_after_a_write_is_refused(database, redis, pair, ada):
    """The classic: a reader has computed the old answer, a writer has told Redis, and then the answer arrives."""
    _, (writer, reader), (_, link) = pair
    for write in (lambda: ada.write(writer), ada.insert):
        redis.cli("DEL", *ada.cached(reader, redis))
        old = ada.balance
        with locked(database):
            call = reader.future(NET, customer_id=ada.id)
            wait_until(lambda: waiting(database, "server1"), "the answer to be computed")
            link.requests.held = True
        assert call.result().balance == old
        write()
        ada.shown_soon(writer)
        link.requests.held = False
        asked = link.commands["MGET"]
        ada.shown(reader)
        assert link.commands["MGET"] > asked
        ada.shown(writer)


@pytest.mark.parametrize("evicted", ["v", "answer", "both"])
def test_evicted_key_brings_nothing_old_back(redis, pair, ada, evicted):
    _, clients, _ = pair
    for nr in range(PAIRS // 3):
        writer, reader = clients[nr % 2], clients[(nr + 1) % 2]
        for when in ("before", "after"):
            version_key, answer_key = ada.cached(reader, redis)
            keys = {"v": [version_key], "answer": [answer_key], "both": [version_key, answer_key]}[evicted]
            if when == "before":
                redis.cli("DEL", *keys)
            ada.write(writer)
            if when == "after":
                redis.cli("DEL", *keys)
            ada.shown(reader)
            ada.shown(writer)


def test_customer_who_is_not_there_is_not_remembered(redis, pair):
    _, clients, _ = pair
    for nr in range(10):
        id_ = world.new_id()
        for client in clients:
            with harness.fails("NOT_FOUND"):
                client.call(NET, customer_id=id_)
        clients[nr % 2].call("PutCustomer", id=id_, name="Late")
        for client in clients:
            assert client.call(NET, customer_id=id_).balance == "0"


def test_customer_without_a_balance_gets_the_first(redis, pair, ada):
    _, clients, _ = pair
    late = ada.here.customer()
    ada.here.flush()
    for client in clients:
        assert client.call(NET, customer_id=late.id).balance == "0"
    wait_until(lambda: (client.call(NET, customer_id=late.id), redis.keys(f"*{late.id}*"))[1], "that to be filed")
    clients[0].call("CreateCredit", customer_id=late.id, product_id=ada.here.product, priority={"value": 1},
                    request_id=world.new_id(),
                    access_schedule={"schedule_items": [{"amount": "7", "starting_at": world.stamp(ada.here.day(-1)),
                                                         "ending_before": world.stamp(ada.here.day(1))}]})
    for client in clients:
        assert client.call(NET, customer_id=late.id).balance == "7"


# Who waits for whom ------------------------------------------------------------------------------------


def test_callers_who_ask_the_same_wait_for_one_computation(database, redis, server, ada):
    # Who gets no answer of Redis in time waits for nobody, and a raise in between parts those before from those after.
    client = server(redis_url=redis.url, redis_timeout="2s").client()
    ada.cached(client, redis)
    redis.cli("FLUSHALL")
    with locked(database):
        calls = [client.future(NET, customer_id=ada.id) for _ in range(30)]
        wait_until(lambda: waiting(database), "the computation")
        calls[0].cancel()  # the first caller's leaving is not the others' end
        impatient = client.future(NET, customer_id=ada.id, timeout_s=0.3)
        assert faults.outcome(impatient) == DEADLINE
        assert waiting(database) == 1
    assert {call.result().balance for call in calls[1:]} == {ada.balance}


def test_stampede_on_a_customer_is_one_computation_in_each_server(database, redis, pair, ada):
    """Everybody asks at the moment at which the answer has gone from Redis."""
    _, clients, _ = pair
    for client in clients:
        ada.cached(client, redis)
    redis.cli("FLUSHALL")
    with locked(database):
        calls = [client.future(NET, customer_id=ada.id) for _ in range(100) for client in clients]
        wait_until(lambda: all(waiting(database, f"server{nr}") for nr in range(2)), "both computations")
        time.sleep(0.2)
        assert [waiting(database, f"server{nr}") for nr in range(2)] == [1, 1]
    assert {call.result().balance for call in calls} == {ada.balance}


def test_caller_who_wants_more_is_not_served_what_was_read_before(database, redis, server, ada):
    """The computation under way has its snapshot from before the write; who comes after the write needs a newer one."""
    client = server(redis_url=redis.url).client()
    ada.cached(client, redis)
    redis.cli("FLUSHALL")
    with contextlib.closing(psycopg2.connect(database, application_name="test")) as holder:
        with holder.cursor() as cursor:
            cursor.execute("LOCK TABLE balances.segment IN ACCESS EXCLUSIVE MODE")
            early = client.future(NET, customer_id=ada.id)
            wait_until(lambda: waiting(database), "the computation")
            cursor.execute(
                "INSERT INTO balances.ledger_entry (customer_id, balance_id, segment_id, type, amount, reason)"
                " VALUES (%s, %s, %s, 'CREDIT_MANUAL', -3, 'by hand')", (ada.id, ada.credit.id, ada.segment.id))
        holder.commit()
        ada.amount -= ref.amount_of("3")
        late = client.future(NET, customer_id=ada.id, consistency=FRESH)
        assert late.result().balance == ada.balance
        assert early.result().balance in (ada.balance, ref.amount_text(ada.amount + ref.amount_of("3")))
    ada.shown_soon(client)


# What was planted --------------------------------------------------------------------------------------


ANSWER_PLANTS = {
    "nothing": lambda value, rng: b"",
    "one byte": lambda value, rng: value[:1],
    "a header alone": lambda value, rng: value[:64],
    "cut": lambda value, rng: value[:-1],
    "longer": lambda value, rng: value + b"\0",
    "twice": lambda value, rng: value + value,
    "zeros": lambda value, rng: bytes(len(value)),
    "ones": lambda value, rng: b"\xff" * len(value),
    "noise": lambda value, rng: rng.randbytes(len(value)),
    "another format": lambda value, rng: value[:8] + bytes([value[8] + 1]) + value[9:],
    "a megabyte": lambda value, rng: value + bytes(1_000_000),
    "text": lambda value, rng: b"balanced",
}


@pytest.mark.parametrize("plant", ANSWER_PLANTS)
def test_planted_answer_is_never_served(redis, server, ada, plant):
    client = server(redis_url=redis.url).client()
    _, answer_key = ada.cached(client, redis)
    good = redis.cli("GET", answer_key)
    bad = ANSWER_PLANTS[plant](good, world.seeded())
    redis.cli("SET", answer_key, bad)
    ada.shown(client)
    ada.cached(client, redis)
    with locked(ada.database):
        redis.cli("SET", answer_key, bad)
        call = client.future(NET, customer_id=ada.id, timeout_s=0.5)
        assert faults.outcome(call) == DEADLINE, "served"
    wait_until(lambda: (ada.shown(client), redis.cli("GET", answer_key))[1] == good, "the right answer to be filed")


def test_flipped_bit_is_never_served(redis, server, ada):
    """Of each byte of the value one bit, and all of some."""
    client = server(redis_url=redis.url).client()
    _, answer_key = ada.cached(client, redis)
    good = redis.cli("GET", answer_key)
    rng = world.seeded()
    for at in range(len(good)):
        bad = good[:at] + bytes([good[at] ^ 1 << rng.randrange(8)]) + good[at + 1:]
        redis.cli("SET", answer_key, bad)
        answer = client.call(NET, customer_id=ada.id)
        assert (answer.balance, answer.credit_type_id) == (ada.balance, USD), at
    for shift in range(8):
        redis.cli("SET", answer_key, good[:-3] + bytes([good[-3] ^ 1 << shift]) + good[-2:])
        ada.shown(client)


def test_bits_flipped_on_the_way_cost_no_answer(database, redis, proxy, server, ada):
    link = proxy()
    one = server(redis_url=link.url)
    constant = faults.new_customer(database)
    with Load(one, constant) as load:
        load.wait_for(OK, 50)
        # Beyond the lengths and the version, in the answer itself.
        link.replies.mangle = redis_proxy.flipped_bit(world.seeded(), 24)
        load.wait_for(OK, 300)
        link.heal()
        load.wait_for(OK, 50)
    assert set(load.counts()) == {OK}, load.counts()


def test_answer_of_another_customer_is_never_served(redis, server, ada):
    """Her neighbour's, of the very same version."""
    client = server(redis_url=redis.url).client()
    bob = Ada(ada.here)
    bob.insert("500")
    ada.insert("-500")
    for one in (ada, bob):
        one.shown_soon(client)
    assert ada.version == bob.version
    (_, hers), (_, his) = ada.cached(client, redis), bob.cached(client, redis)
    redis.cli("SET", hers, redis.cli("GET", his))
    ada.shown(client)
    bob.shown(client)


def test_answer_to_another_question_is_never_served(redis, server, ada):
    client = server(redis_url=redis.url).client()
    asked = [(NET, {}), (NET, {"filters": [{"balance_types": [1]}]}), ("ListCredits", {}), ("ListCommits", {})]
    right, keys = [], []
    for method, fields in asked:
        before = ada.answer_keys(redis)
        ask = functools.partial(client.call, method, customer_id=ada.id, **fields)
        right.append(ask())
        [key] = wait_until(lambda: (ask(), [k for k in ada.answer_keys(redis) if k not in before])[1],
                           "the answer to be filed")
        keys.append(key)
    values = [redis.cli("GET", key) for key in keys]
    for key in keys:
        for value in values:
            redis.cli("SET", key, value)
            assert [client.call(method, customer_id=ada.id, **fields) for method, fields in asked] == right


@pytest.mark.parametrize("make", ["LPUSH", "SADD", "XADD"])
@pytest.mark.parametrize("which", ["v", "answer"])
def test_keys_of_another_type_are_no_answer(redis, server, ada, make, which):
    client = server(redis_url=redis.url).client()
    version_key, answer_key = ada.cached(client, redis)
    key = version_key if which == "v" else answer_key
    redis.cli("DEL", key)
    redis.cli(make, key, *{"LPUSH": ["5"], "SADD": ["5"], "XADD": ["*", "5", "5"]}[make])
    ada.shown(client)
    token = ada.write(client)
    ada.shown(client, at_least_as_fresh=token)
    ada.shown_soon(client)


@pytest.mark.parametrize("version", [b"", b"abc", b"-1", b"0", b"007", b"?", b"?abc", b"1" * 40, b"\0", b"5 ",
                                     b"9223372036854775807", b"9223372036854775808"])
def test_planted_version_costs_no_answer(redis, server, ada, version):
    client = server(redis_url=redis.url).client()
    version_key, _ = ada.cached(client, redis)
    redis.cli("SET", version_key, version)
    ada.shown(client)
    ada.shown(client, **FRESH)
    token = ada.write(client)
    ada.shown(client, at_least_as_fresh=token)
    ada.shown(client, **FRESH)


def test_old_answer_with_its_old_version_is_not_for_those_who_ask_for_more(redis, server, ada):
    """As from a Redis that lost its newest writes: the default level cannot tell, the others do."""
    client = server(redis_url=redis.url).client()
    keys = ada.cached(client, redis)
    old = [redis.cli("GET", key) for key in keys]
    token = ada.write(client)
    for key, value in zip(keys, old):
        redis.cli("SET", key, value)
    ada.shown(client, at_least_as_fresh=token)
    for key, value in zip(keys, old):
        redis.cli("SET", key, value)
    ada.shown(client, **FRESH)


# Redis or the database with another past ---------------------------------------------------------------


def test_redis_that_comes_back_with_old_data_is_not_believed(redis, server, ada):
    client = server(redis_url=redis.url).client()
    ada.cached(client, redis)
    redis.stop(keep=True)
    ada.write(client)
    ada.insert()
    redis.start()
    assert ada.answer_keys(redis)
    for _ in range(20):
        ada.shown(client)
    wait_until(lambda: (ada.shown(client), len(ada.version_keys(redis)) == 2)[1], "another prefix to be used")
    ada.shown(client)


class Watchers:
    """Readers who ask all the time, each one server, and hold every answer against the writes that were acknowledged
    before they asked."""

    def __init__(self, ada, servers):
        self._ada = ada
        self._stop = threading.Event()
        self.seen = [0] * len(servers)
        self.wrong = []
        self._threads = [threading.Thread(target=self._watch, args=(nr, one.client()))
                         for nr, one in enumerate(servers)]

    def _watch(self, nr, client):
        while not self._stop.is_set():
            known = self._ada.amount  # writes only take away
            try:
                answer = self._ada.ask(client)
            except harness.grpc.RpcError as error:
                self.wrong.append(str(error.code()))
                return
            if ref.amount_of(answer) > known:
                self.wrong.append(f"server {nr} says {answer}, after {ref.amount_text(known)} was acknowledged")
            self.seen[nr] += 1

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(harness.PATIENCE_S)
        assert not self.wrong, self.wrong[:3]

    def see_more(self, count=50):
        goals = [seen + count for seen in self.seen]
        wait_until(lambda: self.wrong or all(seen >= goal for seen, goal in zip(self.seen, goals)), "more answers")


@pytest.fixture
def replicated():
    """A Redis and its replica, which has all that it has."""
    master = harness.Redis(tcp=True)
    replica = harness.Redis(tcp=True, replicaof=f"127.0.0.1 {master.port}", repl_diskless_sync_delay=0)
    for one in (master, replica):
        one.start()
    wait_until(lambda: b"master_link_status:up" in replica.cli("INFO", "replication"), "the replica to follow")
    yield master, replica
    for one in (master, replica):
        one.remove()


@pytest.mark.parametrize("end", ["killed", "demoted"])
def test_failover_to_a_replica_that_missed_writes_misleads_nobody(database, replicated, proxy, server, ada, end):
    """The replica is promoted with answers in it that writes have ended since, as replication is asynchronous."""
    master, replica = replicated
    links = [proxy(master), proxy(master)]
    servers = [server(redis_url=link.url, redis_timeout="2s") for link in links]
    clients = [one.client() for one in servers]
    for client in clients:
        ada.cached(client, master)
    wait_until(lambda: ada.answer_keys(replica), "the answer to be replicated")
    with Watchers(ada, servers) as watchers:
        watchers.see_more()
        replica.cli("REPLICAOF", "NO", "ONE")
        for nr in range(10):
            ada.write(clients[nr % 2])
        watchers.see_more()
        assert ada.answer_keys(replica)
        greeted = [link.answered["SCRIPT"] for link in links]
        for link in links:
            link.move(replica)
        if end == "killed":
            master.kill()
        else:
            master.cli("REPLICAOF", "127.0.0.1", str(replica.port))
        # A write that its server cannot tell Redis of shows when the feed tells it.
        wait_until(lambda: all(link.answered["SCRIPT"] > before for link, before in zip(links, greeted)),
                   "both servers to know the new master")
        for nr in range(10):
            ada.write(clients[nr % 2])
        watchers.see_more()
    for client in clients:
        wait_until(lambda client=client: (ada.shown(client), ada.served_from_redis(client))[1],
                   "the answer to come from the new master")


def test_copied_database_shares_a_redis_with_its_original(postgres, redis, server, ada):
    """The same customers, and the same versions with another content."""
    ada.here.close()  # nobody may use a database that is copied
    copy = postgres.new_database(re.search(r"/(test_\d+)\?", ada.database)[1])
    ada.here.connect()
    twin = Ada.__new__(Ada)
    vars(twin).update(vars(ada))
    twin.here, twin.database = world.World(copy), copy
    here = server(redis_url=redis.url).client()
    there = server(redis_url=redis.url, database_url=copy).client()
    wait_until(lambda: (ada.shown(here), twin.shown(there), len(ada.version_keys(redis)) == 2)[2], "both to be cached")
    ada.insert("-1")
    twin.insert("-2")
    for one, client in ((ada, here), (twin, there)):
        one.shown_soon(client)
    assert ada.version == twin.version
    for _ in range(10):
        ada.shown(here)
        twin.shown(there)
    twin.here.close()


def test_database_that_restarts_is_followed(postgres, redis, server, ada):
    client = server(redis_url=redis.url).client()
    ada.cached(client, redis)
    ada.here.close()
    postgres.kill()
    postgres.start()
    ada.here.connect()
    wait_until(lambda: faults.ask(client, ada.id) not in (faults.UNAVAILABLE, DEADLINE), "the database to be back")
    for _ in range(5):
        ada.insert()
        ada.shown_soon(client)


# Time --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edge", ["start", "end"])
def test_cached_answer_ends_when_a_segment_starts_or_ends(redis, server, ada, edge):
    """Asked all the time, across the instant: before it the old answer, from it on the new one."""
    client = server(redis_url=redis.url).client()
    instant = int(time.time() * 10**6) + 2_000_000
    borders = (instant, ada.here.day(1)) if edge == "start" else (ada.here.day(-1), instant)
    commit = ada.customer.balance(PREPAID)
    commit.segment("40", *borders)
    ada.here.flush()
    before, after = ("1000", "1040") if edge == "start" else ("1040", "1000")
    wait_until(lambda: ada.ask(client) == before, "the segment to be known")
    hits = int(redis.info("stats")["keyspace_hits"])
    asked = 0
    while (begin := time.time_ns() // 1000) < instant + 500_000:
        answer = ada.ask(client)
        end = time.time_ns() // 1000
        asked += 1
        if end < instant:
            assert answer == before
        elif begin >= instant:
            assert answer == after, f"{begin - instant} µs after the instant"
    hits = int(redis.info("stats")["keyspace_hits"]) - hits
    assert hits > asked, "the answers did not come from Redis"


def test_answers_end_with_their_time_to_live(redis, server, ada):
    client = server(redis_url=redis.url, cache_ttl="1s").client()
    ada.cached(client, redis)
    assert all(0 < redis.cli("PTTL", key) <= 1000 for key in redis.keys(f"*{ada.id}*"))
    wait_until(lambda: not redis.keys(f"*{ada.id}*"), "everything to be forgotten")
    ada.shown(client)


# Tokens ------------------------------------------------------------------------------------------------


def test_old_token_is_served_from_the_cache_and_a_foreign_one_is_refused(redis, server, ada):
    client = server(redis_url=redis.url).client()
    old = client.call(NET, customer_id=ada.id).consistency_token
    ada.write(client)
    ada.cached(client, redis)
    assert ada.served_from_redis(client, at_least_as_fresh=old)
    other = faults.new_customer(ada.database)
    foreign = client.call(NET, customer_id=other).consistency_token
    for token in (foreign, old[:-1] + ("A" if old[-1] != "A" else "B"), "nonsense"):
        with harness.fails("INVALID_ARGUMENT", "INVALID_REQUEST"):
            ada.ask(client, at_least_as_fresh=token)


# Where Redis is ----------------------------------------------------------------------------------------


@pytest.fixture
def guarded():
    """A Redis by socket and by port, with a password and TLS."""
    one = harness.Redis(password="s3cret/+", tcp=True, tls=True)
    try:
        one.start()
        yield one
    finally:
        one.remove()


def quoted(url):
    return url.replace("s3cret/+", "s3cret%2F%2B")


@pytest.mark.parametrize("kind", ["url", "tcp_url"])
@pytest.mark.parametrize("database_nr", [0, 3])
def test_redis_by_socket_and_by_port(guarded, server, ada, kind, database_nr):
    url = quoted(getattr(guarded, kind))
    if database_nr:
        url += f"/{database_nr}" if kind == "tcp_url" else f"?db={database_nr}"
    one = server(redis_url=url)
    client = one.client()
    wait_until(lambda: (ada.shown(client), f"db{database_nr}" in guarded.info("keyspace"))[1], "the answer to be filed")
    wait_until(lambda: ada.served_from_redis(client), "the answer to be served")
    assert "s3cret" not in one.log


def test_redis_by_name_and_default_user(guarded, server, ada):
    client = server(redis_url=quoted(guarded.tcp_url).replace("127.0.0.1", "localhost").replace("//:", "//default:")
                    ).client()
    wait_until(lambda: (ada.shown(client), guarded.info("keyspace"))[1], "the answer to be filed")


@pytest.mark.parametrize("credentials", ["", ":wrong@"])
def test_wrong_password_is_told_and_costs_no_answer(guarded, server, ada, credentials):
    one = server(redis_url=guarded.tcp_url.replace(":s3cret/+@", credentials))
    client = one.client()
    for _ in range(20):
        ada.shown(client)
    wait_until(lambda: re.search("NOAUTH|WRONGPASS|password", one.log), "the log to say why")
    assert ":wrong@" not in one.log
    assert not guarded.info("keyspace")


def test_redis_over_tls_where_the_build_has_it(guarded, server, ada, monkeypatch):
    """The CA is one of the system's, or SSL_CERT_FILE's. Another build says so at its start."""
    url = quoted(guarded.tls_url)
    done = harness.balanced("serve", check=False, redis_url=url, database_url=ada.database, listen="nowhere")
    if "has no TLS" in done.stderr:
        assert re.fullmatch(r"balanced: BALANCED_REDIS_URL must be redis:// or unix:// here: .*\n", done.stderr)
        return
    one = server(redis_url=url, SSL_CERT_FILE=guarded.ca_path)
    client = one.client()
    wait_until(lambda: (ada.shown(client), guarded.info("keyspace"))[1], "the answer to be filed")
    untrusting = server(redis_url=url, SSL_CERT_FILE=os.devnull)
    ada.shown(untrusting.client())
    wait_until(lambda: "certificate" in untrusting.log, "the log to say why")


@pytest.mark.parametrize("url", ["redis:/x", "http://127.0.0.1", "unix://socket", "redis://127.0.0.1:0", "redis://h/x",
                                 "redis://", "redis://:p@"])
def test_url_that_makes_no_sense_stops_the_start(database, url):
    done = harness.balanced("serve", check=False, redis_url=url, database_url=database)
    assert done.returncode != 0
    assert re.fullmatch(r"balanced: BALANCED_REDIS_URL .*must be .*\n", done.stderr), done.stderr
