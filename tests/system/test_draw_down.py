"""DrawDown: which balances cover which charges, what becomes of the draft, and what is refused.

Numbers are those of domain.md where it has them. test_draw_races.py is about many callers at once.
"""


import pytest

import draws
import harness
import world
import writes
from draws import account, balance, charge, drafts, net, short
from reference import CREDIT, POSTPAID, PREPAID
from world import new_id, stamp
from writes import refused

LARGEST = "99999999999999999999999999.999999999999"


@pytest.fixture(scope="module")
def here(postgres):
    with world.served(postgres) as served:
        served.tagged = served.id()
        served.insert("product", id=served.tagged, name="Tagged", tags=["gpu", "eu"])
        served.flush()
        yield served
        assert "0 drifts" in harness.balanced("verify", database_url=served.url).stdout


@pytest.fixture
def ada(here):
    customer = here.customer()
    customer.home, customer.away = customer.contract(), customer.contract()
    return customer


def draw(here, ada, *charges, **more):
    """Draws down on a new invoice, unless told otherwise."""
    here.flush()
    return here.call("DrawDown", ada, **draws.request(here, *charges, **more))


def covered(answer):
    """Which balances cover the only charge, in order."""
    result, = answer.results
    return [a.balance_id for a in result.allocations]


# Order and split -------------------------------------------------------------------------------------


def test_b11_worked_split(here, ada):
    r = balance(ada, PREPAID, "20", priority=9, rolled_over_from_balance_id=new_id(),
                rolled_over_from_contract_id=new_id())
    k = balance(ada, CREDIT, "50", priority=1)
    p = balance(ada, PREPAID, "100", priority=2)
    q = balance(ada, POSTPAID, "1000", priority=0)
    names = {"r": r, "k": k, "p": p, "q": q}
    answer = draw(here, ada, "130")
    assert short(answer, **names) == [([("r", "20", "0"), ("k", "50", "0"), ("p", "60", "40")], "0", "0")]
    assert net(here, ada) == "1040"
    answer = draw(here, ada, "70")
    assert short(answer, **names) == [([("p", "40", "0"), ("q", "30", "970")], "0", "0")]
    assert net(here, ada) == "970"


def test_b11_guide_example(here, ada):
    """All that decides is read from the rows: priority, cost basis, products, specifiers, end."""
    def commit(priority=100, paid=True, end=30, specifiers=None, **columns):
        made = balance(ada, PREPAID, "10", priority=priority, end=end, **columns,
                       **({"specifiers": specifiers} if specifiers else {}))
        if paid:
            here.insert("invoice_schedule_item", **made.key, id=here.id(), timestamp=world.when(here.day(0)), amount=5)
        return made.id

    one = world.array([here.product])
    both = '[{"product_id": "%s"}, {"pricing_group_values": {"r": "eu"}}]' % here.product
    f = commit()
    e = commit(end=60, specifiers=both)
    d = commit(specifiers=both)
    c = commit(applicable_product_ids=one)
    b = commit(paid=False)
    a = commit(priority=50)
    assert covered(draw(here, ada, charge("55", product_id=here.product))) == [a, b, c, d, e, f]


def test_products_are_counted_by_ids_tags_and_specifiers(here, ada):
    """Distinct ones: the two that a tag names, one of them once more, come after one and before all."""
    tag, other = new_id(), here.id()
    here.insert("product", id=other, name="Other", tags=[tag])
    mine = here.id()
    here.insert("product", id=mine, name="Mine", tags=[tag, "x"])
    every = balance(ada, CREDIT, "1").id
    two = balance(ada, CREDIT, "1", applicable_product_tags=world.array([tag]),
                  applicable_product_ids=world.array([mine])).id
    one = balance(ada, CREDIT, "1", specifiers='[{"product_tags": ["%s", "x"]}]' % tag).id
    assert covered(draw(here, ada, charge("3", product_id=mine))) == [one, two, every]


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_products_of_other_tags_are_not_read(database, mode):
    """However many there are, a balance that names some by their tags is counted from an index."""
    there = world.World(database)
    eve = there.customer()
    balance(eve, CREDIT, "1", applicable_product_tags=["tag 1"])
    balance(eve, CREDIT, "1", specifiers='[{"product_tags": ["tag 2", "all"]}]')
    there.flush()
    there.run("INSERT INTO product (name, tags)"
              " SELECT 'Other', ARRAY['tag ' || n, 'all'] FROM generate_series(1, 20000) AS n")
    there.run("ANALYZE product")
    there.run(f"SET plan_cache_mode = {mode}")
    there.run("PREPARE draw_state AS " + (harness.SOURCE / "sql/queries/draw_state.sql").read_text())
    plan = "\n".join(line for line, in there.run(
        f"EXPLAIN EXECUTE draw_state('{eve.id}', '{{}}', '{{}}', '{{}}', '{{}}', '{{{world.USD}}}', now(), now())"))
    there.close()
    assert plan.count("Index Scan on product_by_tag") == 2 and "Seq Scan on product" not in plan, plan


def test_lines_are_covered_in_order_and_answered_as_asked(here, ada):
    """Storage at $1 and Reads at $2.6, 100 of each, with 120: Reads first. Usage, subscription, composite."""
    k = balance(ada, CREDIT, "120")
    answer = draw(here, ada, charge("9", kind=3, unit_price="9"), charge("100", name="Storage", unit_price="1"),
                  charge("9", kind=2, unit_price="9"), charge("100", name="Reads", unit_price="2.6"))
    assert short(answer, k=k) == [([], "9", "9"), ([("k", "20", "0")], "80", "80"), ([], "9", "9"),
                                  ([("k", "100", "20")], "0", "0")]
    k = balance(ada, CREDIT, "1")
    answer = draw(here, ada, charge("1", name="b"), charge("1", name="a", starting_at=stamp(here.now)),
                  charge("1", name="c", starting_at=stamp(here.now - 1)))
    assert [r.uncovered for r in answer.results] == ["1", "1", "0"]


@pytest.mark.parametrize("rate, uncovered", [("COMMIT_RATE", "100"), ("LIST_RATE", "125"), (None, "125")])
def test_b10_rate_types(here, ada, rate, uncovered):
    k = balance(ada, PREPAID, "75", rate_type=rate)
    answer = draw(here, ada, charge("200", commit_rate_amount="150"))
    assert short(answer, k=k) == [([("k", "75", "0")], uncovered, uncovered)]


def test_split_keeps_the_last_digit(here, ada):
    a = balance(ada, CREDIT, "1", priority=1, rate_type="COMMIT_RATE")
    b = balance(ada, CREDIT, "0.000000000001", priority=2)
    c = balance(ada, CREDIT, "100", priority=3)
    answer = draw(here, ada, charge("10", commit_rate_amount="3"))
    assert short(answer, a=a, b=b, c=c) == [
        ([("a", "1", "0"), ("b", "0.000000000001", "0"), ("c", "6.666666666666", "93.333333333334")], "0", "0")]


# What qualifies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns, fields", [
    ({"applicable_product_ids": "product"}, {"product_id": "product"}),
    ({"applicable_product_tags": '{"gpu","none"}'}, {"product_id": "tagged"}),
    ({"specifiers": '[{"product_tags": ["eu", "gpu"]}]'}, {"product_id": "tagged"}),
    ({"specifiers": '[{"pricing_group_values": {"r": "eu"}}, {"product_tags": ["none"]}]'},
     {"pricing_group_values": {"r": "eu", "s": "x"}}),
    ({"specifiers": '[{"presentation_group_values": {"r": "eu"}}]'}, {"presentation_group_values": {"r": "eu"}}),
], ids=["product", "tag", "all tags", "pricing", "presentation"])
def test_restricted_balance_covers_what_it_is_for(here, ada, columns, fields):
    named = {"product": here.product, "tagged": here.tagged}
    columns = {k: world.array([named[v]]) if v in named else v for k, v in columns.items()}
    fields = {k: named[v] if isinstance(v, str) else v for k, v in fields.items()}
    made = balance(ada, CREDIT, "10", **columns)
    assert covered(draw(here, ada, charge("1", **fields))) == [made.id]
    for other in ({}, {"product_id": new_id()}, {"pricing_group_values": {"r": "us"}},
                  {"presentation_group_values": {"x": "eu"}}):
        assert covered(draw(here, ada, charge("1", **other))) == []


def test_specifier_needs_all_tags(here, ada):
    balance(ada, CREDIT, "10", specifiers='[{"product_tags": ["eu", "gpu", "new"]}]')
    assert covered(draw(here, ada, charge("1", product_id=here.tagged))) == []


def test_contracts(here, ada):
    level = balance(ada, CREDIT, "10", contract=ada.home, priority=1).id
    applicable = balance(ada, CREDIT, "10", applicable_contract_ids=world.array([ada.home]), priority=2).id
    every = balance(ada, CREDIT, "10", priority=3).id
    for contract, found in ((ada.home, [level, applicable, every]), (ada.away, [every]), ("", [every])):
        assert covered(draw(here, ada, "25", contract_id=contract, dry_run=True)) == found


def test_credit_types_and_archived(here, ada):
    euro = balance(ada, CREDIT, "10", credit_type=here.euro).id
    gone = balance(ada, CREDIT, "10", archived=True).id
    dollar = balance(ada, CREDIT, "10").id
    answer = draw(here, ada, "30", charge("30", credit_type_id=here.euro))
    assert [[a.balance_id for a in r.allocations] for r in answer.results] == [[dollar], [euro]]
    assert gone not in str(answer)


def test_segments_of_the_time_of_the_charge(here, ada):
    """Start included, end excluded; expired ones cover late usage."""
    made = ada.balance(CREDIT)
    for i, (start, end) in enumerate([(-20, -10), (-10, 10), (10, 20)]):
        made.segment("5", here.day(start), here.day(end), id_=f"{i}{new_id()[1:]}")
    answer = draw(here, ada, *(charge("1", starting_at=stamp(at)) for at in (
        here.day(-20) - 1, here.day(-20), here.day(-10) - 1, here.day(-10), here.day(19), here.day(20))), "1")
    assert [[a.segment_id[0] for a in r.allocations] for r in answer.results] == [
        [], ["0"], ["0"], ["1"], ["2"], [], ["1"]]


# Account balances ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("order, found", [
    (None, "ca"), ('{PREPAYMENT,BALANCE}', "ca"), ('{BALANCE,PREPAYMENT}', "ac"), ('{PREPAYMENT}', "c"),
    ('{BALANCE}', "a")])
def test_credit_application_order(here, ada, order, found):
    c, a = balance(ada, CREDIT, "10"), account(ada, "10")
    here.flush()
    here.run("UPDATE customer SET credit_application_order = %s WHERE customer_id = %s", order, ada.id)
    names = {c.id: "c", a.id: "a"}
    assert "".join(names[id_] for id_ in covered(draw(here, ada, "20"))) == found


def test_account_balances_by_effective_end(here, ada):
    late = account(ada, "1", end=20)
    rolling = account(ada, "1", end=5, rollover_end=15)
    early = account(ada, "1", end=10)
    older = account(ada, "1", start=-11, end=10)
    assert covered(draw(here, ada, "4")) == [older.id, early.id, rolling.id, late.id]


def test_account_balance_qualifies_by_product_line_item_type_and_contract(here, ada):
    product = account(ada, "9", product_ids=world.array([here.product])).id
    usage = account(ada, "9", end=31, line_item_types="{USAGE,AD_HOC}").id
    home = account(ada, "9", end=32, contract=ada.home).id
    def found(contract="", **fields):
        return covered(draw(here, ada, charge("27", **fields), contract_id=contract, dry_run=True))
    assert found() == []
    assert found(product_id=here.product, line_item_type=2, contract=ada.home) == [product, usage, home]
    assert found(product_id=new_id(), line_item_type=1, contract=ada.away) == []
    assert found(line_item_type=6) == [usage]


def test_b17_overage_surcharge(here, ada):
    a = account(ada, "300", overage_surcharge_percent="10")
    account(ada, "0", end=60, overage_surcharge_percent="50")
    assert short(draw(here, ada, "500"), a=a) == [([("a", "300", "0")], "200", "220")]


def test_b17_rollover(here, ada):
    """1000 left, 800 usable until the end of the rollover; what was spent there is not spent again."""
    a = account(ada, "1000", start=-30, end=-10, rollover_end=10, cap="800")
    late = {"starting_at": stamp(here.day(-20))}
    assert short(draw(here, ada, "300"), a=a) == [([("a", "300", "500")], "0", "0")]
    assert short(draw(here, ada, charge("900", **late)), a=a) == [([("a", "700", "300")], "200", "200")]
    assert short(draw(here, ada, "1"), a=a) == [([], "1", "1")]
    assert net(here, ada) == "0"


def test_overdraft_covers_the_rest(here, ada):
    a = account(ada, "10", overdraft=True)
    assert short(draw(here, ada, "100"), a=a) == [([("a", "100", "-90")], "0", "0")]
    assert net(here, ada) == "-90"


# The draft ----------------------------------------------------------------------------------------------


def test_draws_of_one_invoice_add_up_in_one_row(here, ada):
    k = balance(ada, CREDIT, "100")
    invoice = new_id()
    first = draw(here, ada, "30", "5", invoice_id=invoice)
    second = draw(here, ada, "20", invoice_id=invoice)
    assert [r.allocations[0].remaining for r in (*first.results, *second.results)] == ["70", "65", "45"]
    assert drafts(here, invoice) == [(k.id, "-55")]
    entry, = (e for e in writes.shown(here, ada, k.id).ledger if e.draft)
    assert (entry.amount, entry.invoice_id, world.micros(entry.timestamp)) == ("-55", invoice, here.day(20))
    assert net(here, ada) == "45"
    assert here.run("SELECT status, contract_id, service_period_end FROM invoice WHERE id = %s", invoice) == [
        ("DRAFT", None, world.when(here.day(20)))]


def test_two_invoices_share_what_is_left(here, ada):
    k = balance(ada, CREDIT, "100")
    one, two = new_id(), new_id()
    draw(here, ada, "70", invoice_id=one, contract_id=ada.home)
    assert short(draw(here, ada, "70", invoice_id=two), k=k) == [([("k", "30", "0")], "40", "40")]
    assert (drafts(here, one), drafts(here, two)) == ([(k.id, "-70")], [(k.id, "-30")])
    assert here.run("SELECT contract_id::text FROM draft_deduction WHERE invoice_id = %s", one) == [(ada.home,)]


def test_replace_forgets_what_the_draft_deducted(here, ada):
    k = balance(ada, CREDIT, "100", priority=1)
    old = balance(ada, CREDIT, "50", priority=2, start=-30, end=-20)
    invoice, other = new_id(), new_id()
    draw(here, ada, "10", invoice_id=other)
    draw(here, ada, "80", charge("7", starting_at=stamp(here.day(-25))), invoice_id=invoice)
    answer = draw(here, ada, "40", "60", invoice_id=invoice, replace=True)
    assert short(answer, k=k) == [([("k", "40", "50")], "0", "0"), ([("k", "50", "0")], "10", "10")]
    assert drafts(here, invoice) == [(k.id, "-90")] and drafts(here, other) == [(k.id, "-10")]
    assert [e.amount for e in writes.shown(here, ada, old.id).ledger if e.draft] == []
    draw(here, ada, invoice_id=invoice, replace=True)
    assert drafts(here, invoice) == [] and net(here, ada) == "90"


def test_dry_run_answers_the_same_and_writes_nothing(here, ada):
    k = balance(ada, CREDIT, "100")
    invoice = new_id()
    draw(here, ada, "30", invoice_id=invoice)
    once = {"request_id": new_id()}
    for fields in ({"invoice_id": invoice, **once}, {"invoice_id": invoice, "replace": True, **once}, {}):
        before = writes.everything(here)
        dry = draw(here, ada, "90", dry_run=True, **fields)
        assert writes.everything(here) == before
        left = "0" if fields.get("replace") else "20"
        assert dry.results[0].uncovered == ("0" if left == "0" else left)
    dry = draw(here, ada, "90", dry_run=True, invoice_id=invoice)
    wet = draw(here, ada, "90", invoice_id=invoice, **once)  # the id is still free
    assert short(dry, k=k) == short(wet, k=k) == [([("k", "70", "0")], "20", "20")]
    answer = here.call("GetNetBalance", ada, consistency={"at_least_as_fresh": dry.consistency_token})
    assert answer.balance == "0"


def test_answer_names_the_version_after_the_draw(here, ada):
    balance(ada, CREDIT, "100")
    answer = draw(here, ada, "40")
    read = here.call("GetNetBalance", ada, consistency={"at_least_as_fresh": answer.consistency_token})
    assert read.balance == "60" and read.consistency_token == answer.consistency_token


def test_invoice_without_charges_is_made(here, ada):
    invoice = new_id()
    assert list(draw(here, ada, invoice_id=invoice).results) == []
    assert here.run("SELECT count(*) FROM invoice WHERE id = %s", invoice) == [(1,)]


def test_drafts_of_another_system_are_this_invoices(here, ada):
    k = balance(ada, CREDIT, "100")
    invoice = new_id()
    k.segments[0].draft("-30", here.day(3), invoice_id=invoice)
    draw(here, ada, "5", invoice_id=invoice)
    assert drafts(here, invoice) == [(k.id, "-35")]
    draw(here, ada, "5", invoice_id=invoice, replace=True)
    assert drafts(here, invoice) == [(k.id, "-5")]


# What is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [
    lambda here, ada: {"contract_id": ada.away}, lambda here, ada: {"contract_id": ""},
    lambda here, ada: {"service_period_end": stamp(here.day(21))}], ids=["contract", "no contract", "period"])
def test_other_values_for_the_invoice_are_refused(here, ada, change):
    balance(ada, CREDIT, "100")
    invoice = new_id()
    draw(here, ada, "30", invoice_id=invoice, contract_id=ada.home)
    with refused(here, "FAILED_PRECONDITION", "INVOICE_DIFFERS") as error:
        draw(here, ada, "1", **{"invoice_id": invoice, "contract_id": ada.home, **change(here, ada)})
    assert error.details["PreconditionFailure"].violations[0].subject == f"invoice/{invoice}"


@pytest.mark.parametrize("status", ["FINALIZED", "VOID"])
@pytest.mark.parametrize("dry_run", [False, True])
def test_invoice_that_is_no_draft_is_refused(here, ada, status, dry_run):
    balance(ada, CREDIT, "100")
    invoice = new_id()
    draw(here, ada, "30", invoice_id=invoice)
    here.run("UPDATE invoice SET status = %s, finalized_at = now(), voided_at = CASE %s WHEN 'VOID' THEN now() END"
             " WHERE id = %s", status, status, invoice)
    with refused(here, "FAILED_PRECONDITION", "INVOICE_NOT_DRAFT"):
        draw(here, ada, "1", invoice_id=invoice, dry_run=dry_run)


def test_what_does_not_exist_is_named(here, ada):
    here.flush()
    name = new_id()
    for fields, kind in (({"contract_id": name}, "contract"), ({"charges": [charge("1", credit_type_id=name)]},
                                                               "credit_type"), ({"customer_id": name}, "customer")):
        with refused(here, "NOT_FOUND", "NOT_FOUND") as error:
            here.client.call("DrawDown", **{"customer_id": ada.id, **draws.request(here, "1"), **fields})
        info = error.details["ResourceInfo"]
        assert (info.resource_type, info.resource_name) == (kind, name)


def test_wrong_fields_are_told_all_at_once(here, ada):
    here.flush()
    with refused(here, "INVALID_ARGUMENT", "INVALID_REQUEST") as error:
        here.call("DrawDown", ada, charges=[
            charge("0", commit_rate_amount="-1", product_id="x", kind=9, line_item_type=-1, unit_price="-2",
                   name="n" * 1001, starting_at={"nanos": 1}, credit_type_id="y"), charge("")])
    assert sorted(v.field for v in error.details["BadRequest"].field_violations) == sorted(
        ["invoice_id", "service_period_end", "charges[1].amount"] + [f"charges[0].{name}" for name in (
            "amount", "commit_rate_amount", "product_id", "kind", "line_item_type", "unit_price", "name", "starting_at",
            "credit_type_id")])
    with refused(here, "INVALID_ARGUMENT", "INVALID_REQUEST") as error:
        draw(here, ada, *["1"] * 251)
    assert [v.field for v in error.details["BadRequest"].field_violations] == ["charges"]


def test_as_many_charges_as_there_may_be(here, ada):
    k = balance(ada, CREDIT, "200")
    answer = draw(here, ada, *["1"] * 250)
    assert [r.uncovered for r in answer.results] == ["0"] * 200 + ["1"] * 50
    assert answer.results[199].allocations[0].remaining == "0" and net(here, ada) == "0" and k


def test_sum_out_of_range_is_refused(here, ada):
    account(ada, "0", overdraft=True)
    draw(here, ada, LARGEST)
    with refused(here, "OUT_OF_RANGE", "OUT_OF_RANGE"):
        draw(here, ada, "1")
