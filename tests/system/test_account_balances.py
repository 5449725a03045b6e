"""Account balances: made, shown, changed by version and deleted through the service (domain.md A13, B17).

What a write answers is compared with what reads show afterwards; a refusal changes nothing that is stored.
What invoices draw from account balances is in test_draw_down.py, their transactions in test_transactions.py.
"""

import threading

import grpc
import pytest

import draws
import harness
import world
from world import ACCOUNT, CREDIT, USD, new_id, stamp
from writes import refused

USAGE, AD_HOC = 2, 6


@pytest.fixture(scope="module")
def here(postgres):
    with world.served(postgres) as served:
        yield served
        assert "0 drifts" in harness.balanced("verify", database_url=served.url).stdout


@pytest.fixture
def ada(here):
    customer = here.customer()
    customer.home, customer.gone = customer.contract(), customer.contract(archived=True)
    here.flush()
    return customer


def spec(here, **changes):
    """The fields of a balance from yesterday for a month; None takes one away."""
    fields = {"code": f"code {new_id()}", "name": "Top-up", "credit_type_id": USD,
              "starting_at": stamp(here.day(-1)), "ending_before": stamp(here.day(30)), **changes}
    return {name: value for name, value in fields.items() if value is not None}


def every(here, ada, **changes):
    """The same with every field."""
    return spec(here, **{
        "description": "Größe", "rollover_amount": "0800.00", "rollover_ending_before": stamp(here.day(60)),
        "balance_draw_down_description": "drawn", "overage_surcharge_percent": "10.50",
        "overage_description": "over", "product_ids": [here.product, new_id()], "line_item_types": [USAGE, AD_HOC],
        "contract_id": ada.home, "allow_overdraft": True, "custom_fields": {"b": "1", "ä": ""},
        "consumptions_accounting_product_id": new_id(), "fees_accounting_product_id": new_id(), **changes})


def create(here, customer, fields=None, **more):
    return here.call("CreateAccountBalance", customer, spec=fields or spec(here), **more).account_balance


def update(here, customer, balance, fields, version=None, **more):
    return here.call("UpdateAccountBalance", customer, id=balance.id, spec=fields,
                     version=version or balance.version, **more).account_balance


def delete(here, customer, balance, **more):
    return here.call("DeleteAccountBalance", customer, id=getattr(balance, "id", balance), **more).account_balance


def get(here, customer, balance, **fields):
    return here.call("GetAccountBalance", customer, id=getattr(balance, "id", balance), **fields).account_balance


def listed(here, customer, **fields):
    return [b.id for answer in here.pages("ListAccountBalances", customer, **fields) for b in answer.data]


def top_up(here, customer, balance, amount, **fields):
    return here.call("CreateTransaction", customer, balance_id=balance.id, amount=amount,
                     transaction_type_id=here.transaction_type, **fields).transaction


# Creating --------------------------------------------------------------------------------------------


def test_new_balance_is_answered_as_it_is_read(here, ada):
    fields = every(here, ada)
    answer = here.call("CreateAccountBalance", ada, spec=fields)
    made = answer.account_balance
    assert get(here, ada, made, consistency={"at_least_as_fresh": answer.consistency_token}) == made
    shown, = here.call("ListBalances", ada, id=made.id, include_contract_balances=True).data
    assert shown.account_balance == made
    assert list(here.call("ListAccountBalances", ada).data) == [made]
    assert (made.customer_id, made.code, made.amount, made.version) == (ada.id, fields["code"], "0", 1)
    assert (made.credit_type.id, made.credit_type.name) == (USD, "USD (cents)")
    assert (made.rollover_amount, made.overage_surcharge_percent) == ("800", "10.5")
    assert made.created_at == made.updated_at
    for name in ("description", "balance_draw_down_description", "overage_description", "product_ids",
                 "line_item_types", "contract_id", "allow_overdraft", "custom_fields",
                 "consumptions_accounting_product_id", "fees_accounting_product_id"):
        assert getattr(made, name) == fields[name]
    roles = here.run("SELECT role, starting_at, ending_before FROM segment WHERE balance_id = %s ORDER BY 1", made.id)
    assert roles == [("ACCESS", world.when(here.day(-1)), world.when(here.day(30))),
                     ("ROLLOVER", world.when(here.day(30)), world.when(here.day(60)))]


def test_smallest_balance(here, ada):
    made = create(here, ada)
    assert get(here, ada, made) == made
    assert not (made.allow_overdraft or made.contract_id or made.HasField("rollover_ending_before"))
    assert len(here.run("SELECT id FROM segment WHERE balance_id = %s", made.id)) == 1


def test_code_is_one_live_balances(here, ada):
    fields = spec(here, code="a")
    made = create(here, ada, fields)
    with refused(here, "ALREADY_EXISTS", "CODE_USED") as error:
        create(here, ada, spec(here, code="a"))
    assert "code a" in error.message
    stranger = here.customer()
    here.flush()
    create(here, stranger, fields)
    delete(here, ada, made)
    create(here, ada, fields)


def test_code_is_used_once_by_callers_at_once(here, ada):
    calls = [here.server.client().future("CreateAccountBalance", customer_id=ada.id, spec=spec(here, code="once"))
             for _ in range(16)]
    outcomes = []
    for call in calls:
        try:
            call.result()
            outcomes.append("OK")
        except grpc.RpcError as error:
            outcomes.append(harness.error_of(error).details["ErrorInfo"].reason)
    assert sorted(outcomes) == ["CODE_USED"] * 15 + ["OK"]


@pytest.mark.parametrize("changes, type_", [
    (lambda ada: {"credit_type_id": new_id()}, "credit_type"), (lambda ada: {"contract_id": new_id()}, "contract")])
def test_what_a_balance_refers_to_exists(here, ada, changes, type_):
    made = create(here, ada)
    with refused(here, "NOT_FOUND", "NOT_FOUND") as error:
        create(here, ada, spec(here, **changes(ada)))
    assert error.details["ResourceInfo"].resource_type == type_
    if type_ == "contract":
        with refused(here, "NOT_FOUND", "NOT_FOUND"):
            update(here, ada, made, spec(here, **changes(ada)))


def test_archived_contract_takes_no_balance(here, ada):
    made = create(here, ada)
    for write in (lambda f: create(here, ada, f), lambda f: update(here, ada, made, f)):
        with refused(here, "FAILED_PRECONDITION", "CONTRACT_ARCHIVED"):
            write(spec(here, contract_id=ada.gone))


WRONG = {
    "code": ["", "a" * 81, " a", "a ", "a\nb", "\u0085", "a\x7f"], "name": ["", "é" * 1001],
    "description": ["é" * 10001], "credit_type_id": ["", "x"], "rollover_amount": ["x", "-1", "1e3"],
    "balance_draw_down_description": ["é" * 201], "overage_description": ["é" * 201],
    "overage_surcharge_percent": ["x", "-0.1"], "contract_id": ["x"],
    "custom_fields": [{str(n): "" for n in range(101)}, {"k": "\x01" * 20000}],
    "consumptions_accounting_product_id": ["x"], "fees_accounting_product_id": ["x"],
    "starting_at": [None, {"nanos": 1}], "ending_before": [None, {"seconds": 2**60}],
    "rollover_ending_before": [{"nanos": 999}, None]}


@pytest.mark.parametrize("field", WRONG)
def test_wrong_field_of_a_spec_is_named(here, ada, field):
    made = create(here, ada)
    for wrong in WRONG[field]:
        fields = {**every(here, ada), field: wrong}
        fields = {name: value for name, value in fields.items() if value is not None}
        for write in (lambda: create(here, ada, fields), lambda: update(here, ada, made, fields)):
            with refused(here, "INVALID_ARGUMENT", "INVALID_REQUEST") as error:
                write()
            assert [v.field for v in error.details["BadRequest"].field_violations] == [f"spec.{field}"], wrong


@pytest.mark.parametrize("changes, fields", [
    ({"ending_before": -1}, {"ending_before"}), ({"rollover_ending_before": 30}, {"rollover_ending_before"}),
    ({"rollover_ending_before": 29}, {"rollover_ending_before"})])
def test_dates_follow_each_other(here, ada, changes, fields):
    changes = {name: stamp(here.day(days)) for name, days in changes.items()}
    with refused(here, "INVALID_ARGUMENT", "INVALID_REQUEST") as error:
        create(here, ada, spec(here, **changes))
    assert {v.field for v in error.details["BadRequest"].field_violations} == {f"spec.{f}" for f in fields}


def test_lists_of_a_spec_are_checked_item_by_item(here, ada):
    bad = spec(here, product_ids=[here.product, "x"], line_item_types=[USAGE, 0, 7])
    with refused(here, "INVALID_ARGUMENT", "INVALID_REQUEST") as error:
        create(here, ada, bad)
    assert sorted(v.field for v in error.details["BadRequest"].field_violations) == [
        "spec.line_item_types[1]", "spec.line_item_types[2]", "spec.product_ids[1]"]
    with refused(here, "INVALID_ARGUMENT", "INVALID_REQUEST"):
        create(here, ada, spec(here, line_item_types=[USAGE] * 7))


# Reading ---------------------------------------------------------------------------------------------


def test_get_shows_what_the_list_shows(here, ada):
    balance, access, _ = ada.account(here.day(-1), here.day(30), here.day(60), cap="800",
                                     description="Größe", fields={"ä": "b"})
    access.entry("ACCOUNT_BALANCE_TRANSACTION", "1000")
    here.flush()
    shown = get(here, ada, balance)
    listed_one, = here.call("ListBalances", ada, id=balance.id).data
    assert shown == listed_one.account_balance
    assert (shown.amount, shown.version) == ("1000", 1)


def test_get_does_not_find_others(here, ada):
    credit = ada.balance(CREDIT)
    credit.segment("5", here.day(-1), here.day(1))
    archived = ada.balance(ACCOUNT, archived=True)
    stranger, _, _ = here.customer().account(here.day(-1), here.day(30))
    here.flush()
    for balance in [credit.id, archived.id, stranger.id, new_id()]:
        for method, more in (("GetAccountBalance", {}), ("DeleteAccountBalance", {}),
                             ("UpdateAccountBalance", {"spec": spec(here), "version": 1})):
            with refused(here, "NOT_FOUND", "NOT_FOUND") as error:
                here.call(method, ada, id=balance, **more)
            info = error.details["ResourceInfo"]
            assert (info.resource_type, info.resource_name) == ("balance", balance)


@pytest.mark.parametrize("method", ["GetAccountBalance", "DeleteAccountBalance", "UpdateAccountBalance",
                                    "CreateAccountBalance", "ListAccountBalances"])
def test_unknown_customer(here, method):
    fields = {"GetAccountBalance": {"id": new_id()}, "DeleteAccountBalance": {"id": new_id()},
              "UpdateAccountBalance": {"id": new_id(), "spec": spec(here), "version": 1},
              "CreateAccountBalance": {"spec": spec(here)}}.get(method, {})
    with harness.fails("NOT_FOUND", "NOT_FOUND") as error:
        here.call(method, new_id(), **fields)
    assert error.details["ResourceInfo"].resource_type == "customer"


def test_list_pages_through_all_oldest_first(here, ada):
    credit = ada.balance(CREDIT)
    credit.segment("5", here.day(-1), here.day(1))
    here.flush()
    made = [create(here, ada).id for _ in range(7)]
    delete(here, ada, made.pop(3))
    assert listed(here, ada) == made
    for limit in (1, 2, 6, 100):
        pages = list(here.pages("ListAccountBalances", ada, limit=limit))
        assert [b.id for page in pages for b in page.data] == made
        assert all(len(page.data) <= limit for page in pages)
    first = here.call("ListAccountBalances", ada, limit=1)
    with harness.fails("INVALID_ARGUMENT", "INVALID_REQUEST"):
        here.call("ListAccountBalances", ada, limit=2, next_page=first.next_page)
    with harness.fails("INVALID_ARGUMENT", "INVALID_REQUEST"):
        here.call("ListBalances", ada, limit=1, next_page=first.next_page)


def test_a_hundred_balances_are_one_page(here, ada):
    for _ in range(101):
        ada.account(here.day(-1), here.day(30))
    here.flush()
    first, second = here.pages("ListAccountBalances", ada)
    assert (len(first.data), len(second.data)) == (100, 1)


def test_list_filters(here, ada):
    plain = create(here, ada).id  # ends on day 30
    rolling = create(here, ada, spec(here, rollover_ending_before=stamp(here.day(60)), contract_id=ada.home)).id
    end = {"end_date_start": lambda d: {"end_date_start": stamp(here.day(d))},
           "end_date_end": lambda d: {"end_date_end": stamp(here.day(d))}}
    assert listed(here, ada, ids=[rolling, new_id()]) == [rolling]
    assert listed(here, ada, ids=[new_id()]) == []
    assert listed(here, ada, contract_id=ada.home) == [rolling]
    assert listed(here, ada, contract_id=ada.gone) == []
    for days, due in ((30, [plain, rolling]), (31, [rolling]), (60, [rolling]), (61, [])):
        assert listed(here, ada, **end["end_date_start"](days)) == due
    for days, due in ((30, []), (31, [plain]), (60, [plain]), (61, [plain, rolling])):
        assert listed(here, ada, **end["end_date_end"](days)) == due
    assert listed(here, ada, ids=[plain, rolling], **end["end_date_start"](31), **end["end_date_end"](61)) == [rolling]
    with harness.fails("INVALID_ARGUMENT") as error:
        here.call("ListAccountBalances", ada, ids=["x"], contract_id="x", limit=101, end_date_end={"nanos": -1})
    assert sorted(v.field for v in error.details["BadRequest"].field_violations) == [
        "contract_id", "end_date_end", "ids[0]", "limit"]


# Updating --------------------------------------------------------------------------------------------


def test_update_replaces_all_fields_and_counts_the_version(here, ada):
    made = create(here, ada)
    top_up(here, ada, made, "70")
    fields = every(here, ada)
    changed = update(here, ada, made, fields)
    assert get(here, ada, made) == changed
    assert (changed.id, changed.created_at, changed.amount, changed.version) == (made.id, made.created_at, "70", 2)
    assert world.micros(changed.updated_at) > world.micros(made.updated_at)
    again = update(here, ada, changed, spec(here, code=fields["code"]))
    assert get(here, ada, made) == again
    assert again.version == 3 and not again.description and not again.custom_fields
    assert len(here.run("SELECT id FROM segment WHERE balance_id = %s", made.id)) == 1


def test_update_wants_the_stored_version(here, ada):
    made = create(here, ada)
    update(here, ada, made, spec(here))
    for version in (1, 3, 2**63 - 1):
        with refused(here, "ABORTED", "VERSION_MISMATCH") as error:
            update(here, ada, made, spec(here), version)
        assert "at version 2" in error.message
    for version in (-1, -2**63):
        with refused(here, "INVALID_ARGUMENT") as error:
            update(here, ada, made, spec(here), version)
        assert [v.field for v in error.details["BadRequest"].field_violations] == ["version"]


def test_one_of_many_updates_of_one_version_is_made(here, ada):
    made = create(here, ada)
    calls = [here.server.client().future("UpdateAccountBalance", customer_id=ada.id, id=made.id, version=1,
                                         spec=spec(here, name=f"Name {n}")) for n in range(16)]
    codes = []
    for call in calls:
        try:
            codes.append(call.result().account_balance.name)
        except grpc.RpcError as error:
            codes.append(error.code())
    assert codes.count(grpc.StatusCode.ABORTED) == 15
    name, = (c for c in codes if isinstance(c, str))
    assert (get(here, ada, made).name, get(here, ada, made).version) == (name, 2)


def test_code_of_an_update_is_its_own_or_free(here, ada):
    first, second = create(here, ada, spec(here, code="1")), create(here, ada, spec(here, code="2"))
    first = update(here, ada, first, spec(here, code="1"))
    with refused(here, "ALREADY_EXISTS", "CODE_USED"):
        update(here, ada, second, spec(here, code="1"))
    update(here, ada, first, spec(here, code="3"))
    update(here, ada, second, spec(here, code="1"))


def test_credit_type_stays(here, ada):
    made = create(here, ada)
    with refused(here, "FAILED_PRECONDITION", "CREDIT_TYPE_FIXED"):
        update(here, ada, made, spec(here, credit_type_id=here.euro))


@pytest.mark.parametrize("first, then", [
    ((-1, 30, 60), (-5, 20, 25)), ((-1, 30, 60), (1, 70, 90)), ((-1, 30, 60), (-1, 60, 61)),
    ((-1, 30, None), (-1, 9, 10)), ((-1, 9, 10), (-1, 30, None)), ((-1, 30, 60), (-1, 30, 31)),
    ((-9, -5, -3), (-9, 5, None)), ((-1, 1, 2), (-1, 2, 3))])
def test_dates_move_and_the_rollover_follows(here, ada, first, then):
    def dates(starts, ends, rolls):
        return spec(here, code="dates", starting_at=stamp(here.day(starts)), ending_before=stamp(here.day(ends)),
                    rollover_ending_before=None if rolls is None else stamp(here.day(rolls)))

    made = create(here, ada, dates(*first))
    changed = update(here, ada, made, dates(*then))
    assert get(here, ada, made) == changed
    due = [("ACCESS", then[0], then[1])] + ([("ROLLOVER", then[1], then[2])] if then[2] is not None else [])
    rows = here.run("SELECT role, starting_at, ending_before FROM segment WHERE balance_id = %s ORDER BY 1", made.id)
    assert rows == [(role, world.when(here.day(a)), world.when(here.day(b))) for role, a, b in due]


def finalized(here, customer, amount, starting_at, ends):
    """An invoice that drew on what covers the instant, for a period that ended on that day."""
    invoice = new_id()
    answer = here.call("DrawDown", customer, invoice_id=invoice, service_period_end=stamp(here.day(ends)),
                       charges=[draws.charge(amount, starting_at=stamp(here.day(starting_at)))])
    assert answer.results[0].uncovered == "0"
    here.call("FinalizeInvoice", customer, invoice_id=invoice)
    return invoice


def test_end_is_not_moved_before_a_final_deduction(here, ada):
    fields = spec(here, code="c", starting_at=stamp(here.day(-30)))
    made = create(here, ada, fields)
    top_up(here, ada, made, "100")
    invoice = finalized(here, ada, "60", -20, 10)
    early, late = ({**fields, "ending_before": stamp(here.day(d))} for d in (9, 10))
    with refused(here, "FAILED_PRECONDITION", "FINAL_INVOICE_DRAWS") as error:
        update(here, ada, made, early)
    assert error.message.startswith("ending_before must not be before ")
    made = update(here, ada, made, late)
    here.call("VoidInvoice", ada, invoice_id=invoice)
    update(here, ada, made, early)


def test_used_rollover_stays_and_its_cap_covers_what_was_used(here, ada):
    fields = spec(here, code="c", starting_at=stamp(here.day(-60)), ending_before=stamp(here.day(-10)),
                  rollover_ending_before=stamp(here.day(30)), rollover_amount="800")
    made = create(here, ada, fields)
    here.run("INSERT INTO ledger_entry (customer_id, balance_id, segment_id, type, amount, transaction_type_id)"
             " SELECT customer_id, balance_id, id, 'ACCOUNT_BALANCE_TRANSACTION', 1000, %s FROM segment"
             " WHERE balance_id = %s AND role = 'ACCESS'", here.transaction_type, made.id)
    assert here.call("GetNetBalance", ada).balance == "800"
    finalized(here, ada, "300", -5, 20)
    for changes in ({"rollover_ending_before": None, "rollover_amount": None}, {"ending_before": stamp(here.day(-11))},
                    {"rollover_amount": "299.999999999999"}):
        with refused(here, "FAILED_PRECONDITION", "ROLLOVER_IN_USE"):
            update(here, ada, made, {k: v for k, v in {**fields, **changes}.items() if v is not None})
    with refused(here, "FAILED_PRECONDITION", "FINAL_INVOICE_DRAWS"):
        update(here, ada, made, {**fields, "rollover_ending_before": stamp(here.day(19))})
    made = update(here, ada, made, {**fields, "rollover_amount": "300"})
    assert here.call("GetNetBalance", ada).balance == "0"
    update(here, ada, made, {k: v for k, v in fields.items() if k != "rollover_amount"})
    assert here.call("GetNetBalance", ada).balance == "700"


def test_update_changes_what_can_be_spent(here, ada):
    made = create(here, ada)
    top_up(here, ada, made, "70")
    assert here.call("GetNetBalance", ada).balance == "70"
    for changes, due in (({"starting_at": stamp(here.day(1))}, "0"), ({}, "70"),
                         ({"ending_before": stamp(here.now)}, "0")):
        made = update(here, ada, made, spec(here, **changes))
        assert here.call("GetNetBalance", ada).balance == due


# Deleting --------------------------------------------------------------------------------------------


def test_deleted_balance_is_answered_as_it_was_and_gone(here, ada):
    made = create(here, ada, every(here, ada))
    top_up(here, ada, made, "70")
    before = get(here, ada, made)
    assert delete(here, ada, made) == before
    assert listed(here, ada) == [] and here.call("GetNetBalance", ada).balance == "0"
    for again in (lambda: get(here, ada, made), lambda: delete(here, ada, made)):
        with harness.fails("NOT_FOUND", "NOT_FOUND"):
            again()
    with harness.fails("FAILED_PRECONDITION", "BALANCE_ARCHIVED"):
        top_up(here, ada, made, "1")
    archived, = here.call("ListBalances", ada, include_archived=True, include_contract_balances=True).data
    assert archived.account_balance.id == made.id


def test_balance_that_an_invoice_drew_on_is_not_deleted(here, ada):
    made = create(here, ada)
    top_up(here, ada, made, "70")
    invoice = new_id()
    here.call("DrawDown", ada, invoice_id=invoice, service_period_end=stamp(here.day(1)), charges=[draws.charge("5")])
    with refused(here, "FAILED_PRECONDITION", "DRAFT_INVOICE_DRAWS"):
        delete(here, ada, made)
    here.call("FinalizeInvoice", ada, invoice_id=invoice)
    with refused(here, "FAILED_PRECONDITION", "FINAL_INVOICE_DRAWS"):
        delete(here, ada, made)
    here.call("VoidInvoice", ada, invoice_id=invoice)
    delete(here, ada, made)


def test_archive_of_the_ledger_service_names_the_other_method(here, ada):
    made = create(here, ada)
    with refused(here, "FAILED_PRECONDITION", "WRONG_KIND") as error:
        here.call("ArchiveBalance", ada, id=made.id)
    assert "DeleteAccountBalance" in error.message


# With a cache ----------------------------------------------------------------------------------------


def test_every_write_ends_cached_answers(postgres, redis):
    """Nothing older than a write is read after it, by default, from any of the methods that show the balance."""
    with world.served(postgres, redis_url=redis.url) as here:
        ada = here.customer()
        here.flush()

        def shown():
            for _ in range(2):  # from the database, and from Redis
                got = [(b.id, b.version, b.amount) for b in here.call("ListAccountBalances", ada).data]
                one = [get(here, ada, id_) for id_, *_ in got]
                assert got == [(b.id, b.version, b.amount) for b in one]
                assert got == [(b.account_balance.id, b.account_balance.version, b.account_balance.amount)
                               for b in here.call("ListBalances", ada).data]
                net = here.call("GetNetBalance", ada).balance
            return got, net

        assert shown() == ([], "0")
        made = create(here, ada)
        assert shown() == ([(made.id, 1, "0")], "0")
        top_up(here, ada, made, "70")
        assert shown() == ([(made.id, 1, "70")], "70")
        changed = update(here, ada, made, spec(here, starting_at=stamp(here.day(1))))
        assert shown() == ([(made.id, 2, "70")], "0")
        assert changed.amount == "70"
        delete(here, ada, made)
        assert shown() == ([], "0")
        assert redis.keys("*:acct:*") and redis.keys("*:accs:*")


def test_writers_and_drawers_of_one_balance_at_once(here, ada):
    """Updates, transactions and draw-downs of one balance through two connections: each one finds its place."""
    made = create(here, ada, spec(here, code="busy"))
    top_up(here, ada, made, "1000")
    failures = []

    def run(step):
        client = here.server.client()
        for n in range(20):
            try:
                step(client, n)
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.ABORTED:
                    failures.append(error)

    def renaming(client, n):
        now = client.call("GetAccountBalance", customer_id=ada.id, id=made.id, consistency={"fully_consistent": True})
        client.call("UpdateAccountBalance", customer_id=ada.id, id=made.id, version=now.account_balance.version,
                    spec=spec(here, code="busy", name=f"Name {n}"))

    def topping(client, n):
        client.call("CreateTransaction", customer_id=ada.id, balance_id=made.id, amount="1",
                    transaction_type_id=here.transaction_type)

    def drawing(client, n):
        client.call("DrawDown", customer_id=ada.id, invoice_id=new_id(), service_period_end=stamp(here.day(1)),
                    charges=[draws.charge("3")])

    threads = [threading.Thread(target=run, args=(step,)) for step in (renaming, topping, drawing, drawing)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(harness.PATIENCE_S)
    assert not failures
    assert here.call("GetNetBalance", ada, consistency={"fully_consistent": True}).balance == str(1000 + 20 - 120)
