"""balancectl's commands about account balances, against the real server: what they write, and what they print."""

import json

import pytest

import world
from test_balancectl import run
from test_balancectl_writes import instant
from world import USD, new_id

USAGE, AD_HOC = 2, 6


@pytest.fixture(scope="module")
def here(postgres):
    with world.served(postgres) as served:
        yield served


@pytest.fixture
def ada(here):
    customer = here.customer()
    customer.home = customer.contract()
    here.flush()
    return customer


def asked(here, command, *flags, **more):
    return json.loads(run(here, command, *flags, "-o", "json", **more).stdout)


def refused(here, status, *arguments):
    """What is said of a call that fails with this exit status."""
    done = run(here, *arguments, check=False)
    assert done.returncode == status, done
    return done.stderr


def account(here, ada, code="main", *flags):
    return asked(here, "create-account", "--customer", ada.id, "--code", code, "--name", "Top-up", "--credit-type", USD,
                 "--from", instant(here.day(-1)), "--before", instant(here.day(30)), *flags)["accountBalance"]


def test_every_field_of_an_account_balance_can_be_said(here, ada):
    products = new_id(), new_id()
    made = account(
        here, ada, "c 1", "--description", "D", "--rollover-amount", "800", "--rollover-before", instant(here.day(60)),
        "--draw-down-text", "drawn", "--surcharge", "10.5", "--overage-text", "over", "--products",
        f"{here.product},{products[0]}", "--line-item-types", "usage,AD_HOC", "--contract", ada.home, "--overdraft",
        "--field", "a=1", "--field", "b=2", "--consumptions-product", products[0], "--fees-product", products[1])
    stored, = here.call("ListAccountBalances", ada).data
    assert stored.id == made["id"]
    filled = {field.name for field, _ in stored.ListFields()}
    assert [f.name for f in stored.DESCRIPTOR.fields if f.name not in filled] == ["balance", "ledger"]
    assert list(stored.line_item_types) == [USAGE, AD_HOC] and stored.custom_fields == {"a": "1", "b": "2"}


def test_account_balance_is_shown_changed_and_deleted(here, ada):
    made = account(here, ada)
    for command, flags in (("accounts", []), ("account", ["--id", made["id"]])):
        titles, line = run(here, command, "--customer", ada.id, *flags).stdout.splitlines()
        assert titles.split() == ["ID", "CODE", "NAME", "AMOUNT", "CREDIT", "TYPE", "STARTS", "ENDS", "ROLLOVER",
                                  "ENDS", "VERSION"]
        assert line.split()[:4] == [made["id"], "main", "Top-up", "0"] and line.split()[-1] == "1"
    done = run(here, "update-account", "--customer", ada.id, "--id", made["id"], "--if-version", "1", "--code", "other",
               "--name", "N", "--credit-type", USD, "--from", instant(here.day(-1)), "--before", instant(here.day(9)))
    assert done.stdout.splitlines()[1].split()[1:3] == ["other", "N"] and done.stdout.rstrip().endswith("2")
    assert "at version 2" in refused(
        here, 64 + 10, "update-account", "--customer", ada.id, "--id", made["id"], "--if-version", "1", "--code",
        "other", "--name", "N", "--credit-type", USD, "--from", instant(here.day(-1)), "--before", instant(here.day(9)))
    done = run(here, "delete-account", "--customer", ada.id, "--id", made["id"])
    assert done.stdout.splitlines()[1].split()[1] == "other"
    assert run(here, "accounts", "--customer", ada.id).stderr == "No account balances found.\n"


def test_accounts_are_found_by_flags(here, ada):
    first, second = account(here, ada, "1"), account(here, ada, "2", "--rollover-before", instant(here.day(60)),
                                                     "--contract", ada.home)
    day = instant(here.day(31))
    for flags, due in ((["--ids", first["id"]], ["1"]), (["--contract", ada.home], ["2"]),
                       (["--ends-from", day], ["2"]), (["--ends-before", day], ["1"]), (["--limit", "1"], ["1"]),
                       (["--limit", "1", "--all"], ["1", "2"])):
        lines = run(here, "accounts", "--customer", ada.id, *flags).stdout.splitlines()
        assert [line.split()[1] for line in lines if "-" in line] == due
    assert second["code"] == "2"


def test_transactions_are_made_listed_and_summed_up(here, ada):
    made = account(here, ada)
    about = ["--customer", ada.id, "--id", made["id"]]
    kind = ["--transaction-type", here.transaction_type]
    done = run(here, "transact", *about, *kind, "--amount", "100", "--paid", "90", "--currency", "EUR", "--description",
               "thanks", "--applied", instant(here.day(-1)), "--date", instant(here.day(-2)))
    titles, line = done.stdout.splitlines()
    assert titles.split()[:5] == ["APPLIED", "AMOUNT", "RUNNING", "BY", "PAID"]
    assert line.split()[1:7] == ["100", "100", "USER", "90", "EUR", "thanks"]
    run(here, "transact", *about, *kind, "--amount=-30.5")
    lines = run(here, "transactions", *about).stdout.splitlines()[1:]
    assert [line.split()[1:4] for line in lines] == [["100", "100", "USER"], ["-30.5", "69.5", "USER"]]
    assert len(run(here, "transactions", *about, *kind, "--entity-type", "user").stdout.splitlines()) == 3
    assert run(here, "transactions", *about, "--entity-type", "bill").stderr == "No transactions found.\n"
    assert run(here, "transactions", *about, "--entity-id", "x").stderr == "No transactions found.\n"
    summary = dict(line.rsplit(None, 1) for line in run(here, "summary", *about).stdout.splitlines()[1:])
    assert summary == {"credited": "100", "of it at first": "100", "debited": "30.5", "of it consumed": "0",
                       "of it consumed after rollover": "0", "expired": "0"}
    assert "69.5 left" in refused(here, 64 + 9, "transact", *about, *kind, "--amount=-70")


def test_types_are_made_listed_archived_and_deleted(here):
    done = run(here, "create-type", "--name", "Gift", "--code", "gift")
    type_, code, name, state = done.stdout.splitlines()[1].split(None, 4)[:4]
    assert (code, name, state) == ("gift", "Gift", "in")
    done = run(here, "update-type", "--id", type_, "--name", "Gifts", "--code", "gifts", "--archived", "--if-version",
               "1")
    assert done.stdout.splitlines()[1].split() == [type_, "gifts", "Gifts", "archived", "2"]
    assert type_ not in run(here, "types").stdout
    for flags in (["--archived"], ["--archived", "--codes", "x,gifts"], ["--archived", "--ids", type_]):
        assert type_ in run(here, "types", *flags).stdout
    assert run(here, "type", "--id", type_).stdout == done.stdout
    assert run(here, "delete-type", "--id", type_).stdout == done.stdout
    assert run(here, "types", "--codes", "gifts", "--archived").stderr == "No transaction types found.\n"


def test_order_is_shown_and_set(here, ada):
    def shown(*flags):
        return run(here, "order", *flags).stdout.splitlines()[1].strip()

    mine = ["--customer", ada.id]
    assert shown() == "prepayments, then account balances  its own"
    assert shown(*mine) == "prepayments, then account balances  the organization"
    run(here, "set-order", *mine, "--order", "balance,prepayment")
    assert shown(*mine) == "account balances, then prepayments  its own"
    run(here, "set-order", "--order", "balance")
    run(here, "set-order", *mine)
    assert shown(*mine) == "account balances  the organization"
    run(here, "set-order", "--order", "prepayment,balance")


@pytest.mark.parametrize("command", ["accounts", "account", "create-account", "update-account", "delete-account",
                                     "transact", "transactions", "summary"])
def test_commands_about_a_customer_need_one(here, command):
    assert "--customer is required" in refused(here, 2, command)
