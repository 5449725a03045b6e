"""What makes a retry safe, and how writers of one customer get out of each other's way.

However often a request with one request_id is sent, it has one effect, and everybody hears the same of it.
A test that holds the row of the customer's version keeps commits waiting in the database, and decides what
becomes of them. test_write_faults.py is about servers and databases that go away meanwhile.
"""

import contextlib
import threading

import grpc
import psycopg2
import pytest

import draws
import harness
import world
import writes
from faults import wait_nothing_active
from writes import ONCE, balances, credit, end_waiting, held, made, segments, shown, version, wait_waiting

REPLAYED = ("idempotent-replayed", "true")


@pytest.fixture(scope="module")
def here(postgres):
    with world.served(postgres) as served:
        yield served
        assert "0 drifts" in harness.balanced("verify", database_url=served.url).stdout


@pytest.fixture
def ada(here):
    customer = here.customer()
    customer.home, customer.next = customer.contract(), customer.contract()
    here.flush()
    return customer


def metadata(call):
    return [tuple(item) for item in call.initial_metadata()]


# The same request again ------------------------------------------------------------------------------


def topped_up(here, customer):
    balance, *_ = customer.account(here.day(-1), here.day(1))
    here.flush()
    return balance.id


def account_spec(here, code, **more):
    return {"code": code, "name": "n", "credit_type_id": world.USD, "starting_at": world.stamp(here.now),
            "ending_before": world.stamp(here.day(9)), "custom_fields": {"b": "1", "a": "2"}, **more}


def every_write(here, ada):
    """A request of each method that takes a request_id, with a balance of its own."""
    def entry(balance):
        return {"id": balance.id, "segment_id": segments(balance)[0].id, "amount": "5"}

    return {
        "CreateCommit": writes.prepaid(here, custom_fields={"b": "1", "a": "2"}),
        "CreateCredit": credit(here, custom_fields={"b": "1", "a": "2"}),
        "UpdateEndDate": {"id": made(here, ada).id, "access_ending_before": world.stamp(here.day(3))},
        "ArchiveBalance": {"id": made(here, ada).id},
        "AddManualLedgerEntry": {**entry(made(here, ada)), "reason": "r"},
        "AdjustSeats": entry(made(here, ada)),
        "FinalizeInvoice": {"invoice_id": writes.draft_invoice(here, ada)},
        "VoidInvoice": {"invoice_id": writes.draft_invoice(here, ada)},
        "RolloverBalance": {
            "id": made(here, ada, "CreateCommit", rollover_fraction="0.5", contract_id=ada.home).id,
            "new_contract_id": ada.next, "starting_at": world.stamp(here.day(3)),
            "ending_before": world.stamp(here.day(9))},
        "TrueUpCommit": {"id": made(here, ada, "CreateCommit", **writes.postpaid(here, ada.home)).id,
                         "invoice_id": world.new_id()},
        "DrawDown": draws.request(here, "5", "90"),
        "CreateTransaction": {"balance_id": topped_up(here, ada), "amount": "5",
                              "transaction_type_id": here.transaction_type},
        "CreateAccountBalance": {"spec": account_spec(here, "new")},
        "UpdateAccountBalance": {"id": topped_up(here, ada), "version": 1, "spec": account_spec(here, "changed")},
        "DeleteAccountBalance": {"id": topped_up(here, ada)}}


@pytest.mark.parametrize("method", ONCE)
def test_same_request_is_answered_as_the_first_time(here, ada, method):
    fields = {**every_write(here, ada)[method], "customer_id": ada.id, "request_id": world.new_id()}
    first, call = here.client.call_with_metadata(method, **fields)
    assert REPLAYED not in metadata(call)
    made(here, ada)  # the ledger goes on; the answer stays
    before = writes.everything(here)
    for _ in range(2):
        again, call = here.client.call_with_metadata(method, **fields)
        assert again.SerializeToString() == first.SerializeToString()
        assert REPLAYED in metadata(call)
    assert writes.everything(here) == before


@pytest.mark.parametrize("method", ONCE)
def test_other_request_with_the_same_id_is_refused(here, ada, method):
    every = every_write(here, ada)
    fields = {**every[method], "customer_id": ada.id, "request_id": world.new_id()}
    here.client.call(method, **fields)
    before = writes.everything(here)
    possible = {
        "name": "other", "id": world.new_id(), "amount": "6", "segment_id": world.new_id(), "reason": "other",
        "access_ending_before": world.stamp(here.day(2)), "invoice_id": world.new_id(), "replace": True,
        "dry_run": True, "charges": [draws.charge("5"), draws.charge("91")], "spec": account_spec(here, "other"),
        "version": 2, "new_contract_id": world.new_id(), "starting_at": world.stamp(here.day(2))}
    known = harness.messages().method(method).input_type.fields_by_name
    changes = {name: value for name, value in possible.items() if name in known}
    assert changes
    for name, value in changes.items():
        with harness.fails("ALREADY_EXISTS", "REQUEST_ID_REUSED"):
            here.client.call(method, **{**fields, name: value})
    for other in ONCE:
        if other != method:
            with harness.fails("ALREADY_EXISTS", "REQUEST_ID_REUSED"):
                here.client.call(other, **{**every[other], "customer_id": ada.id, "request_id": fields["request_id"]})
    assert writes.everything(here) == before


def test_request_id_of_another_method_is_refused_whatever_was_asked(here, ada):
    """Two methods may take the same fields, so the request alone does not tell."""
    balance = made(here, ada)
    fields = {"id": balance.id, "request_id": world.new_id()}
    here.call("ArchiveBalance", ada, **fields)
    here.run("UPDATE request_log SET method = reverse(method) WHERE request_id = %s", fields["request_id"])
    with harness.fails("ALREADY_EXISTS", "REQUEST_ID_REUSED"):
        here.call("ArchiveBalance", ada, **fields)


def test_same_request_in_another_spelling_is_the_same(here, ada):
    """Other digits of an amount, another order of a map, a default written out, a field that we do not know."""
    fields = {**credit(here), "customer_id": ada.id, "request_id": world.new_id(),
              "custom_fields": {"a": "1", "b": "2"}}
    first = here.client.call("CreateCredit", **fields)
    spelled = writes.access(here, writes.item(here, "0100.00"), credit_type_id=world.USD)
    request = harness.messages().CreateCreditRequest(**{**fields, "access_schedule": spelled,
                                                        "custom_fields": {"b": "2", "a": "1"}})
    unknown = b"\xc0\x3e\x01"  # field 1000
    path = "/balances.v1.LedgerService/CreateCredit"
    assert here.client.raw(path, request.SerializeToString() + unknown) == first.SerializeToString()


def test_request_ids_are_a_customers(here, ada):
    other = here.customer()
    here.flush()
    once = world.new_id()
    answers = {here.call("CreateCredit", who, **credit(here, request_id=once)).id for who in (ada, other)}
    assert len(answers) == 2


def test_errors_are_not_remembered(here, ada):
    once = world.new_id()
    for changes in ({"product_id": world.new_id()}, {"priority": None}, {"uniqueness_key": "x" * 200}):
        with pytest.raises(grpc.RpcError):
            here.call("CreateCredit", ada, **credit(here, request_id=once, **changes))
    balance = made(here, ada, request_id=once)
    assert balance.balance == "100"


def test_nothing_to_change_is_remembered_too(here, ada):
    balance = made(here, ada)
    here.call("ArchiveBalance", ada, id=balance.id)
    once = world.new_id()
    before = version(here, ada)
    first = here.call("ArchiveBalance", ada, id=balance.id, request_id=once)
    assert version(here, ada) == before
    assert here.call("ArchiveBalance", ada, id=balance.id, request_id=once) == first
    with harness.fails("ALREADY_EXISTS", "REQUEST_ID_REUSED"):
        here.call("ArchiveBalance", ada, id=world.new_id(), request_id=once)


# Writers at once -------------------------------------------------------------------------------------


def test_writers_past_the_service_only_delay(here, ada):
    """SQL writers move the version all the time; whoever was overtaken looks again."""
    balance = made(here, ada)
    stop = threading.Event()
    others = []

    def write_past():
        with contextlib.closing(psycopg2.connect(here.url)) as session:
            session.autocommit = True
            with session.cursor() as cursor:
                while not stop.is_set():
                    cursor.execute("UPDATE balances.customer SET name = name || '' WHERE customer_id = %s", [ada.id])
                    others.append(1)

    before = version(here, ada)
    thread = threading.Thread(target=write_past)
    thread.start()
    try:
        for _ in range(30):
            here.call("AddManualLedgerEntry", ada, id=balance.id, segment_id=segments(balance)[0].id, amount="1",
                      reason="r")
    finally:
        stop.set()
        thread.join(harness.PATIENCE_S)
    assert shown(here, ada, balance.id).balance == "130"
    assert version(here, ada) == before + 30 + len(others)


def test_what_another_writer_did_meanwhile_is_decided_on_anew(here, ada):
    """The balance is archived while the entry's commit waits: the entry is refused and not squeezed in."""
    balance = made(here, ada)
    with held(here.url, ada.id) as session:
        call = here.client.future("AddManualLedgerEntry", customer_id=ada.id, id=balance.id, amount="1", reason="r",
                                  segment_id=segments(balance)[0].id)
        wait_waiting(here.url)
        with session.cursor() as cursor:
            cursor.execute("UPDATE balances.balance SET archived_at = now() WHERE id = %s", [balance.id])
        session.commit()
    with harness.fails("FAILED_PRECONDITION", "BALANCE_ARCHIVED"):
        call.result()


def test_uniqueness_key_is_used_once_by_callers_at_once(here, ada):
    calls = [here.server.client().future("CreateCredit", customer_id=ada.id, **credit(here, uniqueness_key="k"))
             for _ in range(16)]
    codes = []
    for call in calls:
        try:
            call.result()
            codes.append("OK")
        except grpc.RpcError as error:
            codes.append(harness.error_of(error).details["ErrorInfo"].reason)
    assert sorted(codes) == ["OK"] + ["UNIQUENESS_KEY_USED"] * 15
    assert balances(here.url, ada.id) == 1


def test_line_of_a_customer_has_an_end(here, ada):
    other = here.customer()
    here.flush()
    with held(here.url, ada.id):
        first = here.client.future("CreateCredit", customer_id=ada.id, **credit(here))
        wait_waiting(here.url)
        calls = [here.client.future("CreateCredit", customer_id=ada.id, **credit(here)) for _ in range(256)]
        extra = harness.wait_until(lambda: full_line(here, ada), "the line to be full")
        assert "RetryInfo" in extra.details
        made(here, other)  # nobody else waits
        assert not any(call.done() for call in (first, *calls))
        for call in calls:
            call.cancel()
    first.result()
    made(here, ada)


def full_line(here, ada):
    try:
        here.call("CreateCredit", ada, **credit(here), timeout_s=0.2)
    except grpc.RpcError as error:
        return harness.error_of(error) if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED else None
    raise AssertionError("not even held up")


def test_caller_who_leaves_ends_the_wait_and_the_next_goes_on(here, ada):
    with held(here.url, ada.id):
        calls = [here.client.future("CreateCredit", customer_id=ada.id, **credit(here)) for _ in range(3)]
        wait_waiting(here.url)
        for call in calls:
            call.cancel()
        wait_nothing_active(here.url)
        last = here.client.future("CreateCredit", customer_id=ada.id, **credit(here))
        wait_waiting(here.url)
    last.result()
    assert balances(here.url, ada.id) == 1


def test_broken_commit_with_a_request_id_has_one_effect(here, ada):
    once = world.new_id()
    with held(here.url, ada.id):
        call = here.client.future("CreateCredit", customer_id=ada.id, **credit(here, request_id=once))
        end_waiting(here.url)
    answer = call.result()
    assert balances(here.url, ada.id) == 1
    assert here.call("CreateCredit", ada, **credit(here, request_id=once)) == answer


def test_broken_commit_without_one_ends_as_unknown(here, ada):
    with held(here.url, ada.id):
        call = here.client.future("CreateCredit", customer_id=ada.id, **credit(here))
        end_waiting(here.url)
        with harness.fails("UNKNOWN", "OUTCOME_UNKNOWN") as error:
            call.result()
    assert "not known" in error.message and "request_id" in error.message
    assert balances(here.url, ada.id) == 0
    made(here, ada)
