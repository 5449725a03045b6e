"""ListLedgerEntries, and the ledgers inside the lists: stored, draft and derived entries, in order.

The random customers are compared with reference.py: whole ledgers, in both directions, under random
filters. Paging has a file of its own.
"""

import uuid

import pytest

import harness
import reference as ref
import world
from reference import ACCOUNT, CREDIT, POSTPAID, PREPAID
from world import entry_number, shown_entry, stamp

UNKNOWN = "aaaaaaaa-0000-4000-8000-aaaaaaaaaaaa"


@pytest.fixture(scope="module")
def here(postgres):
    with world.served(postgres) as served:
        yield served


def ledger(here, customer, **fields):
    """Everything, page by page, for comparison with world.expected_ledger()."""
    fields.setdefault("limit", 1000)
    return [shown_entry(e) for page in here.pages("ListLedgerEntries", customer, **fields) for e in page.data]


def expected(here, customer):
    return world.expected_ledger(customer.balances, here.now)


def titles(entries):
    """[type, amount] of entries in the form of shown_entry()."""
    return [[e[1], e[3]] for e in entries]


# Every type ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def everything(here):
    """A customer whose ledger has every type of entry, and every field of one filled in."""
    ada = here.customer()
    contract = ada.contract()
    for kind in world.STORED:
        if kind == ACCOUNT:
            balance, segment, _ = ada.account(here.day(-30), here.day(-20), here.day(-10), cap="1")
        else:
            balance = ada.balance(kind, contract=contract, true_up_disabled=kind == POSTPAID)
            segment = balance.segment("100", here.day(-30), here.day(-10))
        for n, (sign, type_, _) in enumerate(world.STORED[kind]):
            segment.entry(type_, f"{sign or 1}.{n}5", here.day(-25) + n,
                          **({} if kind == ACCOUNT else {"contract_id": contract}),
                          **({"reason": "Grüße \U0001f600 \"<&>\"\n\t\\"} if sign == 0 else {}))
        segment.draft("-0.000000000001", here.day(-12), contract_id=contract)
    here.flush()
    return ada


def test_every_type_is_shown_with_every_field(here, everything):
    shown = ledger(here, everything)
    assert shown == expected(here, everything)
    assert {e[1] for e in shown} == set(ref.TYPES)
    for n, name in enumerate(world.EXTRAS):
        assert any(e[7 + n] for e in shown), name


def test_every_type_can_be_asked_for(here, everything):
    whole = expected(here, everything)
    for type_ in ref.TYPES:
        shown = ledger(here, everything, types=[entry_number(type_)])
        assert shown == [e for e in whole if e[1] == type_] != [], type_
    assert ledger(here, everything, types=list(map(entry_number, ref.TYPES))) == whole
    some = [ref.TYPES[0], ref.TYPES[-1], ref.TYPES[9], ref.TYPES[9]]
    assert ledger(here, everything, types=list(map(entry_number, some))) == [e for e in whole if e[1] in some]


def test_every_balance_can_be_asked_for(here, everything):
    whole = expected(here, everything)
    for balance in everything.balances:
        due = [e for e in whole if e[5] == balance.id]
        assert ledger(here, everything, balance_id=balance.id) == due != []
        assert ledger(here, everything, balance_id=balance.id, descending=True) == due[::-1]


def test_lists_show_the_same_ledgers(here, everything):
    lists = here.call("ListBalances", everything, include_contract_balances=True, include_ledgers=True)
    for item in world.items_of(lists):
        assert [shown_entry(e) for e in item.ledger] == ledger(here, everything, balance_id=item.id) != []


def test_range_includes_its_start_and_not_its_end(here, everything):
    whole = expected(here, everything)
    borders = sorted({e[0] for e in whole})
    for at in borders:
        assert ledger(here, everything, starting_at=stamp(at)) == [e for e in whole if e[0] >= at]
        assert ledger(here, everything, ending_before=stamp(at)) == [e for e in whole if e[0] < at]
        # A nanosecond later, the instant itself is before the start, or before the end.
        assert ledger(here, everything, starting_at=stamp(at, 1)) == [e for e in whole if e[0] > at]
        assert ledger(here, everything, ending_before=stamp(at, 1)) == [e for e in whole if e[0] <= at]
        assert ledger(here, everything, starting_at=stamp(at), ending_before=stamp(at)) == []
    low, high = borders[2], borders[-2]
    due = [e for e in whole if low <= e[0] < high]
    for descending in (False, True):
        shown = ledger(here, everything, starting_at=stamp(low), ending_before=stamp(high),
                       descending=descending)
        assert shown == (due[::-1] if descending else due)
    assert ledger(here, everything, starting_at=stamp(high), ending_before=stamp(low)) == []


def test_extreme_instants_are_in_the_ledger(here):
    ada = here.customer()
    first, last = -62135596800000000, 253402300799999999
    segment = ada.balance(CREDIT).segment("1", first, last)
    segment.entry("CREDIT_MANUAL", "2", last)
    segment.draft("-1", last)
    here.flush()
    for descending in (False, True):
        due = expected(here, ada)[::-1 if descending else 1]
        assert len(due) == 3
        for limit in (1, 1000):
            assert ledger(here, ada, descending=descending, limit=limit) == due


# Derived entries -------------------------------------------------------------------------------------


def test_start_and_expiration_follow_from_the_schedule(here):
    ada = here.customer()
    credit = ada.balance(CREDIT)
    ended = credit.segment("100", here.day(-30), here.day(-10))
    ended.entry("CREDIT_MANUAL", "-63", here.day(-20))
    credit.segment("5", here.day(-10), here.day(10))
    credit.segment("7", here.day(10), here.day(20)).entry("CREDIT_MANUAL", "1", here.day(-15))
    credit.segment("0", here.day(-40), here.day(-35))  # nothing granted, nothing to lapse
    here.flush()
    assert titles(ledger(here, ada)) == [
        ["CREDIT_SEGMENT_START", "100"], ["CREDIT_MANUAL", "-63"], ["CREDIT_MANUAL", "1"],
        ["CREDIT_SEGMENT_START", "5"], ["CREDIT_EXPIRATION", "-37"]]
    here.run("UPDATE segment SET ending_before = %s WHERE id = %s", world.when(here.day(1)), ended.id)
    assert ["CREDIT_EXPIRATION", "-37"] not in titles(ledger(here, ada))


def test_expired_segment_in_debt_sums_to_zero(here):
    ada = here.customer()
    segment = ada.balance(PREPAID).segment("10", here.day(-30), here.day(-10))
    segment.entry("PREPAID_COMMIT_MANUAL", "-15", here.day(-20))
    segment.draft("-1", here.day(-10))
    here.flush()
    shown = ledger(here, ada)
    assert titles(shown)[-1] == ["PREPAID_COMMIT_EXPIRATION", "6"]
    assert sum(ref.amount_of(e[3]) for e in shown) == 0


@pytest.mark.parametrize("cap, spent, due", [
    ("800", "-300", ["-800", "-200", "800", "-500"]), (None, "-300", ["-1000", "1000", "-700"]),
    ("0", "-300", ["-1000", "300"]), ("1000", "-1000", ["-1000", "1000"])])
def test_rollover_leaves_one_segment_and_enters_the_other(here, cap, spent, due):
    ada = here.customer()
    _, access, rollover = ada.account(here.day(-30), here.day(-20), here.day(-10), cap=cap)
    access.entry("ACCOUNT_BALANCE_TRANSACTION", "1000")
    rollover.entry("ACCOUNT_BALANCE_DEDUCTION", spent, here.day(-15))
    here.flush()
    shown = ledger(here, ada)
    assert shown == expected(here, ada)
    derived = [e for e in shown if e[1] in ("ACCOUNT_BALANCE_ROLLOVER", "ACCOUNT_BALANCE_EXPIRATION")]
    assert sorted(e[3] for e in derived) == sorted(due)
    for segment in (access, rollover):
        assert sum(ref.amount_of(e[3]) for e in shown if e[6] == segment.id) == 0


def test_debt_is_not_rolled_over(here):
    ada = here.customer()
    _, access, _ = ada.account(here.day(-30), here.day(-20), here.day(10), overdraft=True)
    access.entry("ACCOUNT_BALANCE_DEDUCTION", "-5")
    here.flush()
    assert titles(ledger(here, ada)) == [["ACCOUNT_BALANCE_DEDUCTION", "-5"],
                                         ["ACCOUNT_BALANCE_EXPIRATION", "5"]]


def test_ids_of_derived_entries_and_drafts_stay_when_values_change(here):
    ada = here.customer()
    segment = ada.balance(CREDIT).segment("10", here.day(-30), here.day(-10))
    draft = segment.draft("-1", here.day(-10))
    here.flush()
    before = {e[1]: e[2] for e in ledger(here, ada)}
    assert before["CREDIT_EXPIRATION"] == str(uuid.uuid5(uuid.UUID(segment.id), "expiration"))
    here.run("UPDATE draft_deduction SET amount = -4 WHERE invoice_id = %s", draft.columns["invoice_id"])
    after = ledger(here, ada)
    assert {e[1]: e[2] for e in after} == before
    assert [e[3] for e in after] == ["10", "-4", "-6"]


def test_draft_that_becomes_final_is_shown_once(here):
    ada = here.customer()
    segment = ada.balance(CREDIT).segment("10", here.day(-1), here.day(10))
    draft = segment.draft("-3", here.day(1))
    here.flush()
    assert [(e[3], e[4]) for e in ledger(here, ada)] == [("10", False), ("-3", True)]
    invoice = draft.columns["invoice_id"]
    with here.connection, here.connection.cursor() as cursor:
        cursor.execute("DELETE FROM draft_deduction WHERE invoice_id = %s", (invoice,))
        cursor.execute("INSERT INTO ledger_entry (customer_id, balance_id, segment_id, type, amount,"
                       " timestamp, invoice_id) VALUES (%s, %s, %s, %s, -3, %s, %s)",
                       (ada.id, segment.balance.id, segment.id, world.DEDUCTION[CREDIT],
                        world.when(here.day(1)), invoice))
    shown = ledger(here, ada)
    assert [(e[3], e[4]) for e in shown] == [("10", False), ("-3", False)]
    assert shown[1][7] == invoice


# What is not there -----------------------------------------------------------------------------------


def test_archived_balances_have_no_entries(here):
    ada = here.customer()
    for columns in ({"archived": True},
                    {"contract": ada.contract(archived=True), "contract_archived": True}):
        segment = ada.balance(CREDIT, **columns).segment("10", here.day(-30), here.day(-10))
        segment.entry("CREDIT_MANUAL", "1")
        segment.draft("-1", here.day(-10))
    live = ada.balance(CREDIT)
    live.segment("3", here.day(-1), here.day(1))
    here.flush()
    assert titles(ledger(here, ada)) == [["CREDIT_SEGMENT_START", "3"]]
    for balance in ada.balances:
        assert len(ledger(here, ada, balance_id=balance.id)) == (balance is live)


def test_contract_level_balances_are_in_the_ledger(here):
    ada = here.customer()
    ada.balance(CREDIT, contract=ada.contract()).segment("3", here.day(-1), here.day(1))
    here.flush()
    assert titles(ledger(here, ada)) == [["CREDIT_SEGMENT_START", "3"]]


def test_unknown_balance_has_an_empty_ledger(here, everything):
    bob = here.customer()
    here.flush()
    assert ledger(here, everything, balance_id=UNKNOWN) == []
    assert ledger(here, bob, balance_id=everything.balances[0].id) == []
    assert ledger(here, bob) == []


def test_unknown_customer_is_not_found(here):
    with harness.fails("NOT_FOUND", "NOT_FOUND") as error:
        ledger(here, UNKNOWN)
    assert error.details["ResourceInfo"].resource_name == UNKNOWN


# Random customers ------------------------------------------------------------------------------------


def test_random_ledgers_are_those_of_the_reference(here):
    people = world.Population(here, world.seeded(), 200)
    rng, compared = people.rng, 0
    for customer in people.customers:
        whole = expected(here, customer)
        assert ledger(here, customer) == whole, customer.id
        for _ in range(4):
            fields, due = {}, whole
            if people.flag(0.4):
                fields["balance_id"] = people.some_id(customer)
                due = [e for e in due if e[5] == fields["balance_id"]]
            if people.flag(0.4):
                chosen = rng.sample(ref.TYPES, rng.choice([1, 3, 12]))
                fields["types"] = list(map(entry_number, chosen))
                due = [e for e in due if e[1] in chosen]
            if people.flag(0.3):
                at, nanos = people.instant()
                fields["starting_at"] = stamp(at, nanos)
                due = [e for e in due if (e[0], 0) >= (at, nanos)]
            if people.flag(0.3):
                at, nanos = people.instant()
                fields["ending_before"] = stamp(at, nanos)
                due = [e for e in due if (e[0], 0) < (at, nanos)]
            if people.flag(0.5):
                fields["descending"] = True
                due = due[::-1]
            fields["limit"] = rng.choice([1, 2, 3, 10, 1000])
            assert ledger(here, customer, **fields) == due, (customer.id, fields)
            compared += len(due)
    print(f"{len(people.customers)} customers, {compared} entries compared under filters")
    assert compared > 1000
