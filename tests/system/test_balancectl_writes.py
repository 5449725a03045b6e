"""balancectl's commands that write, against the real server: what they change, what they print, how they fail."""

import datetime
import json
import types
import uuid

import pytest

import harness
import world
from test_balancectl import UNKNOWN, run
from world import new_id, stamp
from writes import access as access_of, item, made, postpaid, segments, shown

PUTS = ["put-customer", "put-contract", "archive-contract", "put-product", "put-credit-type"]
WRITES = ["grant-credit", "grant-commit", "adjust", "end", "archive", "seats", "draw", "finalize", "void",
          "rollover", "true-up"]


@pytest.fixture(scope="module")
def here(postgres):
    with world.served(postgres) as served:
        yield served


@pytest.fixture
def ada(here):
    customer = here.customer()
    here.flush()
    return customer


def instant(at):
    return datetime.datetime.fromtimestamp(stamp(at)["seconds"], datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def access(here, amount="100"):
    return f"{amount},{instant(here.day(-1))},{instant(here.day(30))}"


def grant(here, customer, command="grant-credit", *flags, **more):
    return run(here, command, "--customer", customer.id, "--product", here.product, "--priority", "1.5", "--access",
               access(here), *flags, **more)


def written(done):
    """What a write prints: from title to text."""
    titles, values = done.stdout.splitlines()
    return dict(zip(titles.replace("CONSISTENCY TOKEN", "TOKEN").split(), values.split(), strict=True))


def test_granted_credit_is_as_said(here, ada):
    done = grant(here, ada, "grant-credit", "--name", "Welcome", "--access",
                 f"0.000000000001,{instant(here.day(30))},{instant(here.day(60))}", "--tags", "a,b",
                 "--uniqueness-key", "once")
    credit = shown(here, ada, written(done)["ID"])
    assert [item.amount for item in credit.access_schedule.schedule_items] == ["100", "0.000000000001"]
    assert (credit.name, credit.priority.value, credit.uniqueness_key) == ("Welcome", 1.5, "once")
    assert list(credit.applicable_product_tags) == ["a", "b"]
    assert written(done)["TOKEN"]


def test_granted_commits_are_as_said(here, ada):
    prepaid = shown(here, ada, written(grant(here, ada, "grant-commit", "--type", "prepaid"))["ID"])
    assert (prepaid.type, prepaid.amount) == (1, "100")
    contract = ada.contract()
    here.flush()
    done = grant(here, ada, "grant-commit", "--type", "POSTPAID", "--invoice-item",
                 f"100,{instant(here.day(31))}", "--invoice-contract", contract)
    postpaid = shown(here, ada, written(done)["ID"])
    assert (postpaid.type, postpaid.invoice_schedule.schedule_items[0].amount) == (2, "100")


def test_every_field_of_a_commit_can_be_said(here, ada):
    contract, other = ada.contract(), ada.contract()
    here.flush()
    done = grant(here, ada, "grant-commit", "--type", "prepaid", "--name", "N", "--description", "D", "--contract",
                 contract, "--rate-type", "commit_rate", "--contracts", f"{contract},{other}", "--specifier",
                 f"product={here.product},tag=a,pricing.region=eu,presentation.team=x", "--specifier", "tag=b",
                 "--child-access", other, "--field", "campaign=signup", "--field", "k=", "--rollover-fraction", "0.5",
                 "--netsuite-sales-order", "SO-1", "--salesforce-opportunity", "OP-1", "--uniqueness-key", "u",
                 "--invoice-item", f"9.5x12,{instant(here.day(1))}", "--invoice-credit-type", here.euro,
                 "--do-not-invoice", "--invoice-contract", other, "--credit-type", here.euro)
    commit = shown(here, ada, written(done)["ID"])
    told = commit.invoice_schedule
    assert [(i.unit_price, i.quantity) for i in told.schedule_items] == [("9.5", "12")]
    assert told.do_not_invoice and told.credit_type.id == commit.access_schedule.credit_type.id == here.euro
    assert commit.rate_type == 1 and list(commit.applicable_contract_ids) == [contract, other]
    first, second = commit.specifiers
    assert (first.product_id, list(first.product_tags)) == (here.product, ["a"])
    assert dict(first.pricing_group_values) == {"region": "eu"}
    assert dict(first.presentation_group_values) == {"team": "x"}
    assert list(second.product_tags) == ["b"]
    access = commit.hierarchy_configuration.child_access
    assert (access.type, list(access.contract_ids)) == (3, [other])
    assert dict(commit.custom_fields) == {"campaign": "signup", "k": ""}
    assert (commit.netsuite_sales_order_id, commit.salesforce_opportunity_id) == ("SO-1", "OP-1")
    unset = {field.name for field in commit.DESCRIPTOR.fields} - {field.name for field, _ in commit.ListFields()}
    assert unset == {"applicable_product_ids", "applicable_product_tags", "archived_at", "recurring_commit_id",
                     "rolled_over_from"}


@pytest.mark.parametrize("command, amount, left", [("adjust", "-20.5", "79.5"), ("seats", "20.5", "120.5")])
def test_adjustment_moves_the_balance(here, ada, command, amount, left):
    balance = made(here, ada)
    reason = ["--reason", "Goodwill"] if command == "adjust" else []
    done = run(here, command, "--customer", ada.id, "--id", balance.id, "--segment", segments(balance)[0].id,
               f"--amount={amount}", *reason)
    assert shown(here, ada, balance.id).balance == left
    assert written(done)["ID"] in [entry.id for entry in shown(here, ada, balance.id).ledger]


def test_end_and_archive(here, ada):
    balance = made(here, ada)
    assert list(written(run(here, "end", "--customer", ada.id, "--id", balance.id, "--before",
                            instant(here.day(3))))) == ["TOKEN"]
    end = shown(here, ada, balance.id).access_schedule.schedule_items[0].ending_before
    assert end.seconds == stamp(here.day(3))["seconds"]
    run(here, "archive", "--customer", ada.id, "--id", balance.id)
    assert shown(here, ada, balance.id).HasField("archived_at")


def net(here, customer):
    return here.call("GetNetBalance", customer).balance


def draw(here, customer, invoice, *flags, **more):
    return run(here, "draw", "--customer", customer.id, "--invoice", invoice, "--period-end", instant(here.day(20)),
               *flags, **more)


def rows(done):
    """What a draw-down prints: the cells of each row, without the empty ones."""
    return [line.split() for line in done.stdout.splitlines()[1:]]


def test_draw_down_shows_what_covers_each_charge(here, ada):
    first = made(here, ada)
    second = made(here, ada, priority={"value": 2})
    invoice = new_id()
    names = [(balance.id, segments(balance)[0].id) for balance in (first, second)]
    expected = [["1", *names[0], "100", "0"], ["1", *names[1], "30", "70"], ["2", *names[1], "70", "0"],
                ["2", "uncovered", "10"], ["2", "overage", "10"]]
    charges = ["--charge", "130,kind=usage", "--charge", "80,kind=subscription,name=a\\,b,pricing.region=eu"]

    assert rows(draw(here, ada, invoice, *charges, "--dry-run")) == expected
    assert net(here, ada) == "200"
    assert rows(draw(here, ada, invoice, *charges)) == expected
    assert net(here, ada) == "0"
    assert rows(draw(here, ada, invoice, "--charge", "50", "--replace")) == [["1", *names[0], "50", "50"]]
    assert net(here, ada) == "150"


def test_draw_down_asks_for_what_a_charge_says(here, ada):
    balance = made(here, ada, specifiers=[{"pricing_group_values": {"region": "a,b"}}])
    other = draw(here, ada, new_id(), "--charge", "5,pricing.region=a", "--dry-run")
    assert rows(other) == [["1", "uncovered", "5"], ["1", "overage", "5"]]
    same = json.loads(draw(here, ada, new_id(), "--charge", "5,pricing.region=a\\,b", "-o", "json").stdout)
    assert same["results"][0]["allocations"][0]["balanceId"] == balance.id and same["consistencyToken"]
    assert "charges[0].amount" in draw(here, ada, new_id(), "--charge", "x", check=False).stderr


def test_draw_down_says_which_part_of_a_charge_is_wrong(here, ada):
    assert "kind= with any of USAGE" in draw(here, ada, new_id(), "--charge", "1,kind=tea", check=False).stderr


def test_invoice_is_finalized_and_voided(here, ada):
    made(here, ada)
    invoice = new_id()
    flags = ["--customer", ada.id, "--invoice", invoice]
    draw(here, ada, invoice, "--charge", "30")
    assert list(written(run(here, "finalize", *flags))) == ["TOKEN"]
    final = here.call("GetNetBalance", ada, invoice_inclusion_mode=1)
    assert final.balance == "70"
    assert list(written(run(here, "void", *flags))) == ["TOKEN"]
    assert net(here, ada) == "100"


def test_rollover_carries_what_is_left(here, ada):
    old, new = ada.contract(), ada.contract()
    here.flush()
    balance = made(here, ada, "CreateCommit", contract_id=old, rollover_fraction="0.5",
                   access_schedule=access_of(here, item(here, "100", -30, 30)))
    done = written(run(here, "rollover", "--customer", ada.id, "--id", balance.id, "--contract", new, "--from",
                       instant(here.day(0)), "--before", instant(here.day(100))))
    assert done["AMOUNT"] == "50" and shown(here, ada, done["ID"]).rolled_over_from.balance_id == balance.id


def test_true_up_bills_what_is_left(here, ada):
    contract = ada.contract()
    here.flush()
    balance = made(here, ada, "CreateCommit", **postpaid(here, contract))
    done = written(run(here, "true-up", "--customer", ada.id, "--id", balance.id, "--invoice", new_id()))
    assert done["AMOUNT"] == "100" and shown(here, ada, balance.id).balance == "0"


def test_catalog_is_made_and_changed(here):
    customer, contract, product, gems = (new_id() for _ in range(4))
    for name in ("Grace", "Hopper"):
        assert list(written(run(here, "put-customer", "--id", customer, "--name", name))) == ["TOKEN"]
        assert list(written(run(here, "put-contract", "--customer", customer, "--id", contract, "--name",
                                name))) == ["TOKEN"]
        for done in (run(here, "put-product", "--id", product, "--name", name, "--tags", f"all,{name}"),
                     run(here, "put-credit-type", "--id", gems, "--name", name)):
            assert (done.stdout, done.stderr) == ("", "")
    assert here.run("SELECT tags FROM balances.product WHERE id = %s", product) == [(["all", "Hopper"],)]
    done = grant(here, types.SimpleNamespace(id=customer), "grant-credit", "--contract", contract, "--product", product,
                 "--credit-type", gems)
    flags = ["--customer", customer, "--id", written(done)["ID"], "--contract", "--archived"]
    credit = json.loads(run(here, "credits", *flags, "-o", "json").stdout)["data"][0]
    assert (credit["product"]["name"], credit["accessSchedule"]["creditType"]["name"]) == ("Hopper", "Hopper")
    assert credit["contract"]["id"] == contract and "archivedAt" not in credit
    assert list(written(run(here, "archive-contract", "--customer", customer, "--id", contract))) == ["TOKEN"]
    assert run(here, "credits", "--customer", customer, "--contract").stdout == ""
    assert run(here, "put-product", "--id", product, "--name", "x", "-o", "json").stdout == "{}\n"


def test_catalog_refuses_and_may_be_repeated(here):
    for command in PUTS:
        flags = [] if command in ("put-customer", "put-product", "put-credit-type") else ["--customer", UNKNOWN]
        done = run(here, command, *flags, "--id", "x", check=False)
        assert done.returncode == 64 + 3 and "id must be a UUID" in done.stderr
        nobody = f"127.0.0.1:{harness.free_port()}"
        done = run(here, command, *flags, "--id", UNKNOWN, address=nobody, check=False)
        assert done.stderr.splitlines()[1].endswith("; the same command is safe to repeat")
        assert "--request-id" not in run(here, command, "--help").stdout


def test_repeated_with_its_request_id_it_happens_once(here, ada):
    request = str(uuid.uuid4())
    first = grant(here, ada, "grant-credit", "--request-id", request)
    assert grant(here, ada, "grant-credit", "--request-id", request).stdout == first.stdout
    assert written(grant(here, ada))["ID"] != written(first)["ID"]


def test_json_is_the_answer(here, ada):
    answer = json.loads(grant(here, ada, "grant-credit", "-o", "json").stdout)
    assert set(answer) == {"id", "consistencyToken"}


def test_unknown_outcome_names_the_request_id(here, ada):
    nobody = f"127.0.0.1:{harness.free_port()}"
    request = str(uuid.uuid4())
    done = grant(here, ada, "grant-credit", "--request-id", request, address=nobody, check=False)
    assert done.returncode == 64 + 14 and done.stderr.splitlines()[1].endswith(f"--request-id {request}")
    done = grant(here, ada, address=nobody, check=False)
    assert str(uuid.UUID(done.stderr.split()[-1])) == done.stderr.split()[-1]
    done = run(here, "net", "--customer", ada.id, address=nobody, check=False)
    assert "--request-id" not in done.stderr


def test_refused_write_says_why(here, ada):
    done = run(here, "archive", "--customer", ada.id, "--id", UNKNOWN, check=False)
    assert done.returncode == 64 + 5 and done.stdout == "" and UNKNOWN in done.stderr
    assert "--request-id" not in done.stderr
    done = grant(here, ada, "grant-credit", "--access", "x,2025-01-01T00:00:00Z,2026-01-01T00:00:00Z", check=False)
    assert done.returncode == 64 + 3 and "access_schedule.schedule_items[1].amount" in done.stderr


@pytest.mark.parametrize("flags", [
    ["grant-credit", "--type", "prepaid"], ["grant-commit", "--type", "credit"], ["grant-credit", "--priority", "x"],
    ["grant-credit", "--priority", "nan"], ["grant-credit", "--access", "1"],
    ["grant-credit", "--access", ",2025-01-01T00:00:00Z,2026-01-01T00:00:00Z"],
    ["grant-credit", "--access", "1,2025-01-01T00:00:00Z"],
    ["grant-credit", "--access", "1,2025-01-01T00:00:00Z,2026-01-01T00:00:00Z,2"],
    ["draw", "--charge", ""], ["draw", "--charge", ",kind=usage"], ["draw", "--charge", "1,kind=tea"],
    ["draw", "--charge", "1,color=red"], ["draw", "--charge", "1,pricing.=eu"], ["draw", "--charge", "1,kind"],
    ["draw", "--charge", "1,pricing.a=1,pricing.a=2"], ["draw", "--charge", "1,at=noon"], ["draw", "--charge", "1,"],
    ["grant-credit", "--specifier", "color=red"], ["grant-credit", "--field", "x"],
    ["grant-credit", "--child-access", ""], ["grant-credit", "--rate-type", "x"], ["grant-credit", "--do-not-invoice"],
    ["grant-commit", "--invoice-item", "1"], ["grant-credit", "--tags", "a,,b"], ["grant-credit", "--credit-type", ""],
    ["archive", "--balance"], ["archive", "--request-id", ""],
    ["put-contract", "--request-id", UNKNOWN], ["net", "--request-id", UNKNOWN]], ids=str)
def test_wrong_command_line_writes_nothing(here, flags):
    command, *rest = flags
    done = run(here, command, "--customer", UNKNOWN, *rest, check=False)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.startswith("balancectl")


@pytest.mark.parametrize("command", WRITES)
def test_help_names_the_request_id(here, command):
    done = run(here, command, "--help")
    assert "--request-id" in done.stdout and "--customer" in done.stdout and "--consistency" not in done.stdout
    assert run(here, command, check=False).returncode == 2
