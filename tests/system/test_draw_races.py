"""DrawDowns of one customer at once: they are committed together, none is overspent, lost or done twice, and what
happens to one of them is no concern of the others.

A test that holds the row of the customer's version keeps the first commit waiting in the database, so that those
that come meanwhile wait in line as one batch.
"""

import contextlib
import time
from decimal import Decimal

import grpc
import pytest

import draws
import harness
import world
from draws import balance, charge, drafts, net
from faults import wait_nothing_active
from reference import ACCOUNT, CREDIT, PREPAID
from world import new_id
from writes import end_waiting, held, version, wait_waiting

REPLAYED = ("idempotent-replayed", "true")


@pytest.fixture
def fresh(database, server):
    """Starts a server on this test's database, with a customer who has a credit of 1000: fresh(workers=3)."""
    opened = []

    def start(amount="1000", **settings):
        here = world.Served(database)
        opened.append(here)
        here.ada = here.customer()
        here.credit = balance(here.ada, CREDIT, amount)
        here.flush()
        here.server = server(**{"database_url": database, **settings})
        here.client = here.server.client()
        return here

    yield start
    for here in opened:
        here.close()
    assert "0 drifts" in harness.balanced("verify", database_url=database).stdout


def fields(here, *charges, **more):
    return {"customer_id": here.ada.id, **draws.request(here, *(charges or ("1",)), **more)}


def once():
    return {"request_id": new_id()}


@contextlib.contextmanager
def line_behind(here, first=None):
    """While the block runs a commit waits, so all draw-downs of the block are one batch: yields what sends one."""
    before = version(here, here.ada)

    def send(*charges, **more):
        call = here.client.future("DrawDown", timeout_s=more.pop("timeout_s", harness.PATIENCE_S),
                                  **fields(here, *charges, **more))
        return call

    with held(here.url, here.ada.id) as session:
        send.session = session
        send.first = here.client.future("DrawDown", **(first or fields(here)))
        wait_waiting(here.url)
        yield send
        here.client.call("GetNetBalance", customer_id=here.ada.id)  # by now they have arrived
        time.sleep(0.2)
    send.commits = lambda: version(here, here.ada) - before


def reason(call):
    """OK, or why it failed."""
    try:
        call.result()
        return "OK"
    except grpc.RpcError as error:
        return harness.error_of(error).details["ErrorInfo"].reason


def metadata(call):
    return [tuple(item) for item in call.initial_metadata()]


# All at once ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 3])
def test_64_callers_spend_the_last_unit(fresh, workers):
    here = fresh(amount="40.5", workers=workers)
    invoices = [new_id() for _ in range(3)]
    clients = [here.server.client() for _ in range(64)]
    calls = [client.future("DrawDown", **fields(here, invoice_id=invoices[n % 3])) for n, client in enumerate(clients)]
    results = [call.result().results[0] for call in calls]
    taken = [sum(Decimal(a.amount) for a in r.allocations) for r in results]
    assert all(t + Decimal(r.uncovered) == 1 for t, r in zip(taken, results))
    assert sum(taken) == Decimal("40.5") and sorted(taken)[-41:] == [Decimal("0.5")] + [1] * 40
    assert len({r.allocations[0].remaining for r in results if r.allocations}) == 41  # each saw another state
    assert net(here, here.ada) == "0"
    assert sum(Decimal(amount) for i in invoices for _, amount in drafts(here, i)) == Decimal("-40.5")


@pytest.mark.parametrize("workers", [1, 3])
def test_one_request_of_many_callers_has_one_effect(fresh, workers):
    here = fresh(workers=workers)
    clients = [here.server.client() for _ in range(16)]
    same = fields(here, "7", **once())
    calls = [clients[n % 16].future("DrawDown", **same) for n in range(48)]
    assert len({call.result().SerializeToString() for call in calls}) == 1
    assert [REPLAYED in metadata(call) for call in calls].count(False) == 1
    assert net(here, here.ada) == "993" and drafts(here, same["invoice_id"]) == [(here.credit.id, "-7")]


@pytest.mark.parametrize("workers", [1, 3])
def test_draws_and_other_writes_all_take_place(fresh, workers):
    here = fresh(workers=workers)
    clients = [here.server.client() for _ in range(8)]
    invoice, segment = new_id(), here.credit.segments[0].id
    entry = {"customer_id": here.ada.id, "id": here.credit.id, "segment_id": segment, "amount": "10", "reason": "r"}
    calls = [clients[n % 8].future("AddManualLedgerEntry", **entry) if n % 5 == 0 else clients[n % 8].future(
        "DrawDown", **fields(here, "2", invoice_id=invoice, **(once() if n % 2 else {}))) for n in range(100)]
    assert {reason(call) for call in calls} == {"OK"}
    assert net(here, here.ada) == "1040" and drafts(here, invoice) == [(here.credit.id, "-160")]


# One batch -----------------------------------------------------------------------------------------------


def test_draws_that_queue_up_are_one_commit(fresh):
    here = fresh(amount="60")
    with line_behind(here) as send:
        calls = [send("1", **(once() if n % 2 else {})) for n in range(64)]
    remaining = [r.allocations[0].remaining if r.allocations else "none"
                 for r in (call.result().results[0] for call in calls)]
    assert sorted(remaining) == sorted([str(n) for n in range(59)] + ["none"] * 5)
    assert send.commits() <= 4 and send.first.result()
    assert len({call.result().consistency_token for call in calls}) <= 3
    assert here.run("SELECT count(*) FROM request_log") == [(32,)]


def test_member_that_fails_does_not_fail_the_others(fresh):
    here = fresh()
    closed, mine = new_id(), new_id()
    here.client.call("DrawDown", **fields(here, "100", invoice_id=closed))
    here.run("UPDATE invoice SET status = 'FINALIZED', finalized_at = now() WHERE id = %s", closed)
    open_ended = here.ada.balance(ACCOUNT, overdraft=True, credit_type=here.euro)
    open_ended.segment("0", here.day(-1), here.day(1))
    here.flush()
    used = once()
    here.client.call("DrawDown", **fields(here, "1", **used))
    huge = charge("9" * 26, credit_type_id=here.euro)
    with line_behind(here) as send:
        good = [send("5", invoice_id=mine)]
        bad = [send("1", invoice_id=closed), send("1", invoice_id=mine, contract_id=new_id()),
               send("3", huge, huge, invoice_id=mine), send(charge("1", credit_type_id=new_id())), send("2", **used)]
        good += [send("7", invoice_id=mine), send("9")]
    assert [reason(call) for call in bad] == ["INVOICE_NOT_DRAFT", "NOT_FOUND", "OUT_OF_RANGE", "NOT_FOUND",
                                              "REQUEST_ID_REUSED"]
    assert [reason(call) for call in good] == ["OK"] * 3
    assert drafts(here, mine) == [(here.credit.id, "-12")] and send.commits() <= 3
    assert here.run("SELECT count(*) FROM invoice") == [(5,)]


def test_members_see_what_those_before_them_did(fresh):
    """Replacing, a dry run, a refusal and the making of the invoice, in one transaction."""
    here = fresh(amount="100")
    one, two = new_id(), new_id()
    with line_behind(here, fields(here, "10", invoice_id=one)) as send:
        calls = [send("80", invoice_id=two), send("30", invoice_id=two, dry_run=True),
                 send("20", invoice_id=two, replace=True), send("30", invoice_id=one),
                 send("1", invoice_id=two, service_period_end=world.stamp(here.day(1))),
                 send(invoice_id=new_id(), dry_run=True)]
    uncovered = [call.result().results[0].uncovered for call in calls[:4]]
    assert uncovered == ["0", "20", "0", "0"] and reason(calls[4]) == "INVOICE_DIFFERS" and reason(calls[5]) == "OK"
    assert (drafts(here, one), drafts(here, two)) == ([(here.credit.id, "-40")], [(here.credit.id, "-20")])
    assert send.commits() <= 3 and here.run("SELECT count(*) FROM invoice") == [(2,)]


def test_replays_and_new_requests_are_answered_together(fresh):
    here = fresh()
    old = fields(here, "5", **once())
    first = here.client.call("DrawDown", **old)
    with line_behind(here) as send:
        again = here.client.future("DrawDown", **old)
        new = send("6")
    assert again.result() == first and REPLAYED in metadata(again)
    assert reason(new) == "OK" and REPLAYED not in metadata(new)
    assert net(here, here.ada) == "988"


def test_callers_who_leave_do_not_hurt_the_others(fresh):
    """In line, first or last, and while the commit that they are in is under way."""
    here = fresh()
    with line_behind(here) as send:
        waiting = [send("10", **once()) for _ in range(6)]
        time.sleep(0.2)
        for n in (0, 3, 5):
            waiting[n].cancel()
    assert [reason(waiting[n]) for n in (1, 2, 4)] == ["OK"] * 3
    assert send.first.result() and net(here, here.ada) == "969"
    with line_behind(here) as send:
        waiting = [send("10", **once()) for _ in range(4)]
        time.sleep(0.2)
        send.first.cancel()  # the batch behind goes on, and its commit waits for the lock, too
        time.sleep(0.2)
        wait_waiting(here.url)
        waiting[0].cancel()
    assert [reason(call) for call in waiting[1:]] == ["OK"] * 3
    assert net(here, here.ada) in ("939", "929")  # who left may have been committed with the others


def test_all_who_leave_end_the_wait(fresh):
    here = fresh()
    with line_behind(here) as send:
        calls = [send("10") for _ in range(3)]
        time.sleep(0.2)
        send.first.cancel()
        wait_waiting(here.url)
        for call in calls:
            call.cancel()
        wait_nothing_active(here.url)
        last = send("5")
        wait_waiting(here.url)
    assert reason(last) == "OK" and net(here, here.ada) == "995"


def test_deadline_of_one_is_no_concern_of_the_others(fresh):
    here = fresh()
    with held(here.url, here.ada.id):
        first = here.client.future("DrawDown", **fields(here))
        wait_waiting(here.url)
        short = here.client.future("DrawDown", timeout_s=0.5, **fields(here, "10"))
        others = [here.client.future("DrawDown", **fields(here, "10")) for _ in range(3)]
        with pytest.raises(grpc.RpcError) as error:
            short.result()
        assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert [reason(call) for call in (first, *others)] == ["OK"] * 4
    assert net(here, here.ada) == "969"


@pytest.mark.parametrize("same, advice", [({}, "or send it with a request_id"), (once(), "the same request_id")],
                         ids=["without request_id", "with one"])
def test_deadline_under_the_commit_says_that_nobody_knows(fresh, same, advice):
    here = fresh(request_timeout="500ms")
    with held(here.url, here.ada.id):
        with harness.fails("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED") as error:
            here.client.call("DrawDown", **fields(here, "10", **same))
        assert "whether it took place is not known" in error.message and advice in error.message
        here.client.call("DrawDown", **fields(here, "10", dry_run=True, **same))  # that has nothing to commit
        wait_nothing_active(here.url)
    assert reason(here.client.future("DrawDown", **fields(here, "10", **same))) == "OK"
    assert net(here, here.ada) == "990"


# Commits that break ----------------------------------------------------------------------------------------


def broken(here, *calls):
    """Sends them as one batch whose connection breaks under the commit; gives what became of them."""
    with held(here.url, here.ada.id):
        first = here.client.future("DrawDown", **fields(here))
        wait_waiting(here.url)
        under_way = [here.client.future("DrawDown", **call) for call in calls]
        here.client.call("GetNetBalance", customer_id=here.ada.id)
        time.sleep(0.2)
        first.cancel()
        time.sleep(0.2)
        end_waiting(here.url)
        time.sleep(0.2)
    return under_way


def test_unknown_outcome_is_handled_for_each(fresh):
    here = fresh()
    named, dry, plain = fields(here, "5", **once()), fields(here, "9", dry_run=True), fields(here, "11")
    calls = broken(here, named, plain, dry)
    assert [reason(call) for call in calls] == ["OK", "OUTCOME_UNKNOWN", "OK"]
    assert net(here, here.ada) == "995" and REPLAYED not in metadata(calls[0])
    assert here.client.call("DrawDown", **named) == calls[0].result()
    with pytest.raises(grpc.RpcError) as error:
        calls[1].result()
    assert "request_id" in harness.error_of(error.value).message


def test_what_another_writer_did_meanwhile_is_decided_on_anew(fresh):
    here = fresh()
    other = balance(here.ada, PREPAID, "5")
    here.flush()
    with line_behind(here, fields(here, "10")) as send:
        calls = [send("10", **once()) for _ in range(3)]
        with send.session.cursor() as cursor:
            cursor.execute("UPDATE balances.balance SET archived_at = now() WHERE id = %s", [here.credit.id])
        send.session.commit()
    results = [call.result().results[0] for call in (send.first, *calls)]
    assert sorted(r.uncovered for r in results) == ["10", "10", "10", "5"]
    assert {a.balance_id for r in results for a in r.allocations} == {other.id}
    assert here.run("SELECT count(*) FROM request_log") == [(3,)]


def test_server_that_stops_finishes_the_batch(fresh):
    here = fresh()
    with held(here.url, here.ada.id):
        calls = [here.client.future("DrawDown", **fields(here))]
        wait_waiting(here.url)
        calls += [here.client.future("DrawDown", **fields(here, "10")) for _ in range(5)]
        time.sleep(0.2)
        here.server.terminate()
        harness.wait_until(lambda: "taking no new calls" in here.server.log, "the server to stop")
    assert [reason(call) for call in calls] == ["OK"] * 6
    assert here.server.wait() == 0
    assert here.run("SELECT trim_scale(sum(amount))::text FROM draft_deduction") == [("-51",)]


def test_server_that_stops_while_nobody_waits_any_more(fresh):
    """A batch whose callers have all left is over before the server is."""
    here = fresh()
    with held(here.url, here.ada.id):
        calls = [here.client.future("DrawDown", **fields(here))]
        wait_waiting(here.url)
        calls += [here.client.future("DrawDown", **fields(here, "10")) for _ in range(5)]
        time.sleep(0.2)
        for call in calls:
            call.cancel()
        here.server.stop()
    assert here.run("SELECT count(*) FROM draft_deduction") == [(0,)]


def test_reads_after_a_draw_see_it(fresh, redis):
    """The answers that Redis has end before anybody of the batch hears of it."""
    here = fresh(redis_url=redis.url)
    assert net(here, here.ada) == "1000"
    with line_behind(here) as send:
        calls = [send("10") for _ in range(5)]
    for call in calls:
        call.result()
        assert Decimal(net(here, here.ada)) <= 989
    assert net(here, here.ada) == "949"
