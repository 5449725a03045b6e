"""The writes of LedgerService: what each does, read back with the methods that read, and what each refuses.

A refusal changes nothing: `refused` compares all that is stored before and after. Numbers are those of
domain.md where it has them.
"""

import contextlib
import json

import pytest

import harness
import world
import writes
from reference import ACCOUNT, CREDIT, POSTPAID, PREPAID
from world import USD, new_id, stamp
from writes import access, credit, invoice, item, made, postpaid, prepaid, refused, segments, shown, version

LARGEST = "99999999999999999999999999.999999999999"
CREATES = ["CreateCommit", "CreateCredit"]


@pytest.fixture(scope="module")
def here(postgres):
    with world.served(postgres) as served:
        yield served
        assert "0 drifts" in harness.balanced("verify", database_url=served.url).stdout


@pytest.fixture
def ada(here):
    customer = here.customer()
    customer.home = customer.contract()
    here.flush()
    return customer


@contextlib.contextmanager
def invalid(here, *fields):
    with refused(here, "INVALID_ARGUMENT", "INVALID_REQUEST") as error:
        yield error
    assert sorted(v.field for v in error.details["BadRequest"].field_violations) == sorted(fields)


@contextlib.contextmanager
def missing(here, kind, name):
    with refused(here, "NOT_FOUND", "NOT_FOUND") as error:
        yield
    info = error.details["ResourceInfo"]
    assert (info.resource_type, info.resource_name) == (kind, name)


@contextlib.contextmanager
def forbidden(here, reason, subject=None):
    """The state of things forbids it, for this reason, which PreconditionFailure has too."""
    with refused(here, "FAILED_PRECONDITION", reason) as error:
        yield error
    violation, = error.details["PreconditionFailure"].violations
    assert violation.type == reason and violation.description == error.message[:160]
    if subject:
        assert violation.subject == subject


def create(here, customer, method, **changes):
    defaults = {"CreateCredit": credit, "CreateCommit": prepaid}[method](here)
    return here.call(method, customer, **{**defaults, **changes})


def default_of(method, here):
    return {"CreateCredit": credit, "CreateCommit": prepaid}[method](here)


# Creating --------------------------------------------------------------------------------------------


FULL = {"name": "Näme", "description": "d" * 10000, "rate_type": 1, "netsuite_sales_order_id": "n",
        "salesforce_opportunity_id": "s", "custom_fields": {"a": "ä", "": "", "q\"\\\n": "\x01\x7f"}}


@pytest.mark.parametrize("method", CREATES)
def test_created_balance_is_shown_as_it_was_asked_for(here, ada, method):
    contracts, products = [ada.home, new_id()], [new_id()]
    key = new_id()
    asked = {**FULL, "priority": {"value": -0.5}, "applicable_contract_ids": contracts, "uniqueness_key": key,
             "applicable_product_ids": products, "applicable_product_tags": ["t", "ü"], "contract_id": ada.home,
             "hierarchy_configuration": {"child_access": {"type": 3, "contract_ids": contracts}},
             "access_schedule": access(here, item(here, "100.50"), item(here, "0", 5, 6), item(here, LARGEST, 40, 50),
                                       credit_type_id=here.euro)}
    if method == "CreateCommit":
        asked["access_schedule"]["schedule_items"].pop()
        asked.update(rollover_fraction="0.500", invoice_contract_id=ada.home, invoice_schedule={
            "credit_type_id": USD, "schedule_items": [invoice(here, amount="007"), invoice(here, 2, quantity="3",
                                                                                           unit_price="1.10")]})
    else:
        asked["access_schedule"]["schedule_items"][0]["amount"] = "0"
    answer = create(here, ada, method, **asked)
    got = shown(here, ada, answer.id)
    for name in ("name", "description", "rate_type", "netsuite_sales_order_id", "salesforce_opportunity_id",
                 "uniqueness_key"):
        assert getattr(got, name) == asked[name]
    assert got.priority.value == -0.5 and dict(got.custom_fields) == FULL["custom_fields"]
    assert (list(got.applicable_contract_ids), list(got.applicable_product_ids),
            list(got.applicable_product_tags)) == (contracts, products, ["t", "ü"])
    assert list(got.hierarchy_configuration.child_access.contract_ids) == contracts
    assert (got.contract.id, got.product.id, got.access_schedule.credit_type.id) == (ada.home, here.product, here.euro)
    due = [{**i, "amount": i["amount"].replace("100.50", "100.5")} for i in asked["access_schedule"]["schedule_items"]]
    assert [(s.amount, s.starting_at.seconds, s.ending_before.seconds) for s in segments(got)] == [
        (i["amount"], i["starting_at"]["seconds"], i["ending_before"]["seconds"]) for i in due]
    assert got.balance == due[0]["amount"]
    if method == "CreateCommit":
        assert (got.type, got.rollover_fraction, got.invoice_contract.id) == (1, "0.5", ada.home)
        items = [(i.amount, i.unit_price, i.quantity) for i in got.invoice_schedule.schedule_items]
        assert items == [("7", "", ""), ("", "1.1", "3")]


@pytest.mark.parametrize("method", CREATES)
def test_created_balance_counts_at_once(here, ada, method):
    answer = create(here, ada, method)
    net = here.call("GetNetBalance", ada, consistency={"at_least_as_fresh": answer.consistency_token})
    assert net.balance == "100" and net.consistency_token == answer.consistency_token
    entries = here.call("ListLedgerEntries", ada).data
    assert [(e.amount, e.balance_id) for e in entries] == [("100", answer.id)]


@pytest.mark.parametrize("method", CREATES)
def test_least_that_a_balance_needs(here, ada, method):
    got = made(here, ada, method)
    assert got.access_schedule.credit_type.id == USD
    assert not (got.name or got.custom_fields or got.specifiers or got.uniqueness_key or got.rate_type)
    assert not got.HasField("contract") and not got.HasField("hierarchy_configuration")
    if method == "CreateCommit":
        assert not got.HasField("invoice_schedule") and not got.HasField("invoice_contract")


def test_specifiers_are_kept_as_they_were(here, ada):
    specifiers = [{}, {"product_id": here.product, "product_tags": ["a", "b"],
                       "pricing_group_values": {"k": "v", "": "\n"}, "presentation_group_values": {"ä": "\""}}]
    got = made(here, ada, specifiers=specifiers)
    empty, full = got.specifiers
    assert not empty.ByteSize()
    assert (full.product_id, list(full.product_tags)) == (here.product, ["a", "b"])
    assert dict(full.pricing_group_values) == {"k": "v", "": "\n"}
    assert dict(full.presentation_group_values) == {"ä": "\""}


@pytest.mark.parametrize("child, type_", [({"type": 1}, 1), ({"type": 2}, 2)])
def test_hierarchy_without_contracts(here, ada, child, type_):
    got = made(here, ada, hierarchy_configuration={"child_access": child})
    assert got.hierarchy_configuration.child_access.type == type_


def test_postpaid_commit_is_its_obligation(here, ada):
    answer = here.call("CreateCommit", ada, **postpaid(here, ada.home, "1000"))
    got = shown(here, ada, answer.id)
    assert (got.type, got.balance, got.invoice_contract.id) == (2, "1000", ada.home)
    assert [i.amount for i in got.invoice_schedule.schedule_items] == ["1000"]


@pytest.mark.parametrize("price, quantity, total", [
    ("0.5", "201", "100.5"), ("0.000000000001", "0.5", "0"), ("0.000000000003", "0.5", "0.000000000002"),
    ("33333333333333.333333333333", "3", "99999999999999.999999999999"), (LARGEST, "1", LARGEST)])
def test_postpaid_total_may_be_a_price_times_a_quantity(here, ada, price, quantity, total):
    schedule = {"schedule_items": [invoice(here, unit_price=price, quantity=quantity)]}
    here.call("CreateCommit", ada, **postpaid(here, ada.home, total, invoice_schedule=schedule))
    with invalid(here, "invoice_schedule.schedule_items[0]"):
        here.call("CreateCommit", ada, **postpaid(here, ada.home, "7.000000000001", invoice_schedule=schedule))


@pytest.mark.parametrize("changes, field", [
    ({"invoice_schedule": None}, "invoice_schedule"),
    ({"invoice_contract_id": ""}, "invoice_contract_id"),
    ({"access_schedule": lambda h: access(h, item(h, "50"), item(h, "50"))}, "access_schedule.schedule_items"),
    ({"invoice_schedule": lambda h: {"schedule_items": [invoice(h, amount="50"), invoice(h, amount="50")]}},
     "invoice_schedule.schedule_items"),
    ({"invoice_schedule": {"do_not_invoice": True}}, "invoice_schedule.schedule_items"),
    ({"invoice_schedule": lambda h: {"schedule_items": [invoice(h, amount="100.000000000001")]}},
     "invoice_schedule.schedule_items[0]"),
    ({"invoice_schedule": lambda h: {"schedule_items": [invoice(h, unit_price="3", quantity="33.333333333333")]}},
     "invoice_schedule.schedule_items[0]"),
], ids=str)
def test_postpaid_commit_has_one_segment_and_one_equal_invoice_item(here, ada, changes, field):
    changes = {name: value(here) if callable(value) else value for name, value in changes.items()}
    with invalid(here, field):
        here.call("CreateCommit", ada, **postpaid(here, ada.home, **changes))


def test_prepaid_commit_that_is_invoiced_needs_a_contract(here, ada):
    schedule = {"schedule_items": [invoice(here, amount="1")]}
    with invalid(here, "invoice_contract_id"):
        create(here, ada, "CreateCommit", invoice_schedule=schedule)
    got = made(here, ada, "CreateCommit", invoice_schedule={**schedule, "do_not_invoice": True})
    assert got.invoice_schedule.do_not_invoice and not got.HasField("invoice_contract")
    with invalid(here, "invoice_schedule.schedule_items"):
        create(here, ada, "CreateCommit", invoice_schedule={}, invoice_contract_id=ada.home)


@pytest.mark.parametrize("wrong", [
    {}, {"amount": "1", "unit_price": "1", "quantity": "1"}, {"amount": "1", "quantity": "1"}])
def test_invoice_item_has_an_amount_or_a_price_and_a_quantity(here, ada, wrong):
    with invalid(here, "invoice_schedule.schedule_items[0]"):
        create(here, ada, "CreateCommit", invoice_contract_id=ada.home,
               invoice_schedule={"schedule_items": [invoice(here, **wrong)]})


@pytest.mark.parametrize("wrong, missing_field", [({"unit_price": "1"}, "quantity"), ({"quantity": "1"}, "unit_price")])
def test_price_needs_a_quantity(here, ada, wrong, missing_field):
    with invalid(here, f"invoice_schedule.schedule_items[0].{missing_field}"):
        create(here, ada, "CreateCommit", invoice_contract_id=ada.home,
               invoice_schedule={"schedule_items": [invoice(here, **wrong)]})


def test_product_of_price_and_quantity_is_in_range(here, ada):
    with invalid(here, "invoice_schedule.schedule_items[0].unit_price"):
        create(here, ada, "CreateCommit", invoice_contract_id=ada.home, invoice_schedule={
            "schedule_items": [invoice(here, unit_price="10000000000000", quantity="10000000000000")]})


@pytest.mark.parametrize("method", CREATES)
def test_segment_ends_after_its_start(here, ada, method):
    for end in (-1, -2):
        with invalid(here, "access_schedule.schedule_items[1].ending_before"):
            create(here, ada, method, access_schedule=access(here, item(here), item(here, end=end)))


@pytest.mark.parametrize("method", CREATES)
def test_sum_of_the_segments_is_in_range(here, ada, method):
    with invalid(here, "access_schedule.schedule_items"):
        create(here, ada, method, access_schedule=access(here, item(here, LARGEST), item(here, "0.000000000001")))
    create(here, ada, method, access_schedule=access(here, item(here, LARGEST), item(here, "0")))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_priority_is_finite(here, ada, value):
    with invalid(here, "priority"):
        create(here, ada, "CreateCredit", priority={"value": value})
    for good in (0, -0.0, 1.7976931348623157e308, 5e-324):
        assert made(here, ada, priority={"value": good}).priority.value == good


@pytest.mark.parametrize("changes, field", [
    ({"specifiers": [{}], "applicable_product_ids": [USD]}, "specifiers"),
    ({"specifiers": [{}], "applicable_product_tags": ["a"]}, "specifiers"),
    ({"specifiers": [{}] * 1001}, "specifiers"),
    ({"specifiers": [{"product_tags": ["a", ""]}]}, "specifiers[0].product_tags[1]"),
    ({"applicable_product_tags": ["a", ""]}, "applicable_product_tags[1]"),
    ({"applicable_product_tags": ["a"] * 1001}, "applicable_product_tags"),
    ({"applicable_contract_ids": [USD] * 1001}, "applicable_contract_ids"),
    ({"applicable_product_ids": [USD] * 1001}, "applicable_product_ids"),
    ({"custom_fields": {str(n): "" for n in range(101)}}, "custom_fields"),
    ({"custom_fields": {"a": "\x01" * 10922}}, "custom_fields"),
    ({"specifiers": [{"pricing_group_values": {"a": "\x01" * 10922}}]}, "specifiers"),
    ({"hierarchy_configuration": {}}, "hierarchy_configuration.child_access"),
    ({"hierarchy_configuration": {"child_access": {"type": 3}}}, "hierarchy_configuration.child_access.contract_ids"),
    ({"hierarchy_configuration": {"child_access": {"type": 1, "contract_ids": [USD]}}},
     "hierarchy_configuration.child_access.contract_ids"),
    ({"access_schedule": lambda h: access(h, *[item(h)] * 1001)}, "access_schedule.schedule_items"),
], ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize("method", CREATES)
def test_bounds_of_lists_and_maps(here, ada, method, changes, field):
    changes = {name: value(here) if callable(value) else value for name, value in changes.items()}
    with invalid(here, field):
        create(here, ada, method, **changes)


@pytest.mark.parametrize("changes", [
    {"applicable_product_tags": ["a"] * 1000}, {"applicable_contract_ids": [USD] * 1000},
    {"applicable_product_ids": [USD] * 1000}, {"custom_fields": {str(n): "" for n in range(100)}},
    {"specifiers": [{}] * 1000}, {"access_schedule": lambda h: access(h, *[item(h)] * 1000)},
    {"custom_fields": {"k": "é" * 30000}}, {"name": "é" * 1000, "description": "é" * 10000},
    {"uniqueness_key": "🪙" * 128}], ids=lambda value: next(iter(value)))
def test_what_is_within_the_bounds_is_taken(here, ada, changes):
    changes = {name: value(here) if callable(value) else value for name, value in changes.items()}
    create(here, ada, "CreateCredit", **changes)


def test_json_is_as_long_as_the_database_says(here, ada):
    """To the character: the longest is taken, and one more is our refusal, not the database's."""
    for extra in ({}, {"\x1f": "\"\\/\b\f\n\r\t", "é": "🪙"}):
        used = here.run("SELECT length(%s::jsonb::text)", json.dumps({**extra, "k": ""}))[0][0]
        room = 65536 - used
        value = "\x01" * (room // 6) + "x" * (room % 6)
        got = made(here, ada, custom_fields={**extra, "k": value})
        assert got.custom_fields["k"] == value
        with invalid(here, "custom_fields"):
            create(here, ada, "CreateCredit", custom_fields={**extra, "k": value + "x"})
    room = 65536 - len('[{"pricing_group_values": {"k": ""}}]')
    value = "\x01" * (room // 6) + "x" * (room % 6)
    create(here, ada, "CreateCredit", specifiers=[{"pricing_group_values": {"k": value}}])
    with invalid(here, "specifiers"):
        create(here, ada, "CreateCredit", specifiers=[{"pricing_group_values": {"k": value + "x"}}])


@pytest.mark.parametrize("method", CREATES)
def test_what_a_new_balance_refers_to_exists(here, ada, method):
    unknown = new_id()
    with missing(here, "customer", unknown):
        create(here, unknown, method)
    with missing(here, "product", unknown):
        create(here, ada, method, product_id=unknown)
    with missing(here, "credit_type", unknown):
        create(here, ada, method, access_schedule=access(here, credit_type_id=unknown))
    foreign = here.customer().contract()
    here.flush()
    for contract in (unknown, foreign):
        with missing(here, "contract", contract):
            create(here, ada, method, contract_id=contract)
        if method == "CreateCommit":
            with missing(here, "contract", contract):
                create(here, ada, method, invoice_contract_id=contract)
    if method == "CreateCommit":
        with missing(here, "credit_type", unknown):
            create(here, ada, method, invoice_schedule={"credit_type_id": unknown, "do_not_invoice": True})


@pytest.mark.parametrize("method", CREATES)
def test_archived_contract_takes_no_balance(here, ada, method):
    archived = ada.contract(archived=True)
    here.flush()
    with forbidden(here, "CONTRACT_ARCHIVED", f"contract/{archived}"):
        create(here, ada, method, contract_id=archived)
    if method == "CreateCommit":
        with forbidden(here, "CONTRACT_ARCHIVED", f"contract/{archived}"):
            create(here, ada, method, invoice_contract_id=archived)


def test_uniqueness_key_is_for_ever(here, ada):
    key = new_id()
    first = create(here, ada, "CreateCredit", uniqueness_key=key)
    here.call("ArchiveBalance", ada, id=first.id)
    for method in CREATES:
        with refused(here, "ALREADY_EXISTS", "UNIQUENESS_KEY_USED"):
            create(here, ada, method, uniqueness_key=key)
    other = here.customer()
    here.flush()
    create(here, other, "CreateCredit", uniqueness_key=key)  # keys are a customer's


# Adding entries --------------------------------------------------------------------------------------


KINDS = {PREPAID: "PREPAID_COMMIT", POSTPAID: "POSTPAID_COMMIT", CREDIT: "CREDIT"}


def entry_fields(balance, amount, **more):
    return {"id": balance.id, "segment_id": segments(balance)[0].id, "amount": amount, "reason": "because", **more}


def add(here, customer, balance, amount, **more):
    return here.call("AddManualLedgerEntry", customer, **entry_fields(balance, amount, **more))


def seats(here, customer, balance, amount, **more):
    fields = entry_fields(balance, amount, **more)
    fields.pop("reason")
    return here.call("AdjustSeats", customer, **fields)


@pytest.mark.parametrize("kind", KINDS)
def test_manual_entry_is_of_its_balances_kind(here, ada, kind):
    if kind == CREDIT:
        balance = made(here, ada)
    elif kind == PREPAID:
        balance = made(here, ada, "CreateCommit")
    else:
        balance = shown(here, ada, here.call("CreateCommit", ada, **postpaid(here, ada.home)).id)
    answer = add(here, ada, balance, "-30.50", reason="Grund")
    entry = shown(here, ada, balance.id).ledger[1]
    assert (entry.id, entry.amount, entry.reason) == (answer.entry_id, "-30.5", "Grund")
    assert world.entry_name(entry.type) == f"{KINDS[kind]}_MANUAL"
    assert entry.timestamp == segments(balance)[0].starting_at  # the default
    net = here.call("GetNetBalance", ada, consistency={"at_least_as_fresh": answer.consistency_token})
    assert net.balance == "69.5"


def test_debt_is_remembered(here, ada):
    """domain.md B6: +100 −130 +40 leaves 10."""
    balance = made(here, ada)
    for amount, left in (("-130", "0"), ("40", "10"), ("-10", "0"), ("-0.000000000001", "0"), ("1", "0.999999999999")):
        add(here, ada, balance, amount)
        assert shown(here, ada, balance.id).balance == left


def test_entry_may_have_any_date(here, ada):
    balance = made(here, ada)
    for at in (here.day(-400), here.day(7) + 1, here.day(400)):
        add(here, ada, balance, "1", timestamp=stamp(at))
    assert shown(here, ada, balance.id).balance == "103"
    assert {world.micros(e.timestamp) for e in shown(here, ada, balance.id).ledger} >= {
        here.day(-400), here.day(7) + 1, here.day(400)}


def test_entry_on_an_upcoming_segment_waits_and_on_an_expired_one_is_refused(here, ada):
    upcoming = made(here, ada, access_schedule=access(here, item(here, start=1, end=2)))
    expired = made(here, ada, access_schedule=access(here, item(here, start=-2, end=-1)))
    add(here, ada, upcoming, "5")
    seats(here, ada, upcoming, "5")
    assert here.call("GetNetBalance", ada).balance == "0"
    for write in (add, seats):
        with forbidden(here, "SEGMENT_EXPIRED", f"segment/{segments(expired)[0].id}"):
            write(here, ada, expired, "5")


@pytest.mark.parametrize("method", CREATES)
def test_seats_add_to_a_segment(here, ada, method):
    balance = made(here, ada, method)
    answer = seats(here, ada, balance, "30")
    entry = shown(here, ada, balance.id).ledger[1]
    assert (entry.id, entry.amount) == (answer.entry_id, "30")
    assert world.entry_name(entry.type).endswith("_SEAT_BASED_ADJUSTMENT")
    seats(here, ada, balance, "2", timestamp=stamp(here.day(2)))
    assert shown(here, ada, balance.id).balance == "132"


def test_seats_are_of_prepaid_commits_and_credits(here, ada):
    balance = shown(here, ada, here.call("CreateCommit", ada, **postpaid(here, ada.home)).id)
    with forbidden(here, "WRONG_KIND", f"balance/{balance.id}"):
        seats(here, ada, balance, "1")


def test_seats_of_a_contract_level_balance(here, ada):
    balance = made(here, ada, contract_id=ada.home)
    seats(here, ada, balance, "1")
    assert shown(here, ada, balance.id).balance == "101"


def test_account_balance_takes_neither_entries_nor_an_end_nor_the_archive(here, ada):
    balance, segment, _ = ada.account(here.day(-1), here.day(1))
    here.flush()
    fields = {"id": balance.id, "segment_id": segment.id, "amount": "1"}
    for method, more in (("AddManualLedgerEntry", {**fields, "reason": "r"}), ("AdjustSeats", fields),
                         ("UpdateEndDate", {"id": balance.id, "access_ending_before": stamp(here.now)}),
                         ("UpdateEndDate", {"id": balance.id, "invoices_ending_before": stamp(here.now)}),
                         ("ArchiveBalance", {"id": balance.id})):
        with forbidden(here, "WRONG_KIND", f"balance/{balance.id}"):
            here.call(method, ada, **more)


def test_entry_needs_the_right_segment_balance_and_contract(here, ada):
    plain, other = made(here, ada), made(here, ada)
    inside = made(here, ada, contract_id=ada.home)
    second = ada.contract()
    stranger = here.customer()
    here.flush()
    foreign = made(here, stranger)
    unknown = new_id()
    for write in (add, seats):
        with missing(here, "customer", unknown):
            write(here, unknown, plain, "1")
        for wrong in (unknown, foreign.id):
            with missing(here, "balance", wrong):
                write(here, ada, plain, "1", id=wrong)
        for wrong in (unknown, segments(other)[0].id, segments(foreign)[0].id):
            with missing(here, "segment", wrong):
                write(here, ada, plain, "1", segment_id=wrong)
    for balance, contract in ((inside, ""), (inside, second), (inside, unknown), (plain, ada.home), (plain, unknown)):
        with missing(here, "balance", balance.id):
            add(here, ada, balance, "1", contract_id=contract)
    add(here, ada, inside, "1", contract_id=ada.home)


def test_archived_balance_takes_no_entry_and_no_end(here, ada):
    balance = made(here, ada)
    here.call("ArchiveBalance", ada, id=balance.id)
    for write in (add, seats):
        with forbidden(here, "BALANCE_ARCHIVED", f"balance/{balance.id}"):
            write(here, ada, balance, "1")
    for field in ("access_ending_before", "invoices_ending_before"):
        with forbidden(here, "BALANCE_ARCHIVED", f"balance/{balance.id}"):
            here.call("UpdateEndDate", ada, id=balance.id, **{field: stamp(here.now)})


def test_entry_whose_sums_do_not_fit_is_out_of_range(here, ada):
    balance = made(here, ada)
    with refused(here, "OUT_OF_RANGE", "OUT_OF_RANGE"):
        add(here, ada, balance, LARGEST)
    with refused(here, "OUT_OF_RANGE", "OUT_OF_RANGE"):
        seats(here, ada, balance, LARGEST)
    add(here, ada, balance, f"-{LARGEST}")
    with refused(here, "OUT_OF_RANGE", "OUT_OF_RANGE"):
        add(here, ada, balance, "-0.000000000001")
    seats(here, ada, balance, "7")  # another total
    assert shown(here, ada, balance.id).balance == "0"


def test_uniqueness_key_of_an_entry_is_for_ever(here, ada):
    balance, other = made(here, ada), made(here, ada)
    key = new_id()
    add(here, ada, balance, "1", uniqueness_key=key)
    for again in (balance, other):
        with refused(here, "ALREADY_EXISTS", "UNIQUENESS_KEY_USED"):
            add(here, ada, again, "1", uniqueness_key=key)
    here.call("ArchiveBalance", ada, id=balance.id)
    with refused(here, "ALREADY_EXISTS", "UNIQUENESS_KEY_USED"):
        add(here, ada, balance, "1", uniqueness_key=key)
    create(here, ada, "CreateCredit", uniqueness_key=key)  # keys of balances are others


# The end ---------------------------------------------------------------------------------------------


def end(here, customer, balance, at=None, invoices=None):
    dates = {"access_ending_before": at, "invoices_ending_before": invoices}
    return here.call("UpdateEndDate", customer, id=balance.id,
                     **{name: stamp(value) for name, value in dates.items() if value is not None})


def draw(here, customer, balance, amount, at, type_=None, invoice_id=None, segment=0):
    """A deduction, as another program would write it."""
    kind = here.run("SELECT kind FROM balance WHERE id = %s", balance.id)[0][0]
    invoice_id = invoice_id or new_id()
    here.run("INSERT INTO ledger_entry (customer_id, balance_id, segment_id, type, amount, timestamp, invoice_id)"
             " VALUES (%s, %s, %s, %s, %s, %s, %s)", customer.id, balance.id, segments(balance)[segment].id,
             f"{kind}_{type_ or 'AUTOMATED_INVOICE_DEDUCTION'}", amount, world.when(at), invoice_id)
    return invoice_id


def draft(here, customer, balance, amount, at, segment=0):
    here.run("INSERT INTO draft_deduction (customer_id, balance_id, segment_id, invoice_id, amount, timestamp)"
             " VALUES (%s, %s, %s, %s, %s, %s)", customer.id, balance.id, segments(balance)[segment].id, new_id(),
             amount, world.when(at))


def ends_of(here, customer, balance):
    return [world.micros(s.ending_before) for s in segments(shown(here, customer, balance.id))]


def test_end_moves_as_in_b13(here, ada):
    """1000 for a year, 200 used; the end moves to a day from now: 800 until then, and expired after it."""
    balance = made(here, ada, "CreateCommit", access_schedule=access(here, item(here, "1000", -40, 325)))
    draw(here, ada, balance, "-200", here.day(-10))
    answer = end(here, ada, balance, here.day(1))
    net = here.call("GetNetBalance", ada, consistency={"at_least_as_fresh": answer.consistency_token})
    assert net.balance == "800"
    end(here, ada, balance, here.day(-1))  # an end in the past, but after the deduction
    got = shown(here, ada, balance.id)
    assert got.balance == "0"
    assert [(world.entry_name(e.type), e.amount) for e in got.ledger] == [
        ("PREPAID_COMMIT_SEGMENT_START", "1000"), ("PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION", "-200"),
        ("PREPAID_COMMIT_EXPIRATION", "-800")]


@pytest.mark.parametrize("method", CREATES)
def test_later_segments_vanish_and_the_covering_one_is_cut(here, ada, method):
    balance = made(here, ada, method, access_schedule=access(
        here, item(here, "1", -9, -5), item(here, "2", -5, 5), item(here, "4", -1, 7), item(here, "8", 3, 9),
        item(here, "16", 5, 9)))
    end(here, ada, balance, here.day(3))
    assert [(s.amount, world.micros(s.ending_before)) for s in segments(shown(here, ada, balance.id))] == [
        ("1", here.day(-5)), ("2", here.day(3)), ("4", here.day(3))]


def test_end_moves_earlier_only(here, ada):
    balance = made(here, ada, access_schedule=access(here, item(here, start=-1, end=30), item(here, start=5, end=20)))
    for later in (here.day(30) + 1, here.day(31)):
        with invalid(here, "access_ending_before"):
            end(here, ada, balance, later)
    before = version(here, ada)
    end(here, ada, balance, here.day(30))
    assert version(here, ada) == before and ends_of(here, ada, balance) == [here.day(30), here.day(20)]
    end(here, ada, balance, here.day(30) - 1)
    assert version(here, ada) == before + 1
    assert ends_of(here, ada, balance) == [here.day(30) - 1, here.day(20)]


def test_end_does_not_move_before_a_deduction_that_stands(here, ada):
    balance = made(here, ada)
    late = draw(here, ada, balance, "-1", here.day(2))
    draw(here, ada, balance, "-1", here.day(1))
    draw(here, ada, balance, "1", here.day(3), "CREDITED")  # gives back, but not the deduction of an invoice
    with forbidden(here, "FINAL_INVOICE_DRAWS", f"balance/{balance.id}"):
        end(here, ada, balance, here.day(2) - 1)
    draw(here, ada, balance, "1", here.day(4), "CANCELED", late)
    with forbidden(here, "FINAL_INVOICE_DRAWS"):
        end(here, ada, balance, here.day(1) - 1)
    end(here, ada, balance, here.day(1))  # in the very instant is fine
    assert ends_of(here, ada, balance) == [here.day(1)]


def test_cancellation_of_another_segment_gives_nothing_back(here, ada):
    balance = made(here, ada, access_schedule=access(here, item(here), item(here)))
    late = draw(here, ada, balance, "-1", here.day(2), segment=0)
    draw(here, ada, balance, "-1", here.day(1), invoice_id=late, segment=1)
    draw(here, ada, balance, "1", here.day(3), "CANCELED", late, segment=1)
    with forbidden(here, "FINAL_INVOICE_DRAWS"):
        end(here, ada, balance, here.day(2) - 1)
    with forbidden(here, "FINAL_INVOICE_DRAWS"):
        here.call("ArchiveBalance", ada, id=balance.id)


@pytest.mark.parametrize("use", ["entry", "draft"])
def test_segment_with_entries_does_not_vanish(here, ada, use):
    balance = made(here, ada, access_schedule=access(here, item(here), item(here, start=3, end=9)))
    used = segments(balance)[1].id
    if use == "entry":
        add(here, ada, balance, "5", segment_id=used)
    else:
        draft(here, ada, balance, "-5", here.day(4), segment=1)
    with forbidden(here, "SEGMENT_HAS_ENTRIES", f"segment/{used}") as error:
        end(here, ada, balance, here.day(3))
    assert used in error.message
    end(here, ada, balance, here.day(3) + 1)


def test_some_segment_is_left(here, ada):
    balance = made(here, ada)
    for at in (here.day(-1), here.day(-9)):
        with forbidden(here, "NO_SEGMENT_LEFT", f"balance/{balance.id}"):
            end(here, ada, balance, at)
    end(here, ada, balance, here.day(-1) + 1)


def test_end_of_the_invoices_moves_too(here, ada):
    schedule = {"schedule_items": [invoice(here, n, str(n)) for n in (1, 2, 3)]}
    balance = made(here, ada, "CreateCommit", invoice_schedule=schedule, invoice_contract_id=ada.home)

    def amounts():
        return [i.amount for i in shown(here, ada, balance.id).invoice_schedule.schedule_items]

    before = version(here, ada)
    end(here, ada, balance, invoices=here.day(3) + 1)
    assert version(here, ada) == before  # nothing to remove
    end(here, ada, balance, invoices=here.day(3))
    assert amounts() == ["1", "2"]
    items = shown(here, ada, balance.id).invoice_schedule.schedule_items
    here.run("UPDATE invoice_schedule_item SET invoice_id = %s WHERE id = %s", new_id(), items[0].id)
    for access_end in (None, here.day(2)):
        with forbidden(here, "INVOICED", f"invoice_schedule_item/{items[0].id}"):
            end(here, ada, balance, access_end, here.day(1))
    with invalid(here, "access_ending_before"):
        end(here, ada, balance, here.day(31), here.day(2))
    end(here, ada, balance, here.day(2), here.day(2))
    assert amounts() == ["1"] and ends_of(here, ada, balance) == [here.day(2)]


def test_end_is_of_prepaid_commits_and_credits(here, ada):
    balance = shown(here, ada, here.call("CreateCommit", ada, **postpaid(here, ada.home)).id)
    for dates in ({"at": here.day(1)}, {"invoices": here.day(1)}):
        with forbidden(here, "WRONG_KIND", f"balance/{balance.id}"):
            end(here, ada, balance, **dates)
    plain = made(here, ada)
    with invalid(here, "invoices_ending_before"):
        end(here, ada, plain, invoices=here.day(1))
    unknown = new_id()
    with missing(here, "balance", unknown):
        here.call("UpdateEndDate", ada, id=unknown, access_ending_before=stamp(here.now))
    with missing(here, "customer", unknown):
        here.call("UpdateEndDate", unknown, id=balance.id, access_ending_before=stamp(here.now))


# The archive -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", CREATES)
def test_archived_balance_is_hidden_and_zero(here, ada, method):
    balance = made(here, ada, method)
    add(here, ada, balance, "-5")  # manual entries do not keep it
    answer = here.call("ArchiveBalance", ada, id=balance.id)
    fresh = {"at_least_as_fresh": answer.consistency_token}
    assert not here.call("ListBalances", ada, consistency=fresh).data
    assert here.call("GetNetBalance", ada, consistency=fresh).balance == "0"
    got = shown(here, ada, balance.id)
    assert got.HasField("archived_at") and got.balance == "0" and not got.ledger
    before = writes.everything(here)
    assert here.call("ArchiveBalance", ada, id=balance.id) == answer
    assert writes.everything(here) == before


def test_balance_that_invoices_draw_on_is_not_archived(here, ada):
    balance = made(here, ada, "CreateCommit")
    drawn = draw(here, ada, balance, "-5", here.now)
    with forbidden(here, "FINAL_INVOICE_DRAWS", f"segment/{segments(balance)[0].id}"):
        here.call("ArchiveBalance", ada, id=balance.id)
    draw(here, ada, balance, "5", here.now, "CANCELED", drawn)
    draft(here, ada, balance, "-5", here.now)
    with forbidden(here, "DRAFT_INVOICE_DRAWS", f"segment/{segments(balance)[0].id}"):
        here.call("ArchiveBalance", ada, id=balance.id)
    here.run("DELETE FROM draft_deduction WHERE balance_id = %s", balance.id)
    here.call("ArchiveBalance", ada, id=balance.id)


def test_commit_that_is_invoiced_is_not_archived_before_its_invoice_is_void(here, ada):
    balance = made(here, ada, "CreateCommit", invoice_contract_id=ada.home,
                   invoice_schedule={"schedule_items": [invoice(here, amount="1")]})
    billed = new_id()
    here.run("UPDATE invoice_schedule_item SET invoice_id = %s WHERE balance_id = %s", billed, balance.id)
    subject = f"invoice_schedule_item/{balance.invoice_schedule.schedule_items[0].id}"
    with forbidden(here, "INVOICED", subject):  # an invoice of another system is one, too
        here.call("ArchiveBalance", ada, id=balance.id)
    here.run("INSERT INTO invoice (customer_id, id, service_period_end) VALUES (%s, %s, now())", ada.id, billed)
    for status in ("DRAFT", "FINALIZED"):
        here.run("UPDATE invoice SET status = %s, finalized_at = CASE WHEN %s = 'FINALIZED' THEN now() END"
                 " WHERE id = %s", status, status, billed)
        with forbidden(here, "INVOICED", subject):
            here.call("ArchiveBalance", ada, id=balance.id)
    here.run("UPDATE invoice SET status = 'VOID', voided_at = now() WHERE id = %s", billed)
    here.call("ArchiveBalance", ada, id=balance.id)


def test_unknown_balance_is_not_archived(here, ada):
    foreign = made(here, _other(here))
    for wrong in (new_id(), foreign.id):
        with missing(here, "balance", wrong):
            here.call("ArchiveBalance", ada, id=wrong)
    unknown = new_id()
    with missing(here, "customer", unknown):
        here.call("ArchiveBalance", unknown, id=foreign.id)


def _other(here):
    other = here.customer()
    here.flush()
    return other
