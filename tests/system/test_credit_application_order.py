"""The order in which credit applies: of the installation and of customers, and what it makes of draw-downs
(domain.md A13, B17)."""

import pytest

import draws
import harness
import world
import writes
from world import CREDIT, new_id

PREPAYMENT, BALANCE = 1, 2
ORDERS = [[PREPAYMENT], [BALANCE], [PREPAYMENT, BALANCE], [BALANCE, PREPAYMENT]]


@pytest.fixture
def here(postgres):
    with world.served(postgres) as served:
        yield served


@pytest.fixture
def ada(here):
    customer = here.customer()
    customer.credit = draws.balance(customer, CREDIT, "50")
    customer.top_up = draws.account(customer, "30")
    here.flush()
    return customer


def get(here, customer=None):
    answer = here.client.call("GetCreditApplicationOrder", customer_id=customer.id if customer else "")
    return list(answer.order), answer.inherited


def put(here, order, customer=None, **more):
    return here.client.call("SetCreditApplicationOrder", customer_id=customer.id if customer else "", order=order,
                            **more)


def drawn(here, customer, amount="60"):
    """What covers a charge, and what nothing does, as a dry run says it."""
    answer = here.call("DrawDown", customer, dry_run=True, **draws.request(here, amount))
    return draws.short(answer, c=customer.credit, t=customer.top_up)[0]


def test_installation_begins_with_prepayments(here, ada):
    assert get(here) == ([PREPAYMENT, BALANCE], False)
    assert get(here, ada) == ([PREPAYMENT, BALANCE], True)
    assert drawn(here, ada) == ([("c", "50", "0"), ("t", "10", "20")], "0", "0")


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_every_order_is_kept_and_burns(here, ada, order):
    due = {str([PREPAYMENT]): ([("c", "50", "0")], "10", "10"), str([BALANCE]): ([("t", "30", "0")], "30", "30"),
           str([PREPAYMENT, BALANCE]): ([("c", "50", "0"), ("t", "10", "20")], "0", "0"),
           str([BALANCE, PREPAYMENT]): ([("t", "30", "0"), ("c", "30", "20")], "0", "0")}[str(order)]
    put(here, order)
    assert get(here) == (order, False) and get(here, ada) == (order, True)
    assert drawn(here, ada) == due
    put(here, [PREPAYMENT, BALANCE])
    put(here, order, ada)
    assert get(here) == ([PREPAYMENT, BALANCE], False) and get(here, ada) == (order, False)
    assert drawn(here, ada) == due


def test_customer_returns_to_the_order_of_the_installation(here, ada):
    put(here, [BALANCE], ada)
    put(here, [BALANCE, PREPAYMENT])
    assert get(here, ada) == ([BALANCE], False)
    put(here, [], ada)
    assert get(here, ada) == ([BALANCE, PREPAYMENT], True)
    put(here, [PREPAYMENT])
    assert get(here, ada) == ([PREPAYMENT], True)


@pytest.mark.parametrize("order, field", [
    ([], "order"), ([PREPAYMENT, PREPAYMENT], "order"), ([PREPAYMENT, BALANCE, PREPAYMENT], "order"),
    ([0], "order[0]"), ([PREPAYMENT, 3], "order[1]"), ([-1], "order[0]")])
def test_order_that_is_none_is_refused(here, ada, order, field):
    before = writes.everything(here)
    for customer in (None, ada) if order else (None,):
        with harness.fails("INVALID_ARGUMENT", "INVALID_REQUEST") as error:
            put(here, order, customer)
        assert field in [v.field for v in error.details["BadRequest"].field_violations]
    assert writes.everything(here) == before


def test_unknown_customer(here):
    for method, fields in (("GetCreditApplicationOrder", {}), ("SetCreditApplicationOrder", {"order": [BALANCE]})):
        with harness.fails("NOT_FOUND", "NOT_FOUND"):
            here.call(method, new_id(), **fields)
        with harness.fails("INVALID_ARGUMENT", "INVALID_REQUEST"):
            here.call(method, str(new_id())[:-1], **fields)


def test_same_request_is_answered_as_the_first_time(here, ada):
    for customer in (None, ada):
        once = new_id()
        first = put(here, [BALANCE], customer, request_id=once)
        assert bool(first.consistency_token) == (customer is not None)
        put(here, [PREPAYMENT], customer)
        assert put(here, [BALANCE], customer, request_id=once) == first
        assert get(here, customer)[0] == [PREPAYMENT]
        with harness.fails("ALREADY_EXISTS", "REQUEST_ID_REUSED"):
            put(here, [BALANCE, PREPAYMENT], customer, request_id=once)


def test_same_order_again_changes_nothing(here, ada):
    put(here, [BALANCE], ada)
    put(here, [BALANCE])
    before = writes.everything(here)
    put(here, [BALANCE], ada)
    put(here, [BALANCE])
    assert writes.everything(here) == before


def test_cached_answers_end_with_every_change(postgres, redis):
    with world.served(postgres, redis_url=redis.url) as here:
        ada = here.customer()
        here.flush()
        for order in ORDERS:
            put(here, order)
            for _ in range(2):
                assert get(here) == (order, False) and get(here, ada) == (order, True)
        for order in ORDERS:
            put(here, order, ada)
            for _ in range(2):
                assert get(here, ada) == (order, False)
        assert redis.keys("*:ordr:*")
        here.run("UPDATE customer SET credit_application_order = NULL WHERE customer_id = %s", ada.id)
        harness.wait_until(lambda: get(here, ada)[1], "the feed to tell of it")
