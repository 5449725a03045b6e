"""ListBalances, ListCredits and ListCommits: every field, every filter, scopes, flags and order.

One server and one database for the file; each test has customers of its own. The random customers are
compared with reference.py, whole lists at a time.
"""

import datetime
import json

import pytest
from google.protobuf import json_format

import harness
import reference as ref
import world
from reference import ACCOUNT, CREDIT, POSTPAID, PREPAID
from world import LISTS, USD, ids_of, items_of, stamp

A, B, C, D = (f"{letter * 8}-0000-4000-8000-{letter * 12}" for letter in "abcd")
USD_TYPE = {"id": USD, "name": "USD (cents)"}


@pytest.fixture(scope="module")
def here(postgres):
    with world.served(postgres) as served:
        yield served


@pytest.fixture(params=LISTS, ids=lambda method: method.name)
def method(request):
    return request.param


def ask(here, method, customer, id=None, contract=False, **fields):
    """The answer of one of the lists, asked in the words that the three have in common."""
    named = {method.id: id} if id else {}
    return here.call(method.name, customer, **named, **{method.contract: contract}, **fields)


def every_kind(customer, **columns):
    """A balance of each kind."""
    return [customer.balance(kind, **columns) for kind in world.KIND_NAME]


def of(method, balances):
    """The ids of those balances that a list shows at all, in its order."""
    chosen = [b for b in balances if b.kind in method.kinds]
    return [b.id for b in sorted(chosen, key=lambda b: (b.created_at, b.id))]


def as_dict(message):
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def assert_message(message, expected):
    """The whole message, field by field; `expected` as JSON has it."""
    shown = as_dict(message)
    for name in {*shown, *expected}:
        assert shown.get(name) == expected.get(name), name


# Every field -----------------------------------------------------------------------------------------


SPECIFIERS = [
    {"product_id": D, "product_tags": ["gpu", "Größe"], "pricing_group_values": {"region": "eu", "": "x"},
     "presentation_group_values": {"team": "a,b"}},
    {"pricing_group_values": {"region": "us"}},
    {},
]


def test_commit_shows_every_field(here):
    ada = here.customer()
    for contract in (A, B):
        here.insert("contract", customer_id=ada.id, id=contract)
    commit = ada.balance(
        PREPAID, id_=C, contract=A, fields={"campaign": "signup", "ключ": "\U0001f511 \"q\""},
        created_at=1704067200000001, name="Year of “Compute”", description="line 1\nline 2\t\\",
        priority=1.5, rate_type="COMMIT_RATE", applicable_contract_ids=world.array([A, B]),
        specifiers=json.dumps(SPECIFIERS), rolled_over_from_balance_id=D, rolled_over_from_contract_id=B,
        child_access="CONTRACT_IDS", child_contract_ids=world.array([B, A]), netsuite_sales_order_id="SO-1",
        salesforce_opportunity_id="006", uniqueness_key="key-1", recurring_id=B, invoice_contract_id=B,
        invoice_credit_type_id=here.euro, rollover_fraction="0.50")
    late = commit.segment("2000.000000000001", 1706745600000000, 1709251200000000, A)
    early = commit.segment("1000.50", 1704067200000000, 1706745600000000, B)
    for item in ({"id": A, "timestamp": "2024-02-01Z", "amount": "7.10", "invoice_id": D},
                 {"id": B, "timestamp": "2024-01-01Z", "unit_price": "0.000000000001", "quantity": "3"},
                 {"id": C, "timestamp": "2024-02-01Z", "amount": "0"}):
        here.insert("invoice_schedule_item", **commit.key, **item)
    early.entry("PREPAID_COMMIT_MANUAL", "-0.5")
    here.flush()
    answer = here.call("ListCommits", ada, include_contract_commits=True, include_balance=True,
                       include_ledgers=True)
    (shown,) = answer.data
    assert answer.consistency_token and not answer.next_page
    ledger = [world.shown_entry(e) for e in shown.ledger]
    assert ledger == world.expected_ledger([commit], here.now)
    shown.ClearField("ledger")
    assert_message(shown, {
        "id": C, "type": "COMMIT_TYPE_PREPAID", "product": {"id": here.product, "name": "Compute"},
        "access_schedule": {"credit_type": USD_TYPE, "schedule_items": [
            {"id": early.id, "amount": "1000.5", "starting_at": "2024-01-01T00:00:00Z",
             "ending_before": "2024-02-01T00:00:00Z"},
            {"id": late.id, "amount": "2000.000000000001", "starting_at": "2024-02-01T00:00:00Z",
             "ending_before": "2024-03-01T00:00:00Z"}]},
        "invoice_schedule": {"credit_type": {"id": here.euro, "name": "EUR"}, "schedule_items": [
            {"id": B, "timestamp": "2024-01-01T00:00:00Z", "unit_price": "0.000000000001", "quantity": "3"},
            {"id": A, "timestamp": "2024-02-01T00:00:00Z", "amount": "7.1", "invoice_id": D},
            {"id": C, "timestamp": "2024-02-01T00:00:00Z", "amount": "0"}]},
        "amount": "3000.500000000001", "balance": "0", "name": "Year of “Compute”",
        "description": "line 1\nline 2\t\\", "priority": 1.5, "rate_type": "RATE_TYPE_COMMIT_RATE",
        "applicable_contract_ids": [A, B],
        "specifiers": SPECIFIERS, "contract": {"id": A}, "invoice_contract": {"id": B},
        "rolled_over_from": {"balance_id": D, "contract_id": B}, "rollover_fraction": "0.5",
        "hierarchy_configuration": {"child_access": {"type": "TYPE_CONTRACT_IDS", "contract_ids": [B, A]}},
        "custom_fields": {"campaign": "signup", "ключ": "\U0001f511 \"q\""},
        "netsuite_sales_order_id": "SO-1", "salesforce_opportunity_id": "006", "uniqueness_key": "key-1",
        "created_at": "2024-01-01T00:00:00.000001Z", "recurring_commit_id": B})


def test_postpaid_commit_shows_its_fields(here):
    ada = here.customer()
    commit = ada.balance(POSTPAID, do_not_invoice=True, rate_type="LIST_RATE", priority=0, child_access="ALL",
                         created_at=-1, applicable_product_tags=world.array(["a", "b\"{},"]))
    segment = commit.segment("10000", here.day(-1), here.day(1))
    here.flush()
    (shown,) = here.call("ListCommits", ada, include_balance=True).data
    shown.access_schedule.ClearField("schedule_items")
    assert_message(shown, {
        "id": commit.id, "type": "COMMIT_TYPE_POSTPAID", "product": {"id": here.product, "name": "Compute"},
        "access_schedule": {"credit_type": USD_TYPE},
        "invoice_schedule": {"credit_type": USD_TYPE, "do_not_invoice": True},
        "amount": "10000", "balance": "10000", "priority": 0.0, "rate_type": "RATE_TYPE_LIST_RATE",
        "applicable_product_tags": ["a", "b\"{},"],
        "hierarchy_configuration": {"child_access": {"type": "TYPE_ALL"}},
        "created_at": "1969-12-31T23:59:59.999999Z"})
    (shown,) = here.call("ListCommits", ada).data
    (item,) = shown.access_schedule.schedule_items
    assert (item.id, item.amount) == (segment.id, "10000")
    assert (world.micros(item.starting_at), world.micros(item.ending_before)) == (here.day(-1), here.day(1))


def test_credit_shows_every_field(here):
    ada = here.customer()
    here.insert("contract", customer_id=ada.id, id=A)
    credit = ada.balance(
        CREDIT, contract=A, archived=True, fields={"": ""}, created_at=253402300799999999, name="n",
        description="d", priority=-2.25, rate_type="LIST_RATE", applicable_contract_ids=world.array([C]),
        applicable_product_ids=world.array([D, C]), applicable_product_tags=world.array(["tag"]),
        rolled_over_from_balance_id=A, rolled_over_from_contract_id=C, child_access="NONE",
        netsuite_sales_order_id="SO-2", salesforce_opportunity_id="007", uniqueness_key="k" * 128,
        recurring_id=D, credit_type=here.euro)
    segment = credit.segment("99999999999999999999999999.999999999999", -62135596800000000, 253402300799999999)
    here.flush()
    here.run("UPDATE balance SET archived_at = '2024-05-06T07:08:09.5Z' WHERE id = %s", credit.id)
    (shown,) = here.call("ListCredits", ada, include_contract_credits=True, include_archived=True,
                         include_balance=True, include_ledgers=True).data
    assert_message(shown, {
        "id": credit.id, "product": {"id": here.product, "name": "Compute"},
        "access_schedule": {"credit_type": {"id": here.euro, "name": "EUR"}, "schedule_items": [
            {"id": segment.id, "amount": "99999999999999999999999999.999999999999",
             "starting_at": "0001-01-01T00:00:00Z", "ending_before": "9999-12-31T23:59:59.999999Z"}]},
        "balance": "0", "name": "n", "description": "d", "priority": -2.25,
        "rate_type": "RATE_TYPE_LIST_RATE", "applicable_contract_ids": [C],
        "applicable_product_ids": [D, C], "applicable_product_tags": ["tag"], "contract": {"id": A},
        "rolled_over_from": {"balance_id": A, "contract_id": C},
        "hierarchy_configuration": {"child_access": {"type": "TYPE_NONE"}}, "custom_fields": {"": ""},
        "netsuite_sales_order_id": "SO-2", "salesforce_opportunity_id": "007", "uniqueness_key": "k" * 128,
        "created_at": "9999-12-31T23:59:59.999999Z", "archived_at": "2024-05-06T07:08:09.500Z",
        "recurring_credit_id": D})


def test_account_balance_shows_every_field(here):
    ada = here.customer()
    here.insert("contract", customer_id=ada.id, id=A)
    balance, access, _ = ada.account(
        here.day(-1), here.day(1), here.day(2), cap="80.10", contract=A, overdraft=True, fields={"a": "b"},
        created_at=1, code="TOPUP", name="Top-up", description="d", credit_type=here.euro,
        draw_down_description="drawn", overage_surcharge_percent="12.5", overage_description="over",
        product_ids=world.array([D, B]), line_item_types="{STANDING_CHARGE,USAGE,MINIMUM_SPEND,"
        "COUNTER_RUNNING_TOTAL_CHARGE,COUNTER_ADJUSTMENT_DEBIT,AD_HOC}",
        consumptions_accounting_product_id=B, fees_accounting_product_id=C)
    access.entry("ACCOUNT_BALANCE_TRANSACTION", "100")
    access.entry("ACCOUNT_BALANCE_DEDUCTION", "-130.5")
    here.flush()
    here.run("UPDATE balance SET overage_description = 'over!' WHERE id = %s", balance.id)
    (item,) = here.call("ListBalances", ada, include_contract_balances=True, include_balance=True,
                        include_ledgers=True).data
    shown = item.account_balance
    assert [world.shown_entry(e) for e in shown.ledger] == world.expected_ledger([balance], here.now)
    assert shown.updated_at.seconds > shown.created_at.seconds
    for name in ("ledger", "updated_at"):
        shown.ClearField(name)
    assert (world.micros(shown.starting_at), world.micros(shown.ending_before),
            world.micros(shown.rollover_ending_before)) == (here.day(-1), here.day(1), here.day(2))
    for name in ("starting_at", "ending_before", "rollover_ending_before"):
        shown.ClearField(name)
    assert_message(shown, {
        "id": balance.id, "customer_id": ada.id, "code": "TOPUP", "name": "Top-up", "description": "d",
        "credit_type": {"id": here.euro, "name": "EUR"}, "amount": "-30.5", "balance": "-30.5",
        "rollover_amount": "80.1", "balance_draw_down_description": "drawn",
        "overage_surcharge_percent": "12.5", "overage_description": "over!", "product_ids": [D, B],
        "line_item_types": [f"LINE_ITEM_TYPE_{t}" for t in (
            "STANDING_CHARGE", "USAGE", "MINIMUM_SPEND", "COUNTER_RUNNING_TOTAL_CHARGE",
            "COUNTER_ADJUSTMENT_DEBIT", "AD_HOC")],
        "contract_id": A, "allow_overdraft": True, "custom_fields": {"a": "b"},
        "consumptions_accounting_product_id": B, "fees_accounting_product_id": C, "version": "2",
        "created_at": "1970-01-01T00:00:00.000001Z"})


def test_fields_without_a_value_are_left_out(here):
    ada = here.customer()
    made = every_kind(ada)
    here.flush()
    product = {"id": here.product, "name": "Compute"}
    prepaid, postpaid, credit, account = (as_dict(m) for m in items_of(here.call("ListBalances", ada)))
    times = ("created_at", "updated_at")
    assert all(m.pop("created_at") for m in (prepaid, postpaid, credit))
    common = {"product": product, "access_schedule": {"credit_type": USD_TYPE}}
    assert prepaid == {"id": made[0].id, "type": "COMMIT_TYPE_PREPAID", "amount": "0", **common}
    assert postpaid == {"id": made[1].id, "type": "COMMIT_TYPE_POSTPAID", "amount": "0", **common}
    assert credit == {"id": made[2].id, **common}
    assert {k: v for k, v in account.items() if k not in times} == {
        "id": made[3].id, "customer_id": ada.id, "code": f"code-{made[3].id}", "name": "Top-up",
        "credit_type": USD_TYPE, "amount": "0", "version": "1"}


def test_names_are_those_of_now(here):
    ada = here.customer()
    product, credit_type = here.id(), here.id()
    here.insert("product", id=product, name="Old")
    here.insert("credit_type", id=credit_type, name="Old")
    ada.balance(CREDIT, product_id=product, credit_type=credit_type)
    here.flush()
    before = here.call("ListCredits", ada)
    here.run("UPDATE product SET name = 'New' WHERE id = %s", product)
    here.run("UPDATE credit_type SET name = 'New' WHERE id = %s", credit_type)
    after = here.call("ListCredits", ada)
    (shown,) = after.data
    assert (shown.product.name, shown.access_schedule.credit_type.name) == ("New", "New")
    assert after.consistency_token != before.consistency_token


@pytest.mark.parametrize("with_balance", [False, True])
@pytest.mark.parametrize("with_ledgers", [False, True])
def test_balance_and_ledger_only_where_asked_for(here, method, with_balance, with_ledgers):
    ada = here.customer()
    for balance in every_kind(ada):
        if balance.kind == ACCOUNT:
            balance.segment("0", here.day(-1), here.day(1)).entry("ACCOUNT_BALANCE_TRANSACTION", "5")
        else:
            balance.segment("5", here.day(-1), here.day(1))
    here.flush()
    answer = ask(here, method, ada, include_balance=with_balance, include_ledgers=with_ledgers)
    assert len(answer.data) == len(method.kinds)
    for shown in items_of(answer):
        assert shown.balance == ("5" if with_balance else "")
        assert len(shown.ledger) == with_ledgers


# Filters (domain.md B7) ------------------------------------------------------------------------------


def utc(text):
    """Microseconds of "2024-01-01" or "2024-01-01T01"."""
    read = datetime.datetime.fromisoformat(text + (":00:00" if "T" in text else ""))
    return int(read.replace(tzinfo=datetime.timezone.utc).timestamp()) * 10**6


@pytest.fixture(scope="module")
def two_months(here):
    """A customer with a credit and a commit for January and March."""
    ada = here.customer()
    for kind in (CREDIT, PREPAID):
        balance = ada.balance(kind)
        balance.segment("1", utc("2024-01-01"), utc("2024-02-01"))
        balance.segment("1", utc("2024-03-01"), utc("2024-04-01"))
    here.flush()
    return ada


@pytest.mark.parametrize("filters, nanos, matches", [
    ({"covering_date": "2024-01-01"}, 0, True),  # the start is inside
    ({"covering_date": "2024-01-01"}, -1, False),
    ({"covering_date": "2024-02-01"}, -1, True),
    ({"covering_date": "2024-02-01"}, 0, False),  # the end is not
    ({"covering_date": "2024-02-15"}, 0, False),  # a gap
    ({"covering_date": "2024-03-31"}, 0, True),
    ({"starting_at": "2024-02-01"}, 0, True),
    ({"starting_at": "2024-04-01"}, -1, True),
    ({"starting_at": "2024-04-01"}, 0, False),
    ({"starting_at": "0001-01-01"}, 0, True),
    ({"effective_before": "2024-01-01"}, 0, False),
    ({"effective_before": "2024-01-01"}, 1, True),
    ({"effective_before": "2024-01-01T01"}, 0, True),
    ({"effective_before": "9999-12-31"}, 0, True),
    ({"starting_at": "2024-02-05", "effective_before": "2024-02-20"}, 0, True),  # of two segments
    ({"covering_date": "2024-01-15", "effective_before": "2024-01-01"}, 0, False),
    ({"covering_date": "2024-03-15", "effective_before": "2024-01-02"}, 0, True),
    ({"covering_date": "2024-01-15", "starting_at": "2024-04-01"}, 0, False),
    ({"covering_date": "2024-01-15", "starting_at": "2024-03-01", "effective_before": "2024-01-02"}, 0, True),
], ids=str)
def test_filters_by_time(here, two_months, method, filters, nanos, matches):
    asked = {name: stamp(utc(day), nanos) for name, day in filters.items()}
    answer = ask(here, method, two_months, **asked)
    assert ids_of(answer) == (of(method, two_months.balances) if matches else [])
    for shown in items_of(answer):  # whole balances: the schedule is not cut
        assert len(shown.access_schedule.schedule_items) == 2


def test_filters_by_time_take_a_rollover_for_access(here):
    ada = here.customer()
    balance, *_ = ada.account(utc("2024-01-01"), utc("2024-02-01"), utc("2024-03-01"))
    here.flush()
    for day, matches in (("2024-01-31", True), ("2024-02-29", True), ("2024-03-01", False)):
        answer = here.call("ListBalances", ada, covering_date=stamp(utc(day)))
        assert ids_of(answer) == [balance.id] * matches


def test_balance_without_segments_passes_no_filter_by_time(here, method):
    ada = here.customer()
    made = every_kind(ada)
    here.flush()
    assert ids_of(ask(here, method, ada)) == of(method, made)
    for name in ("covering_date", "starting_at", "effective_before"):
        assert not ask(here, method, ada, **{name: stamp(here.now)}).data


def test_filter_by_id(here, method):
    ada, bob = here.customer(), here.customer()
    mine, other = every_kind(ada), every_kind(bob)
    segment = mine[0].segment("1", here.day(-2), here.day(-1))
    here.flush()
    for balance in mine:
        shown = ids_of(ask(here, method, ada, id=balance.id))
        assert shown == ([balance.id] if balance.kind in method.kinds else [])
    for unknown in (other[2].id, other[0].id, segment.id, ada.id, A):
        answer = ask(here, method, ada, id=unknown)
        assert not answer.data and not answer.next_page and answer.consistency_token


def test_filter_by_id_goes_with_the_others(here):
    ada = here.customer()
    credit = ada.balance(CREDIT)
    credit.segment("1", here.day(-2), here.day(-1))
    contract_level = ada.balance(CREDIT, contract=ada.contract())
    archived = ada.balance(CREDIT, archived=True)
    here.flush()

    def shown(balance, **fields):
        return len(here.call("ListCredits", ada, credit_id=balance.id, **fields).data)

    assert shown(credit, covering_date=stamp(here.day(-2))) == 1
    assert shown(credit, covering_date=stamp(here.day(-1))) == 0
    assert shown(contract_level) == 0
    assert shown(contract_level, include_contract_credits=True) == 1
    assert shown(archived) == 0
    assert shown(archived, include_archived=True) == 1


# Scope and flags (domain.md B8) ----------------------------------------------------------------------


@pytest.mark.parametrize("contract", [False, True])
@pytest.mark.parametrize("archived", [False, True])
def test_scope(here, method, contract, archived):
    ada = here.customer()
    live, closing = ada.contract(), ada.contract(archived=True)
    groups = [(False, False, every_kind(ada)), (True, False, every_kind(ada, contract=live)),
              (False, True, every_kind(ada, archived=True)),
              (True, True, every_kind(ada, contract=live, archived=True)),
              (True, True, every_kind(ada, contract=closing, contract_archived=True))]
    here.flush()
    due = [b for is_contract, is_archived, made in groups for b in made
           if is_contract <= contract and is_archived <= archived]
    answer = ask(here, method, ada, contract=contract, include_archived=archived)
    assert ids_of(answer) == of(method, due)


def test_archived_has_no_balance_and_no_ledger(here, method):
    ada = here.customer()
    made = every_kind(ada, archived=True)
    for balance in made:
        segment = balance.segment("0" if balance.kind == ACCOUNT else "7", here.day(-1), here.day(1))
        segment.entry(world.STORED[balance.kind][0][1], "3")
        segment.draft("-1", here.day(1))
    here.flush()
    for asked in (True, False):
        answer = ask(here, method, ada, include_archived=True, include_balance=asked, include_ledgers=True)
        assert ids_of(answer) == of(method, made)
        for shown in items_of(answer):
            assert shown.balance == ("0" if asked else "") and not shown.ledger
            if shown.DESCRIPTOR.name != "AccountBalance":
                assert shown.HasField("archived_at")
                assert len(shown.access_schedule.schedule_items) == 1


def test_exclude_zero_balances_asks_the_balance_of_now(here):
    ada = here.customer()
    full, spent, overdrawn, ended, upcoming, archived, drafted = (
        ada.balance(CREDIT, archived=n == 5) for n in range(7))
    for balance in (full, spent, overdrawn, archived, drafted):
        balance.segment("10", here.day(-1), here.day(1))
    ended.segment("10", here.day(-2), here.day(-1))
    upcoming.segment("10", here.day(1), here.day(2))
    spent.segments[0].entry("CREDIT_MANUAL", "-10")
    overdrawn.segments[0].entry("CREDIT_MANUAL", "-11")
    drafted.segments[0].draft("-10", here.day(1))
    indebted = ada.balance(CREDIT, overdraft=True)
    indebted.segment("10", here.day(-1), here.day(1)).entry("CREDIT_MANUAL", "-11")
    paired = ada.balance(CREDIT, overdraft=True)  # two segments that cancel each other out
    paired.segment("10", here.day(-1), here.day(1))
    paired.segment("0", here.day(-1), here.day(2)).entry("CREDIT_MANUAL", "-10")
    rolled, access, _ = ada.account(here.day(-2), here.day(-1), here.day(1))
    access.entry("ACCOUNT_BALANCE_TRANSACTION", "4")
    empty, *_ = ada.account(here.day(-2), here.day(-1), here.day(1))
    here.flush()
    for with_balance in (False, True):
        answer = here.call("ListBalances", ada, exclude_zero_balances=True, include_balance=with_balance,
                           include_archived=True)
        assert ids_of(answer) == [full.id, indebted.id, rolled.id]
        assert [m.balance for m in items_of(answer)] == (["10", "-1", "4"] if with_balance else [""] * 3)
    answer = here.call("ListBalances", ada, include_archived=True)
    assert len(answer.data) == 11 and empty.id in ids_of(answer)


def test_order_is_by_creation_and_then_id(here, method):
    ada = here.customer()
    made = []
    for ids in ((D, B), (C, A)):
        for created_at, id_ in zip((here.day(-2), here.day(-2)), ids):
            for kind in sorted(method.kinds)[:1]:
                made.append(ada.balance(kind, id_=id_, created_at=created_at))
    made.append(ada.balance(sorted(method.kinds)[0], created_at=here.day(-3)))
    made.append(ada.balance(sorted(method.kinds)[0], created_at=here.day(-1)))
    here.flush()
    assert ids_of(ask(here, method, ada)) == [made[4].id, A, B, C, D, made[5].id]


# Worked examples (domain.md B2 to B6, B17) -----------------------------------------------------------


def amounts(here, customer):
    """[balance, sum of the ledger] of each of the customer's balances."""
    shown = items_of(here.call("ListBalances", customer, include_balance=True, include_ledgers=True))
    return [[m.balance, ref.amount_text(sum(ref.amount_of(e.amount) for e in m.ledger))] for m in shown]


def test_credit_in_its_month(here):  # B2
    ada = here.customer()
    credit = ada.balance(CREDIT)
    credit.segment("100", here.day(-20), here.day(10)).draft("-40", here.day(10))
    here.flush()
    (shown,) = here.call("ListCredits", ada, include_balance=True, include_ledgers=True).data
    assert shown.balance == "60"
    assert [(world.entry_name(e.type), e.amount, e.draft) for e in shown.ledger] == [
        ("CREDIT_SEGMENT_START", "100", False), ("CREDIT_AUTOMATED_INVOICE_DEDUCTION", "-40", True)]


def test_several_segments(here):  # B3
    ada = here.customer()
    commit = ada.balance(PREPAID)
    january = commit.segment("1000", here.day(-40), here.day(-10))
    january.entry(world.DEDUCTION[PREPAID], "-300", here.day(-10))
    commit.segment("2000", here.day(-10), here.day(20)).draft("-450", here.day(20))
    commit.segment("3000", here.day(20), here.day(50))
    here.flush()
    (shown,) = here.call("ListCommits", ada, include_balance=True, include_ledgers=True).data
    assert (shown.balance, shown.amount) == ("1550", "6000")
    # Of one instant the start comes first, then what is spent, then what expires.
    assert [(world.entry_name(e.type).removeprefix("PREPAID_COMMIT_"), e.amount) for e in shown.ledger] == [
        ("SEGMENT_START", "1000"), ("SEGMENT_START", "2000"), ("AUTOMATED_INVOICE_DEDUCTION", "-300"),
        ("EXPIRATION", "-700"), ("AUTOMATED_INVOICE_DEDUCTION", "-450")]


def test_postpaid_and_its_true_up(here):  # B5
    ada = here.customer()
    for end, disabled, trued_up in ((30, False, False), (-1, False, False), (-1, True, False),
                                    (-1, False, True)):
        commit = ada.balance(POSTPAID, true_up_disabled=disabled)
        segment = commit.segment("10000", here.day(-100), here.day(end))
        for _ in range(12):
            segment.entry(world.DEDUCTION[POSTPAID], "-800", here.day(-2))
        if trued_up:
            segment.entry("POSTPAID_COMMIT_TRUEUP", "-400", here.day(-1))
    here.flush()
    # Met in part; over and still owed; over and lapsed; over and billed.
    assert amounts(here, ada) == [["400", "400"], ["0", "400"], ["0", "0"], ["0", "0"]]


@pytest.mark.parametrize("entries, balance, total", [
    (["25"], "125", "125"), (["-30"], "70", "70"), (["-130"], "0", "-30"), (["-130", "40"], "10", "10"),
    (["-100"], "0", "0"), (["-0.000000000001"], "99.999999999999", "99.999999999999")])
def test_manual_entries(here, entries, balance, total):  # B6
    ada = here.customer()
    segment = ada.balance(CREDIT).segment("100", here.day(-1), here.day(9))
    for amount in entries:
        segment.entry("CREDIT_MANUAL", amount, here.day(7))  # of the future: it counts today
    here.flush()
    assert amounts(here, ada) == [[balance, total]]


def test_floor_is_per_segment(here):  # B6
    ada = here.customer()
    for overdraft in (False, True):
        credit = ada.balance(CREDIT, overdraft=overdraft)
        credit.segment("100", here.day(-1), here.day(1)).entry("CREDIT_MANUAL", "-130")
        credit.segment("50", here.day(-1), here.day(1))
    here.flush()
    assert amounts(here, ada) == [["50", "20"], ["20", "20"]]


def test_rollover_of_an_account_balance(here):  # B17
    ada = here.customer()
    for cap, end in (("800", 1), (None, 1), ("800", -1), ("0", 1)):
        _, access, rollover = ada.account(here.day(-60), here.day(-30), here.day(end), cap=cap)
        access.entry("ACCOUNT_BALANCE_TRANSACTION", "1000")
        rollover.entry("ACCOUNT_BALANCE_DEDUCTION", "-300")
    here.flush()
    assert amounts(here, ada) == [["500", "500"], ["700", "700"], ["0", "0"], ["0", "-300"]]


# Errors ----------------------------------------------------------------------------------------------


def test_unknown_customer_is_not_found(here, method):
    with harness.fails("NOT_FOUND", "NOT_FOUND") as error:
        ask(here, method, A)
    assert error.message == f"customer {A} does not exist"
    resource = error.details["ResourceInfo"]
    assert (resource.resource_type, resource.resource_name) == ("customer", A)
    assert error.details["ErrorInfo"].domain == "balances"


def test_customer_without_balances_has_an_empty_list(here, method):
    ada = here.customer()
    here.flush()
    answer = ask(here, method, ada, include_balance=True, include_ledgers=True)
    assert not answer.data and not answer.next_page and answer.consistency_token


def test_more_digits_than_an_amount_has_are_out_of_range(here):
    ada = here.customer()
    commit = ada.balance(PREPAID)
    for _ in range(2):
        commit.segment("60000000000000000000000000", here.day(-1), here.day(1))
    here.flush()
    with harness.fails("OUT_OF_RANGE", "OUT_OF_RANGE"):
        here.call("ListCommits", ada)


# Random customers ------------------------------------------------------------------------------------


def random_filter(people, customer, method):
    """A filter of the reference, and the request that means it."""
    rng = people.rng
    wanted = ref.ListFilter(kinds=method.kinds, contract_level=people.flag(0.7), archived=people.flag(0.5))
    fields = {"include_archived": wanted.archived}
    if method.name == "ListBalances":
        fields["exclude_zero_balances"] = wanted.exclude_zero = people.flag(0.4)
    if people.flag(0.15):
        wanted.id = people.some_id(customer)
    for name, attribute in (("covering_date", "covering"), ("starting_at",) * 2, ("effective_before",) * 2):
        if people.flag(0.3):
            at, nanos = people.instant()
            fields[name] = stamp(at, nanos)
            # Between two microseconds lies no border of a segment, so these compare alike.
            setattr(wanted, attribute, at + (nanos > 0 and name == "effective_before"))
    fields.update(include_balance=rng.random() < 0.8, include_ledgers=rng.random() < 0.6)
    return wanted, fields


def expected_item(balance, fields, now):
    """(kind, id, amount, balance, segments, ledger) as a list should show a balance."""
    amount = {CREDIT: lambda: "", ACCOUNT: lambda: ref.amount_text(sum(
        e.value for s in balance.segments for e in s.entries if not e.draft))}.get(
        balance.kind, lambda: ref.amount_text(sum(s.granted for s in balance.segments)))()
    segments = sorted([s.starting_at, s.ending_before, s.id] for s in balance.segments
                      if balance.kind != ACCOUNT)
    return (balance.id, amount,
            ref.amount_text(ref.balance_now(balance, now, True)) if fields["include_balance"] else "",
            segments, balance.fields,
            world.expected_ledger([balance], now) if fields["include_ledgers"] else [])


def shown_item(message):
    segments = [] if message.DESCRIPTOR.name == "AccountBalance" else [
        [world.micros(s.starting_at), world.micros(s.ending_before), s.id]
        for s in message.access_schedule.schedule_items]
    return (message.id, getattr(message, "amount", ""), message.balance, segments,
            dict(message.custom_fields), [world.shown_entry(e) for e in message.ledger])


def test_random_customers_are_listed_as_the_reference_says(here):
    people = world.Population(here, world.seeded(), 150)
    shown = 0
    for customer in people.customers:
        for method in LISTS:
            for _ in range(3):
                wanted, fields = random_filter(people, customer, method)
                answer = ask(here, method, customer, id=wanted.id, contract=wanted.contract_level, **fields)
                due = [b for b in customer.listed if ref.list_selects(wanted, b, here.now)]
                assert [shown_item(m) for m in items_of(answer)] == [
                    expected_item(b, fields, here.now) for b in due], (customer.id, method.name, fields)
                shown += len(due)
    print(f"{len(people.customers)} customers, {shown} balances compared")
    assert shown > 500
