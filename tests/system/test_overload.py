"""Bounds: what is too much is refused at once, says when to try again, and costs those who were there first
nothing; afterwards service is as before. limits.h has the numbers.
"""

import contextlib
import re
import time

import grpc
import pytest

import harness
from faults import (EXHAUSTED, NET, OK, Holdings, ask, assert_log_is_ours, execute, locked, new_customer,
                    outcomes, wait_connected)
from http2 import RawCall

LIMITS = dict(re.findall(r"^    ([A-Z_]+) = (\d+)", (harness.SOURCE / "server/base/limits.h").read_text(), re.M))
CALLS_MAX, STREAMS_MAX = int(LIMITS["CALLS_MAX"]), int(LIMITS["STREAMS_MAX"])
IN_FLIGHT_MAX = int(LIMITS["SQL_IN_FLIGHT_MAX"])

CHECK = "grpc.health.v1.Health/Check"
WATCH = "grpc.health.v1.Health/Watch"
REFLECTION = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
# The call alone, or its connection with it.
REFUSED_BY_GRPC = [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL]
PATH = f"/balances.v1.BalanceService/{NET}"


@pytest.fixture
def customer(database):
    return new_customer(database)


@pytest.fixture
def connected(database, server):
    """Starts a server with a memory that is not blown up by the sanitizer, and waits for its connections."""
    def start(**settings):
        one = server(ASAN_OPTIONS="quarantine_size_mb=4:detect_stack_use_after_return=1", request_timeout="60s",
                     **settings)
        wait_connected(database, settings.get("database_connections", 4))
        return one

    return start


def assert_refusal(error, reason="TOO_MANY_CALLS"):
    """The refusal says when to try again, to people and to client libraries."""
    refusal = harness.error_of(error)
    assert refusal.code == EXHAUSTED
    assert refusal.details["ErrorInfo"].reason == reason
    delay = refusal.details["RetryInfo"].retry_delay
    pushback = dict(error.trailing_metadata())["grpc-retry-pushback-ms"]
    assert int(pushback) == delay.seconds * 1000 + delay.nanos // 1000000 > 0


def test_calls_beyond_the_limit_are_refused_at_once_and_the_others_served(database, customer, connected):
    one = connected()
    clients = [one.client() for _ in range(8)]
    extra = 300
    held = Holdings(one)
    memory = []
    for _ in range(4):
        with locked(database):
            calls = [clients[i % 8].future(NET, customer_id=customer) for i in range(CALLS_MAX + extra)]
            # Whoever has an answer while the table is locked was refused.
            harness.wait_until(lambda: sum(call.done() for call in calls) >= extra, "the refusals")
            refused = [call for call in calls if call.done()]
            for call in refused:
                assert_refusal(call.exception())
            # Being full is not being dead.
            assert clients[0].call(CHECK, service="liveness").status == 1
            refused.append(clients[0].future(NET, customer_id=customer))
            assert_refusal(refused[-1].exception())
            memory.append(one.resident_kib)
        counts = outcomes(calls)
        # A sign of life may be on its way on each connection, and takes a place there.
        assert CALLS_MAX - 4 <= counts[OK] <= CALLS_MAX, counts
        assert counts[OK] + counts[EXHAUSTED] == len(calls), counts
        assert ask(clients[0], customer) == OK
        held.settle()
    print(f"resident: {memory} KiB")
    assert memory[-1] < 1.25 * memory[1], memory
    assert_log_is_ours(one)


def test_connections_that_are_full_refuse_too(database, customer, connected):
    one = connected(database_connections=1)
    client = one.client()
    extra = 50
    for _ in range(3):
        with locked(database):
            calls = [client.future(NET, customer_id=customer) for _ in range(IN_FLIGHT_MAX + extra)]
            harness.wait_until(lambda: sum(call.done() for call in calls) >= extra, "the refusals")
            for call in calls:
                if call.done():
                    assert_refusal(call.exception())
        counts = outcomes(calls)
        assert IN_FLIGHT_MAX - 1 <= counts[OK] <= IN_FLIGHT_MAX, counts
    assert ask(client, customer) == OK


def test_refused_callers_who_come_back_are_served(database, customer, connected):
    """More callers than places, each calling again as soon as it is refused: all get through in the end."""
    one = connected(database_connections=1)
    clients = [one.client() for _ in range(4)]
    waiting = 600
    with locked(database):
        calls = [clients[i % 4].future(NET, customer_id=customer) for i in range(waiting)]
        harness.wait_until(lambda: any(call.done() for call in calls), "a refusal")
    rounds = 0
    while True:
        counts = outcomes(calls)
        assert set(counts) <= {OK, EXHAUSTED}, counts
        rounds += 1
        if counts[EXHAUSTED] == 0:
            break
        calls = [clients[i % 4].future(NET, customer_id=customer) for i in range(counts[EXHAUSTED])]
        assert rounds < 50
    print(f"{rounds} rounds")


@pytest.mark.parametrize("kind", ["watch", "reflection"])
def test_streams_beyond_the_limit_are_refused(server, customer, kind):
    one = server()
    clients = [one.client() for _ in range(4)]
    held = Holdings(one)
    request = harness.messages()["grpc.reflection.v1.ServerReflectionRequest"](list_services="*")

    def open_one(i):
        client = clients[i % 4]
        return client.stream(WATCH) if kind == "watch" else client.converse(REFLECTION, held_open(request))

    for _ in range(2):
        streams = [open_one(i) for i in range(STREAMS_MAX)]
        for stream in streams:
            next(stream)
        for i in range(20):
            with pytest.raises(grpc.RpcError) as refused:
                next(open_one(i))
            assert refused.value.code().name == EXHAUSTED
        # Calls are not streams.
        assert ask(clients[0], customer) == OK
        assert one.health() == "SERVING"
        # A place that becomes free is taken again.
        streams.pop().cancel()
        harness.wait_until(lambda: opens(open_one(0)), "the place of the stream that left")
        for stream in streams:
            stream.cancel()
        harness.wait_until(lambda: opens(open_one(0)), "a place")
        held.settle()
    assert_log_is_ours(one)


def held_open(request):
    """A request, and no half-close for as long as the stream lives."""
    yield request
    time.sleep(1)


def opens(stream):
    try:
        next(stream)
    except grpc.RpcError:
        return False
    stream.cancel()
    return True


@pytest.mark.parametrize("size", [9 * 1024, 64 * 1024, 1024 * 1024])
@pytest.mark.parametrize("name", ["x-large", "authorization", "x-large-bin"])
def test_metadata_beyond_the_limit_is_refused_before_the_database_is_asked(database, customer, server, name, size):
    one = server(log_level="debug")
    value = b"v" * size if name.endswith("-bin") else "v" * size
    with pytest.raises(grpc.RpcError) as refused:
        one.client().call(NET, customer_id=customer, metadata=[(name, value)])
    assert refused.value.code() in REFUSED_BY_GRPC
    assert NET not in one.log
    assert ask(one.client(), customer) == OK


def test_many_small_headers_are_bounded_too(database, customer, server):
    one = server()
    with pytest.raises(grpc.RpcError) as refused:
        one.client().call(NET, customer_id=customer, metadata=[(f"x-{i}", "v") for i in range(2000)])
    assert refused.value.code() in REFUSED_BY_GRPC
    assert ask(one.client(), customer) == OK


def test_requests_that_never_end_hold_no_place(database, customer, server):
    """A request is a call only when it is complete: however many are begun, nobody else is refused."""
    one = server()
    client = one.client()
    held = Holdings(one)
    body = harness.messages().GetNetBalanceRequest(customer_id=customer).SerializeToString()
    for _ in range(2):
        with contextlib.ExitStack() as stack:
            for _ in range(200):
                stack.enter_context(RawCall(one, PATH, body[:10], finish=False))
            assert ask(client, customer) == OK
        held.settle()


def test_calls_without_a_message_hold_no_place(database, customer, server):
    one = server()
    client = one.client()
    for _ in range(2):
        empty = [client.channel.stream_unary(PATH).future(iter([])) for _ in range(2 * CALLS_MAX)]
        harness.wait_until(lambda: all(call.done() for call in empty), "the answers")
        assert {call.code() for call in empty} <= {grpc.StatusCode.INVALID_ARGUMENT,
                                                   grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert ask(client, customer) == OK


def test_large_answers_to_many_callers_are_bounded_in_memory(database, connected):
    """Ledgers of some hundred kilobytes, for more callers than there is memory to spare for: each has its answer,
    or a refusal, and the memory is given back."""
    customer = new_customer(database)
    execute(database, f"""
        INSERT INTO balances.ledger_entry (customer_id, balance_id, segment_id, type, amount, timestamp, reason)
        SELECT customer_id, balance_id, id, 'PREPAID_COMMIT_MANUAL', 1, '2021-01-01Z', repeat('r', 200)
        FROM balances.segment, generate_series(1, 3000) WHERE customer_id = '{customer}'""")
    one = connected()
    client = one.client(**{"grpc.max_receive_message_length": -1})
    memory = []
    for _ in range(3):
        calls = [client.future("ListBalances", customer_id=customer, include_ledgers=True) for _ in range(60)]
        codes = set()
        for call in calls:
            try:
                assert len(call.result().data[0].commit.ledger) > 3000
                codes.add(OK)
            except grpc.RpcError as error:
                codes.add(error.code().name)
        assert OK in codes and codes <= {OK, EXHAUSTED}, codes
        memory.append(one.resident_kib)
    print(f"resident: {memory} KiB")
    assert memory[-1] < 1.25 * memory[1], memory
