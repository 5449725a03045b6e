"""Deadlines and cancellation: who ends a call, that its statement ends in the database too, and that ending many
of them costs nobody else anything.

The database is slow because a table is locked. A call that has ended while the lock is still held was ended by
its deadline: no clock is needed to see it.
"""

import contextlib
import random
import time

import pytest

import harness
from faults import (BALANCE, CANCELLED, DEADLINE, NET, OK, UNAVAILABLE, Holdings, ask, assert_log_is_ours, execute,
                    locked, new_customer, outcome, outcomes, wait_connected, wait_nothing_active, waiting)
from http2 import RST_STREAM, RawCall, frame

PATH = f"/balances.v1.BalanceService/{NET}"
GRPC_DEADLINE_EXCEEDED = 4

ALL = ["ListBalances", "ListCredits", "ListCommits", "GetNetBalance", "ListLedgerEntries"]
IN_FLIGHT_MAX = 1024


@pytest.fixture
def customer(database):
    return new_customer(database)


@pytest.fixture
def connected(database, server):
    """Starts a server and waits for its connections: preparing statements, too, waits for a lock."""
    def start(**settings):
        one = server(**settings)
        wait_connected(database, settings.get("database_connections", 4))
        return one

    return start


def request_bytes(customer):
    return harness.messages().GetNetBalanceRequest(customer_id=customer).SerializeToString()


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("timeout_s", [0.3, 30, None], ids=["shorter", "longer", "none"])
def test_deadline_is_the_callers_or_the_servers_whichever_is_sooner(database, customer, connected, method, timeout_s):
    one = connected(request_timeout="30s" if timeout_s == 0.3 else "300ms")
    client = one.client()
    with locked(database):
        since = time.monotonic()
        with harness.fails(DEADLINE) as failure:
            client.call(method, customer_id=customer, timeout_s=timeout_s)
        print(f"{method}, {timeout_s}: ended after {time.monotonic() - since:.3f} s")
        if timeout_s != 0.3:  # else the client has told itself
            assert failure.details["ErrorInfo"].reason == "DEADLINE_EXCEEDED"
        wait_nothing_active(database)
        print(f"nothing active after {time.monotonic() - since:.3f} s")
    assert ask(client, customer) == OK


@pytest.mark.parametrize("text", ["", "x", "12", "1x", "-1S", "123456789n", "1 S", "99999999H", None])
def test_malformed_or_missing_timeout_is_capped_by_the_server(database, customer, connected, text):
    one = connected(request_timeout="300ms")
    with locked(database):
        with RawCall(one, PATH, request_bytes(customer), {"grpc-timeout": text} if text is not None else {}) as call:
            assert call.status() == GRPC_DEADLINE_EXCEEDED
        wait_nothing_active(database)


@pytest.mark.parametrize("text", ["0m", "0S", "0n", "1n"])
def test_timeout_that_has_passed_already_needs_no_answer(database, customer, connected, text):
    one = connected()
    with RawCall(one, PATH, request_bytes(customer), {"grpc-timeout": text}) as call:
        assert call.status() == GRPC_DEADLINE_EXCEEDED
    assert ask(one.client(), customer) == OK


def test_server_tells_a_client_that_does_not_look_at_its_clock(database, customer, connected):
    one = connected(request_timeout="30s")
    with locked(database):
        with RawCall(one, PATH, request_bytes(customer), {"grpc-timeout": "300m"}) as call:
            assert call.status() == GRPC_DEADLINE_EXCEEDED
        wait_nothing_active(database)


def test_statement_ends_in_the_database_when_its_caller_leaves(database, customer, connected):
    one = connected(request_timeout="30s")
    client = one.client()
    with locked(database):
        calls = [client.future(NET, customer_id=customer) for _ in range(20)]
        harness.wait_until(lambda: waiting(database) == 4, "the statements to wait")
        for call in calls:
            call.cancel()
        assert outcomes(calls) == {CANCELLED: 20}
        wait_nothing_active(database)


def test_statement_ends_when_the_whole_client_vanishes(database, customer, connected):
    one = connected(request_timeout="30s")
    with locked(database):
        with RawCall(one, PATH, request_bytes(customer)):
            harness.wait_until(lambda: waiting(database) == 1, "the statement to wait")
        wait_nothing_active(database)


def test_statement_ends_when_the_server_is_killed(database, customer, connected):
    one = connected(request_timeout="300s")
    # Not one.client(), which is closed with the server: that would cancel what it has not heard of yet.
    with locked(database), contextlib.closing(harness.Client(one.address)) as client:
        calls = [client.future(NET, customer_id=customer) for _ in range(8)]
        harness.wait_until(lambda: waiting(database) == 4, "the statements to wait")
        one.kill()
        assert outcomes(calls) == {UNAVAILABLE: 8}
        wait_nothing_active(database)


def test_reset_at_any_byte_of_a_request_leaves_nothing_behind(database, customer, connected):
    one = connected()
    client = one.client()
    held = Holdings(one)
    body = request_bytes(customer)
    for _ in range(2):
        for size in range(len(body)):
            with RawCall(one, PATH, body[:size], finish=False) as call:
                if size % 2:
                    call.send(frame(RST_STREAM, 0, 1, b"\0\0\0\x08"))
        held.settle()
    assert ask(client, customer) == OK
    assert_log_is_ours(one)


def test_many_calls_cancelled_at_random_lose_no_slot(database, customer, connected):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    one = connected(request_timeout="30s")
    clients = [one.client() for _ in range(4)]
    held = Holdings(one)
    for round_number in range(5):
        with locked(database):
            calls = [rng.choice(clients).future(NET, customer_id=customer) for _ in range(500)]
            # Some before they have arrived, some in the queue, some while they run.
            for call in rng.sample(calls, 200):
                call.cancel()
            harness.wait_until(lambda: waiting(database) > 0, "a statement to wait")
            for call in rng.sample(calls, len(calls)):
                call.cancel()
            since = time.monotonic()
            assert outcomes(calls) == {CANCELLED: 500}
            wait_nothing_active(database)
            print(f"round {round_number}: nothing active {time.monotonic() - since:.3f} s after the last cancel")
    # Every place for a call is free: as many as there are wait together, and all get their answer.
    with locked(database):
        calls = [clients[i % 4].future(NET, customer_id=customer) for i in range(IN_FLIGHT_MAX - 8)]
        harness.wait_until(lambda: waiting(database) == 4, "the statements to wait")
    assert outcomes(calls) == {OK: IN_FLIGHT_MAX - 8}
    held.settle()
    assert_log_is_ours(one)


def test_cancels_do_not_harm_strangers_on_the_same_connection(database, customer, connected):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    one = connected(request_timeout="30s", database_connections=1)
    clients = [one.client() for _ in range(3)]
    for _ in range(30):
        with locked(database):
            calls = [rng.choice(clients).future(NET, customer_id=customer) for _ in range(40)]
            leaving = rng.sample(calls, rng.randrange(1, 20))
            for call in leaving:
                time.sleep(rng.choice([0, 0, 0.002, 0.02]))
                call.cancel()
            time.sleep(rng.uniform(0, 0.06))  # into the middle of the cancelling
        staying = [call for call in calls if call not in leaving]
        assert outcomes(staying) == {OK: len(staying)}
    assert outcome(clients[0].future(NET, customer_id=customer)) == OK


def test_cancel_of_one_call_leaves_those_behind_it_waiting_for_their_answer(database, customer, connected):
    one = connected(request_timeout="30s", database_connections=1)
    client = one.client()
    with locked(database):
        first = client.future(NET, customer_id=customer)
        harness.wait_until(lambda: waiting(database) == 1, "the statement to wait")
        pid = execute(database, "SELECT pid, query_start FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        second = client.future(NET, customer_id=customer)
        first.cancel()
        # The second takes the first one's place in the database.
        harness.wait_until(
            lambda: execute(database, "SELECT pid, query_start FROM pg_stat_activity"
                                      " WHERE wait_event_type = 'Lock'") not in ([], pid), "the other statement")
        assert not second.done()
    assert second.result().balance == BALANCE
