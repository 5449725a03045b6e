"""AccountBalanceService: what it shows of an account balance, and what it does not find."""

import pytest

import harness
import world
from world import ACCOUNT, CREDIT, new_id


@pytest.fixture(scope="module")
def here(postgres):
    with world.served(postgres) as served:
        yield served


@pytest.fixture
def ada(here):
    return here.customer()


def get(here, customer, balance, **fields):
    return here.call("GetAccountBalance", customer, id=getattr(balance, "id", balance), **fields)


def test_get_shows_what_the_list_shows(here, ada):
    balance, access, _ = ada.account(here.day(-1), here.day(30), here.day(60), cap="800",
                                     description="Größe", fields={"ä": "b"})
    access.entry("ACCOUNT_BALANCE_TRANSACTION", "1000")
    here.flush()
    shown = get(here, ada, balance)
    listed, = here.call("ListBalances", ada, id=balance.id).data
    assert shown.account_balance == listed.account_balance
    assert (shown.account_balance.amount, shown.account_balance.version) == ("1000", 1)
    assert shown.consistency_token


def test_get_finds_the_balance_of_a_contract(here, ada):
    balance, _, _ = ada.account(here.day(-1), here.day(30), contract=ada.contract())
    here.flush()
    assert get(here, ada, balance).account_balance.id == balance.id


def test_get_does_not_find_others(here, ada):
    credit = ada.balance(CREDIT)
    credit.segment("5", here.day(-1), here.day(1))
    archived = ada.balance(ACCOUNT, archived=True)
    stranger, _, _ = here.customer().account(here.day(-1), here.day(30))
    here.flush()
    for balance in [credit.id, archived.id, stranger.id, new_id()]:
        with harness.fails("NOT_FOUND", "NOT_FOUND") as error:
            get(here, ada, balance)
        info = error.details["ResourceInfo"]
        assert (info.resource_type, info.resource_name) == ("balance", balance)


def test_get_of_an_unknown_customer(here):
    with harness.fails("NOT_FOUND", "NOT_FOUND") as error:
        get(here, new_id(), new_id())
    assert error.details["ResourceInfo"].resource_type == "customer"


def test_get_names_every_wrong_field(here):
    with harness.fails("INVALID_ARGUMENT", "INVALID_REQUEST") as error:
        get(here, "x", "")
    assert sorted(v.field for v in error.details["BadRequest"].field_violations) == ["customer_id", "id"]
