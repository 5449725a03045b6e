"""Transactions of account balances: made through the service, listed, summed up, and what each refuses.

A refusal changes nothing: `refused` compares all that is stored before and after. Numbers are those of
domain.md B17 where it has them.
"""

import threading

import grpc
import pytest

import harness
import world
from reference import CREDIT
from world import new_id, stamp
from writes import held, refused, wait_waiting

LARGEST = "99999999999999999999999999.999999999999"
USER, BILL = 3, 1
REPLAYED = ("idempotent-replayed", "true")


@pytest.fixture(scope="module")
def here(postgres):
    with world.served(postgres) as served:
        yield served
        assert "0 drifts" in harness.balanced("verify", database_url=served.url).stdout


@pytest.fixture
def ada(here):
    customer = here.customer()
    customer.account_balance, customer.access, customer.rollover = customer.account(
        here.day(-30), here.day(30), here.day(60), cap="800")
    here.flush()
    return customer


def add(here, customer, amount="100", **fields):
    defaults = {"balance_id": customer.account_balance.id, "transaction_type_id": here.transaction_type}
    return here.call("CreateTransaction", customer, **{**defaults, "amount": amount, **fields})


def listed(here, customer, **fields):
    answer = here.call("ListTransactions", customer, **{"balance_id": customer.account_balance.id, **fields})
    return list(answer.data)


def summary(here, customer, **fields):
    got = here.call("GetTransactionSummary", customer, **{"balance_id": customer.account_balance.id, **fields})
    return (got.total_credit_amount, got.total_debit_amount, got.initial_credit_amount, got.expired_balance_amount,
            got.rollover_consumed, got.balance_consumed)


# Making one ------------------------------------------------------------------------------------------


def test_transaction_is_answered_as_it_is_listed(here, ada):
    applied, dated = stamp(here.day(-2)), stamp(here.day(-3))
    answer = add(here, ada, "0100.50", description="düe", applied_date=applied, transaction_date=dated,
                 paid="90.10", currency_paid="EUR")
    made = answer.transaction
    assert (made.balance_id, made.amount, made.description) == (ada.account_balance.id, "100.5", "düe")
    assert made.applied_date.seconds == applied["seconds"] and made.transaction_date.seconds == dated["seconds"]
    assert (made.transaction_type_id, made.paid, made.currency_paid) == (here.transaction_type, "90.1", "EUR")
    assert (made.entity_type, made.entity_id, made.running_amount) == (USER, "", "100.5")
    fresh = {"consistency": {"at_least_as_fresh": answer.consistency_token}}
    assert listed(here, ada, **fresh) == [made]
    assert here.call("GetNetBalance", ada, **fresh).balance == "100.5"


def test_dates_default_to_now_and_amounts_run(here, ada):
    amounts = ["100", "-30", "0.000000000001"]
    made = [add(here, ada, amount).transaction for amount in amounts]
    assert [m.running_amount for m in made] == ["100", "70", "70.000000000001"]
    for m in made:
        assert m.applied_date == m.transaction_date == m.created_at
        assert abs(m.created_at.seconds * 10**6 - here.now) < 2 * world.HOUR
    assert listed(here, ada) == made


def test_segment_is_the_one_that_covers_the_applied_date(here, ada):
    add(here, ada, "10", applied_date=stamp(here.day(-60)))
    add(here, ada, "20", applied_date=stamp(here.day(29)))
    add(here, ada, "40", applied_date=stamp(here.day(30)))
    rows = here.run("SELECT role, total_manual::text FROM segment WHERE balance_id = %s ORDER BY role",
                    ada.account_balance.id)
    assert [(role, float(total)) for role, total in rows] == [("ACCESS", 30), ("ROLLOVER", 40)]
    assert here.call("GetNetBalance", ada).balance == "30"


def test_debit_ends_at_what_is_left(here, ada):
    add(here, ada, "100")
    with refused(here, "FAILED_PRECONDITION", "INSUFFICIENT_BALANCE") as error:
        add(here, ada, "-100.000000000001")
    assert "has 100 left" in error.message
    assert add(here, ada, "-100").transaction.running_amount == "0"


def test_overdraft_has_no_floor(here):
    bea = here.customer()
    bea.account_balance, *_ = bea.account(here.day(-1), here.day(1), overdraft=True)
    here.flush()
    assert add(here, bea, "-5").transaction.running_amount == "-5"
    assert here.call("GetNetBalance", bea).balance == "-5"


@pytest.mark.parametrize("field, wrong", [
    *[("amount", amount) for amount in ("", "0", "-0", "x", "1e3", "1" * 27, "0." + "0" * 12 + "1")],
    ("paid", "x"), ("balance_id", ""), ("balance_id", "x"), ("transaction_type_id", ""),
    ("transaction_type_id", "x"), ("request_id", "x"), ("description", "é" * 10001), ("currency_paid", "é" * 1001),
    ("applied_date", {"nanos": 1}), ("transaction_date", {"seconds": 2**60})])
def test_wrong_field_is_named(here, ada, field, wrong):
    paid = {"paid": "1", "currency_paid": "EUR"} if field in ("paid", "currency_paid") else {}
    with refused(here, "INVALID_ARGUMENT", "INVALID_REQUEST") as error:
        add(here, ada, **{"amount": "1", **paid, field: wrong})
    assert [v.field for v in error.details["BadRequest"].field_violations] == [field]


def test_paid_and_its_currency_come_together_and_all_fields_are_named(here, ada):
    for given, missing in (({"paid": "1"}, "currency_paid"), ({"currency_paid": "EUR"}, "paid")):
        with refused(here, "INVALID_ARGUMENT", "INVALID_REQUEST") as error:
            add(here, ada, "0", **given)
        assert [v.field for v in error.details["BadRequest"].field_violations] == ["amount", missing]


def test_what_is_not_there_is_named(here, ada):
    for kind in ("balance", "transaction_type"):
        with refused(here, "NOT_FOUND", "NOT_FOUND") as error:
            add(here, ada, **{f"{kind}_id": new_id()})
        assert error.details["ResourceInfo"].resource_type == kind
    with refused(here, "NOT_FOUND", "NOT_FOUND"):
        here.call("CreateTransaction", new_id(), balance_id=ada.account_balance.id, amount="1",
                  transaction_type_id=here.transaction_type)


def test_state_of_things_forbids(here, ada):
    ended, *_ = ada.account(here.day(-30), here.day(-2))
    rolling, *_ = ada.account(here.day(-30), here.day(-2), here.day(5))
    archived, *_ = ada.account(here.day(-1), here.day(1), archived=True)
    credit = ada.balance(CREDIT)
    credit.segment("5", here.day(-1), here.day(1))
    old = here.id()
    here.insert("transaction_type", id=old, name="Old", code=f"old_{old[:8]}", archived=True)
    here.flush()
    yesterday = stamp(here.day(-3))
    for reason, fields in (
            ("AFTER_END", {"balance_id": ended.id}),
            ("SEGMENT_EXPIRED", {"balance_id": ended.id, "applied_date": yesterday}),
            ("SEGMENT_EXPIRED", {"balance_id": rolling.id, "applied_date": yesterday}),
            ("AFTER_END", {"applied_date": stamp(here.day(60))}),
            ("BALANCE_ARCHIVED", {"balance_id": archived.id}),
            ("WRONG_KIND", {"balance_id": credit.id}),
            ("TRANSACTION_TYPE_ARCHIVED", {"transaction_type_id": old})):
        with refused(here, "FAILED_PRECONDITION", reason) as error:
            add(here, ada, **fields)
        violation, = error.details["PreconditionFailure"].violations
        assert violation.type == reason
    assert add(here, ada, balance_id=rolling.id).transaction.running_amount == "100"


def test_sum_that_does_not_fit_is_refused(here, ada):
    add(here, ada, LARGEST)
    with refused(here, "OUT_OF_RANGE"):
        add(here, ada, "0.000000000001")


# Races and retries -----------------------------------------------------------------------------------


def together(count, call):
    """Runs the call in so many threads; what came of each, in no order."""
    results = []

    def run():
        try:
            results.append(call())
        except grpc.RpcError as error:
            results.append(error.code())
    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == count
    return results


def test_only_so_many_spend_the_last_units(here, ada, server):
    add(here, ada, "3")
    clients = [here.client, server(database_url=here.url).client()] * 4

    def spend():
        return clients.pop().call("CreateTransaction", customer_id=ada.id, balance_id=ada.account_balance.id,
                                  amount="-1", transaction_type_id=here.transaction_type)
    results = together(8, spend)
    assert results.count(grpc.StatusCode.FAILED_PRECONDITION) == 5
    assert sorted(r.transaction.running_amount for r in results if r != grpc.StatusCode.FAILED_PRECONDITION) == [
        "0", "1", "2"]
    assert here.call("GetNetBalance", ada).balance == "0"


def test_many_callers_of_one_request_hear_the_same(here, ada):
    request = new_id()
    results = together(8, lambda: add(here, ada, "7", request_id=request))
    assert len({r.transaction.id for r in results}) == 1
    assert [t.amount for t in listed(here, ada)] == ["7"]
    _, call = here.client.call_with_metadata(
        "CreateTransaction", customer_id=ada.id, balance_id=ada.account_balance.id, amount="7.0",
        transaction_type_id=here.transaction_type, request_id=request)
    assert REPLAYED in [tuple(item) for item in call.initial_metadata()]
    with refused(here, "ALREADY_EXISTS", "REQUEST_ID_REUSED"):
        add(here, ada, "8", request_id=request)


def test_type_is_held_until_the_commit(here, ada):
    results = []
    with held(here.url, ada.id):
        caller = threading.Thread(target=lambda: results.append(add(here, ada)))
        caller.start()
        wait_waiting(here.url)
        free = here.run("SELECT id FROM transaction_type WHERE id = %s FOR UPDATE SKIP LOCKED", here.transaction_type)
    caller.join()
    assert free == [] and results[0].transaction.running_amount == "100"


def test_type_that_changes_before_the_commit_is_looked_at_again(here, ada):
    kind = here.id()
    here.insert("transaction_type", id=kind, name="Soon", code=f"soon_{kind[:8]}")
    here.flush()
    results = []
    with here.connection, here.connection.cursor() as cursor:
        cursor.execute("UPDATE transaction_type SET archived = true, version = version + 1 WHERE id = %s", [kind])
        caller = threading.Thread(target=lambda: results.extend(
            together(1, lambda: add(here, ada, transaction_type_id=kind))))
        caller.start()
        wait_waiting(here.url)
    caller.join()
    assert results == [grpc.StatusCode.FAILED_PRECONDITION]
    assert listed(here, ada) == []


# The list --------------------------------------------------------------------------------------------


@pytest.fixture
def moved(here, ada):
    """A balance that everything has moved: 1000 in, an invoice and its cancellation, 5 out."""
    ada.invoice = here.id()
    ada.access.entry("ACCOUNT_BALANCE_TRANSACTION", "1000", entity_type="SCHEDULER", entity_id="s1")
    ada.access.entry("ACCOUNT_BALANCE_DEDUCTION", "-300", invoice_id=ada.invoice)
    ada.access.entry("ACCOUNT_BALANCE_CANCELED", "300", invoice_id=ada.invoice)
    ada.access.entry("ACCOUNT_BALANCE_TRANSACTION", "-5")
    here.flush()
    return ada


def test_list_has_everything_that_moved_the_amount(here, moved):
    got = listed(here, moved)
    assert [(t.running_amount, t.amount) for t in got][-1][0] == "995"
    assert sorted((t.amount, t.entity_type, t.entity_id) for t in got) == sorted([
        ("1000", 5, "s1"), ("-300", BILL, moved.invoice), ("300", BILL, moved.invoice), ("-5", 0, "")])
    running = 0
    for t in got:
        running += int(t.amount)
        assert t.running_amount == str(running)


def test_filters_are_joined(here, moved):
    def amounts(**fields):
        return sorted(t.amount for t in listed(here, moved, **fields))
    assert amounts(entity_type=BILL) == ["-300", "300"]
    assert amounts(entity_type=5) == ["1000"]
    assert amounts(entity_id=moved.invoice) == ["-300", "300"]
    assert amounts(entity_id="s1", entity_type=BILL) == []
    assert amounts(transaction_type_id=here.transaction_type) == ["-5", "1000"]
    assert amounts(transaction_type_id=new_id()) == []


@pytest.mark.parametrize("limit", [1, 2, 3, 200])
def test_pages_join_to_the_whole_though_rows_are_added(here, ada, limit):
    made = [add(here, ada, str(n)).transaction for n in range(1, 6)]
    seen = []
    for answer in here.pages("ListTransactions", ada, balance_id=ada.account_balance.id, limit=limit):
        assert len(answer.data) <= limit
        seen.extend(answer.data)
        if answer.next_page and len(made) < 8:
            # Long ago, and yet the last.
            made.append(add(here, ada, "9", applied_date=stamp(here.day(-29))).transaction)
    assert seen == made[:len(seen)] and len(seen) >= 5
    if limit < 5:
        assert seen == made


def test_page_token_belongs_to_its_request(here, ada):
    for _ in range(3):
        add(here, ada)
    token = here.call("ListTransactions", ada, balance_id=ada.account_balance.id, limit=1).next_page
    for fields in ({"limit": 2}, {"limit": 1, "entity_type": USER}, {"limit": 1, "next_page": token[:-2]}):
        with refused(here, "INVALID_ARGUMENT") as error:
            listed(here, ada, **{"next_page": token, **fields})
        assert [v.field for v in error.details["BadRequest"].field_violations] == ["next_page"]


def test_wrong_filters_are_named_at_once(here, ada):
    with refused(here, "INVALID_ARGUMENT") as error:
        listed(here, ada, transaction_type_id="x", entity_type=9, entity_id="é" * 1001, limit=201, balance_id="")
    assert sorted(v.field for v in error.details["BadRequest"].field_violations) == [
        "balance_id", "entity_id", "entity_type", "limit", "transaction_type_id"]


@pytest.mark.parametrize("method", ["ListTransactions", "GetTransactionSummary"])
def test_reads_refuse_what_is_no_account_balance(here, ada, method):
    credit = ada.balance(CREDIT)
    credit.segment("5", here.day(-1), here.day(1))
    here.flush()
    for balance in (credit.id, new_id()):
        with refused(here, "NOT_FOUND") as error:
            here.call(method, ada, balance_id=balance)
        assert error.details["ResourceInfo"].resource_name == balance
    with refused(here, "NOT_FOUND"):
        here.call(method, new_id(), balance_id=credit.id)


def test_archived_balance_has_no_ledger(here, moved):
    here.run("UPDATE balance SET archived_at = now() WHERE id = %s", moved.account_balance.id)
    fresh = {"consistency": {"fully_consistent": True}}
    assert listed(here, moved, **fresh) == []
    assert summary(here, moved, **fresh) == ("0",) * 6


# The summary -----------------------------------------------------------------------------------------


def test_summary_tells_what_went_in_from_what_went_out(here, moved):
    assert summary(here, moved) == ("1300", "305", "1000", "0", "0", "0")


def test_summary_of_nothing_is_zero(here, ada):
    assert summary(here, ada) == ("0",) * 6


def test_summary_that_does_not_fit_is_refused(here, ada):
    for amount in (LARGEST, f"-{LARGEST}", LARGEST):
        add(here, ada, amount)
    with refused(here, "OUT_OF_RANGE"):
        summary(here, ada)
    assert len(listed(here, ada)) == 3


def test_summary_follows_the_example(here):
    """B17: 1000 left at the end, 800 roll over, 300 of them are used, the rest expires."""
    for end, expired in ((5, "200"), (-1, "700")):
        bea = here.customer()
        bea.account_balance, access, rollover = bea.account(here.day(-30), here.day(-10), here.day(end), cap="800")
        access.entry("ACCOUNT_BALANCE_TRANSACTION", "-1")
        here.flush()
        access.entry("ACCOUNT_BALANCE_TRANSACTION", "1001")
        rollover.entry("ACCOUNT_BALANCE_DEDUCTION", "-300")
        here.flush()
        assert summary(here, bea) == ("1001", "301", "1001", expired, "300", "0")


# The cache -------------------------------------------------------------------------------------------


def test_cached_answers_are_ended_by_the_next_transaction(postgres, redis):
    with world.served(postgres, redis_url=redis.url) as here:
        ada = here.customer()
        ada.account_balance, *_ = ada.account(here.day(-1), here.day(1))
        here.flush()
        for n in range(1, 6):
            add(here, ada, "10")
            for _ in range(3):
                assert len(listed(here, ada)) == n
                assert summary(here, ada)[0] == str(10 * n)
