"""balancectl against the real server: each command as a table and as JSON, its flags, exit codes, errors.

JSON is compared with grpcurl's of the same question, tables with what the test wrote to the database.
"""

import json
import os
import re
import subprocess
import time

import pytest

import harness
import world
from world import ACCOUNT, CREDIT, POSTPAID, PREPAID, USD

UNKNOWN = "aaaaaaaa-0000-4000-8000-aaaaaaaaaaaa"
PROGRAM = harness.BUILD / "client/balancectl"
METHOD = {"list": "ListBalances", "credits": "ListCredits", "commits": "ListCommits", "net": "GetNetBalance",
          "ledger": "ListLedgerEntries"}


@pytest.fixture(scope="module")
def here(postgres):
    with world.served(postgres) as served:
        ada = served.ada = served.customer()
        served.credit = ada.balance(CREDIT, name="Größe \x1b[31m\u202e", fields={"campaign": "signup", "a": "b"})
        served.credit.segment("100", served.day(-30), served.day(30)).entry(
            "CREDIT_MANUAL", "-20.5", served.day(-1), reason="goodwill \"of\"\nAda")
        served.credit.segments[0].draft("-1.25", served.day(30))
        served.prepaid = ada.balance(PREPAID, name="Year", priority=1.5)
        served.prepaid.segment("1000", served.day(-30), served.day(-10))
        served.prepaid.segment("2000.000000000001", served.day(-10), served.day(10))
        served.postpaid = ada.balance(POSTPAID, contract=ada.contract(), name="Owed")
        served.postpaid.segment("7", served.day(-30), served.day(30))
        served.archived = ada.balance(CREDIT, archived=True)
        served.euro_credit = ada.balance(CREDIT, credit_type=served.euro)
        served.euro_credit.segment("40", served.day(-1), served.day(1))
        served.account, access, _ = ada.account(served.day(-1), served.day(1), overdraft=True)
        access.entry("ACCOUNT_BALANCE_DEDUCTION", "-3")
        served.flush()
        yield served


def run(here, *arguments, address=None, check=True, **environment):
    """Runs balancectl to its end; its sanitizers must have nothing to say."""
    done = subprocess.run(
        [PROGRAM, "--address", address or here.server.address, "--timeout", "60s", *map(str, arguments)],
        capture_output=True, text=True, timeout=2 * harness.PATIENCE_S, check=False,
        env=harness.clean_environment(**environment))
    assert not harness.SANITIZER_REPORT.search(done.stderr), done.stderr
    if check:
        assert done.returncode == 0, done.stderr
    return done


def rows(done):
    """A table's rows as dictionaries from title to text, by the places of the titles."""
    head, *lines = done.stdout.splitlines()
    titles = [(m.group(), m.start()) for m in re.finditer(r"\S+( \S+)*", head)]
    found = []
    for line in lines:
        found.append({})
        for title, start in titles:
            # An amount ends where its title does, anything else begins where its title does.
            if title in ("AMOUNT", "BALANCE", "SUM"):
                match = re.search(r"\S+$", line[:start + len(title)])
            else:
                match = re.match(r"\S+( \S+)*", line[start:])
            found[-1][title] = match.group() if match else ""
    return found


# Tables ----------------------------------------------------------------------------------------------


def test_list_as_a_table(here):
    shown = {row["ID"]: row for row in rows(run(here, "list", "--customer", here.ada.id))}
    assert list(shown) == [here.credit.id, here.prepaid.id, here.euro_credit.id, here.account.id]
    amounts = {i: (r["TYPE"], r["AMOUNT"], r["BALANCE"], r["CREDIT TYPE"], r["SCOPE"]) for i, r in shown.items()}
    assert amounts == {
        here.credit.id: ("credit", "100", "78.25", "USD (cents)", "customer"),
        here.prepaid.id: ("prepaid", "3000.000000000001", "2000.000000000001", "USD (cents)", "customer"),
        here.euro_credit.id: ("credit", "40", "40", "EUR", "customer"),
        here.account.id: ("account", "-3", "-3", "USD (cents)", "customer")}
    assert shown[here.prepaid.id]["NAME"] == "Year"
    assert shown[here.credit.id]["NAME"].startswith("Größe") and "\x1b" not in shown[here.credit.id]["NAME"]
    assert shown[here.account.id]["STARTS"] < shown[here.account.id]["ENDS"]


def test_scopes_of_a_list(here):
    def shown(*flags):
        return [(r["ID"], r["SCOPE"]) for r in rows(run(here, "list", "--customer", here.ada.id, *flags))]

    assert (here.postpaid.id, "contract") in shown("--contract")
    assert (here.archived.id, "archived") in shown("--archived")
    assert len(shown("--contract", "--archived")) == 6 == len(shown()) + 2
    assert shown("--id", here.credit.id) == [(here.credit.id, "customer")]
    day = time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(here.day(-20) // 10**6))
    assert [i for i, _ in shown("--covering-date", day)] == [here.credit.id, here.prepaid.id]


def test_credits_and_commits_as_tables(here):
    assert [r["TYPE"] for r in rows(run(here, "credits", "--customer", here.ada.id))] == ["credit"] * 2
    shown = rows(run(here, "commits", "--customer", here.ada.id, "--contract"))
    assert [(r["ID"], r["TYPE"]) for r in shown] == [(here.prepaid.id, "prepaid"),
                                                     (here.postpaid.id, "postpaid")]


def test_table_without_balances(here):
    assert "BALANCE" not in run(here, "credits", "--customer", here.ada.id, "--no-balance").stdout


def test_ledgers_follow_the_list(here):
    done = run(here, "credits", "--customer", here.ada.id, "--ledgers")
    balances, ledger = done.stdout.split("\n\n")
    assert len(balances.splitlines()) == 3
    assert [line.split()[1:3] for line in ledger.splitlines()[1:]] == [
        ["100", "100"], ["-20.5", "79.5"], ["-1.25", "78.25"], ["40", "40"]]


def test_net_as_a_table(here):
    assert rows(run(here, "net", "--customer", here.ada.id)) == [
        {"BALANCE": "2082.250000000001", "CREDIT TYPE": USD}]


@pytest.mark.parametrize("flags, due", [
    (["--mode", "finalized"], "2083.500000000001"), (["--mode", "all"], "2082.250000000001"),
    (["--filter", "type=CREDIT"], "78.25"), (["--filter", "type=credit,POSTPAID_COMMIT"], "85.25"),
    (["--filter", "field=campaign:signup;field=a:b"], "78.25"),
    (["--filter", "field=campaign:signup;field=a:c"], "0"),
    (["--filter", "id=PREPAID", "--filter", "type=CREDIT"], "2078.250000000001"),
    (["--credit-type", "EURO"], "40"), (["--consistency", "full"], "2082.250000000001")], ids=str)
def test_net_under_flags(here, flags, due):
    flags = [f.replace("PREPAID", here.prepaid.id) if f.startswith("id=") else f.replace("EURO", here.euro)
             for f in flags]
    assert rows(run(here, "net", "--customer", here.ada.id, *flags))[0]["BALANCE"] == due


def test_ledger_as_a_table(here):
    due = world.expected_ledger(here.ada.balances, here.now)
    shown = rows(run(here, "ledger", "--customer", here.ada.id))
    assert [(r["TYPE"], r["AMOUNT"], r["STATE"], r["BALANCE ID"], r["ID"]) for r in shown] == [
        (e[1], e[3], "draft" if e[4] else "final", e[5], e[2]) for e in due]
    assert "goodwill \"of\" Ada" in [r["REASON"] for r in shown]
    backwards = rows(run(here, "ledger", "--customer", here.ada.id, "--descending"))
    assert backwards == shown[::-1]
    some = rows(run(here, "ledger", "--customer", here.ada.id, "--types", "CREDIT_MANUAL,credit_segment_start",
                    "--id", here.credit.id))
    assert [r["AMOUNT"] for r in some] == ["100", "-20.5"]


def test_ledger_of_one_balance_is_summed(here):
    def sums(*flags):
        done = run(here, "ledger", "--customer", here.ada.id, *flags)
        return [row.get("SUM") for row in rows(done)]

    one = ["--id", here.credit.id]
    assert sums(*one) == ["100", "79.5", "78.25"]
    paged = run(here, "ledger", "--customer", here.ada.id, *one, "--limit", "1", "--all").stdout
    assert [line.split()[2] for line in paged.splitlines()] == ["SUM", "100", "79.5", "78.25"]
    assert sums(*one, "--limit", "2") == ["100", "79.5"]
    token = re.search(r"--page (\S+)", run(here, "ledger", "--customer", here.ada.id, *one, "--limit", "2").stderr)
    for part in ([], [*one, "--descending"], [*one, "--types", "CREDIT_MANUAL"],
                 [*one, "--starting-at", "2024-01-01T00:00:00Z"], [*one, "--limit", "2", "--page", token.group(1)]):
        assert set(sums(*part)) == {None}, part


def test_no_rows_are_said_so(here):
    empty = here.customer()
    here.flush()
    for command, what in (("list", "balances"), ("credits", "credits"), ("commits", "commits"),
                          ("ledger", "ledger entries"), ("burn-down", "balances")):
        done = run(here, command, "--customer", empty.id)
        assert done.stdout == "" and done.stderr == f"No {what} found.\n"


def test_narrow_table_cuts_no_amount(here):
    done = run(here, "list", "--customer", here.ada.id, COLUMNS="60")
    assert all(len(line) <= 100 for line in done.stdout.splitlines())
    for amount in ("3000.000000000001", "2000.000000000001", "78.25"):
        assert amount in done.stdout


# Charts ----------------------------------------------------------------------------------------------


def charts(done):
    """Title, period, bars and figures of each chart."""
    return [(title, period, bars, figures) for title, period, *bars, _, figures in
            (chart.splitlines() for chart in done.stdout.rstrip("\n").split("\n\n"))]


def test_burn_down_draws_each_credit_type(here):
    shown = charts(run(here, "burn-down", "--customer", here.ada.id, "--contract"))
    assert [title for title, *_ in shown] == ["4 balances, USD (cents)", f"{here.euro_credit.id}, EUR"]
    assert shown[0][3].endswith("usable now 2082.250000000001") and shown[1][3].endswith("usable now 40")


def test_burn_down_of_one_balance_shows_its_sums(here):
    [(title, period, bars, figures)] = charts(run(here, "burn-down", "--customer", here.ada.id, "--id", here.credit.id,
                                                  COLUMNS="60", LC_ALL="C"))
    assert title.startswith("Größe") and "\x1b" not in title and title.endswith(", USD (cents)")
    first, last = (run(here, "ledger", "--customer", here.ada.id, "--id", here.credit.id).stdout.splitlines()[i].split()
                   for i in (1, -1))
    assert period == f"{first[0]} to {last[0]}"
    assert figures == "highest 100, lowest 78.25, last 78.25; usable now 78.25"
    assert re.fullmatch(r"100 \|#+", bars[0])
    assert bars[-2:] == [" 10 |" + "#" * 55, "  0 +" + "-" * 55]


@pytest.mark.parametrize("locale, shows", [
    ({"LANG": "C.UTF-8"}, "┤█"), ({"LANG": "de_DE.utf8"}, "┤█"), ({"LANG": "C.UTF-8", "LC_ALL": "C"}, "|#"),
    ({"LC_CTYPE": "en_US.UTF-8", "LANG": "C"}, "┤█"), ({}, "|#")], ids=str)
def test_burn_down_has_blocks_where_the_locale_has(here, locale, shows):
    unset = dict.fromkeys(("LC_ALL", "LC_CTYPE", "LANG"), "")
    done = run(here, "burn-down", "--customer", here.ada.id, "--id", here.euro_credit.id, **unset | locale)
    assert shows in done.stdout


def test_burn_down_takes_every_page(here):
    cyd = here.customer()
    for _ in range(30):
        cyd.balance(CREDIT).segment("1", here.day(-1), here.day(1))
    here.flush()
    [(title, period, bars, figures)] = charts(run(here, "burn-down", "--customer", cyd.id))
    assert title == "30 balances, USD (cents)" and " to " not in period
    assert figures == "highest 30, lowest 30, last 30; usable now 30" and {len(bar) for bar in bars} == {5}
    pages = run(here, "burn-down", "--customer", cyd.id, "-o", "json").stdout
    assert pages.count('"ledger"') == pages.count('"balance"') == 30


def test_burn_down_of_thousands_of_entries(here):
    cyd = here.customer()
    segment = cyd.balance(CREDIT, name="Long").segment("5000", here.day(-30), here.day(30))
    for i in range(5000):
        segment.entry("CREDIT_MANUAL", "-1", here.day(-30) + i * 10**6)
    here.flush()
    [(title, _, bars, figures)] = charts(run(here, "burn-down", "--customer", cyd.id))
    assert title == "Long, USD (cents)" and figures == "highest 4999, lowest 0, last 0; usable now 0"
    lengths = [len(bar) for bar in bars[:-1]]
    assert lengths == sorted(lengths) and lengths[0] < 20 and 70 < lengths[-1] <= 80


# JSON ------------------------------------------------------------------------------------------------


QUESTIONS = [
    ("list", [], {}), ("list", ["--balance"], {"include_balance": True}),
    ("list", ["--contract", "--archived", "--balance", "--ledgers"],
     {"include_contract_balances": True, "include_archived": True, "include_balance": True,
      "include_ledgers": True}),
    ("list", ["--exclude-zero", "--limit", "2"], {"exclude_zero_balances": True, "limit": 2}),
    ("list", ["--covering-date", "2024-01-01T00:00:00.5+01:00"], {"covering_date": "2023-12-31T23:00:00.5Z"}),
    ("credits", ["--starting-at", "2024-01-01T00:00:00Z", "--balance"],
     {"starting_at": "2024-01-01T00:00:00Z", "include_balance": True}),
    ("commits", ["--contract", "--effective-before", "9999-12-31T23:59:59.999999999Z", "--ledgers"],
     {"include_contract_commits": True, "effective_before": "9999-12-31T23:59:59.999999999Z",
      "include_ledgers": True}),
    ("net", [], {}), ("net", ["--mode", "finalized", "--filter", "type=CREDIT;field=campaign:signup"],
                      {"invoice_inclusion_mode": "INVOICE_INCLUSION_MODE_FINALIZED",
                       "filters": [{"balance_types": ["BALANCE_TYPE_CREDIT"],
                                    "custom_fields": {"campaign": "signup"}}]}),
    ("ledger", [], {}), ("ledger", ["--descending", "--limit", "3"], {"descending": True, "limit": 3}),
    ("ledger", ["--types", "CREDIT_MANUAL", "--ending-before", "9999-01-01T00:00:00Z"],
     {"types": ["LEDGER_ENTRY_TYPE_CREDIT_MANUAL"], "ending_before": "9999-01-01T00:00:00Z"}),
]


@pytest.mark.parametrize("command, flags, request_fields", QUESTIONS, ids=lambda q: str(q)[:40])
def test_json_is_that_of_grpcurl(here, grpcurl, command, flags, request_fields):
    due = grpcurl(here.server).call(f"balances.v1.BalanceService/{METHOD[command]}",
                                    {"customer_id": here.ada.id, **request_fields})
    assert due.code == 0, due.stderr
    shown = json.loads(run(here, command, "--customer", here.ada.id, "-o", "json", *flags).stdout)
    assert shown == due.json()


# Pages -----------------------------------------------------------------------------------------------


def test_page_by_page(here):
    done = run(here, "ledger", "--customer", here.ada.id, "--limit", "4")
    seen = rows(done)
    while done.stderr:
        token = re.fullmatch(r"There is more: --page (\S+)\n", done.stderr).group(1)
        done = run(here, "ledger", "--customer", here.ada.id, "--limit", "4", "--page", token)
        seen += rows(done)
    due = [e[2] for e in world.expected_ledger(here.ada.balances, here.now)]
    assert [row["ID"] for row in seen] == due
    everything = run(here, "ledger", "--customer", here.ada.id, "--limit", "2", "--all")
    # The first page decides on the columns; the last of them is the id on every page.
    assert [line.split()[-1] for line in everything.stdout.splitlines()[1:]] == due
    assert everything.stderr == ""
    pages = run(here, "ledger", "--customer", here.ada.id, "--limit", "2", "--all", "-o", "json").stdout
    decoder, at, seen = json.JSONDecoder(), 0, []
    while at < len(pages.rstrip()):
        page, at = decoder.raw_decode(pages, at)
        seen += [e["id"] for e in page["data"]]
        at += 1
    assert seen == due


def test_consistency_token_is_taken(here):
    token = json.loads(run(here, "net", "--customer", here.ada.id, "-o", "json").stdout)["consistencyToken"]
    for command in METHOD:
        assert run(here, command, "--customer", here.ada.id, "--consistency", f"token:{token}").stdout
    done = run(here, "net", "--customer", here.ada.id, "--consistency", f"token:{token[:-2]}", check=False)
    assert done.returncode == 67 and "consistency.at_least_as_fresh" in done.stderr


# Errors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", METHOD)
def test_failed_call_exits_with_its_code(here, command):
    done = run(here, command, "--customer", "x", check=False)
    assert done.returncode == 64 + 3 and done.stdout == ""
    assert done.stderr.startswith("balancectl: INVALID_ARGUMENT: customer_id must be a UUID")
    assert "reason INVALID_REQUEST" in done.stderr and done.stderr.count("\n") == 1
    done = run(here, command, "--customer", UNKNOWN, "-o", "json", check=False)
    assert done.returncode == 64 + 5 and done.stdout == ""
    assert f"NOT_FOUND: customer {UNKNOWN} does not exist" in done.stderr
    nobody = f"127.0.0.1:{harness.free_port()}"
    done = run(here, command, "--customer", here.ada.id, address=nobody, check=False)
    assert done.returncode == 64 + 14 and "UNAVAILABLE" in done.stderr


@pytest.mark.parametrize("arguments", [
    [], ["nothing"], ["list"], ["list", "--customer"], ["list", "--customer", ""], ["list", "--nothing"],
    ["list", "--customer", UNKNOWN, "extra"], ["net", "--customer", UNKNOWN, "--limit", "3"],
    ["ledger", "--customer", UNKNOWN, "--types", "NOTHING"], ["net", "--customer", UNKNOWN, "--mode", "draft"],
    ["net", "--customer", UNKNOWN, "--filter", "kind=CREDIT"], ["list", "--customer", UNKNOWN, "--limit", "x"],
    ["list", "--customer", UNKNOWN, "--limit", "2147483648"],
    ["list", "--customer", UNKNOWN, "--covering-date", "2024-02-30T00:00:00Z"],
    ["list", "--customer", UNKNOWN, "-o", "yaml"], ["list", "--customer", UNKNOWN, "--timeout", "soon"],
    ["list", "--customer", UNKNOWN, "--consistency", "token:"], ["burn-down", "--customer", UNKNOWN, "--limit", "1"],
    ["burn-down", "--customer", UNKNOWN, "--page", "x"], ["burn-down", "--customer", UNKNOWN, "--all"],
    ["burn-down", "--customer", UNKNOWN, "--no-balance"], ["burn-down", "--customer", UNKNOWN, "--ledgers"]], ids=str)
def test_wrong_command_line_exits_with_two(here, arguments):
    done = run(here, *arguments, check=False)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.startswith("balancectl")


def test_limits_that_the_server_refuses(here):
    for command, limit in (("list", -1), ("credits", 26), ("ledger", 1001), ("commits", 2**31 - 1)):
        done = run(here, command, "--customer", here.ada.id, "--limit", limit, check=False)
        assert done.returncode == 67 and "limit must be from 1 to" in done.stderr


def test_address_from_the_environment(here):
    done = subprocess.run([PROGRAM, "net", "--customer", here.ada.id], capture_output=True, text=True, check=True,
                          timeout=harness.PATIENCE_S,
                          env=harness.clean_environment(BALANCECTL_ADDRESS=here.server.address))
    assert "2082.25" in done.stdout


def test_help_and_version(here):
    assert "COMMAND" in run(here, "--help").stdout
    assert run(here, "--version").stdout.startswith("balancectl ")
    for command in METHOD:
        assert "--customer" in run(here, command, "--help").stdout


def test_reader_that_leaves_is_no_failure(here):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as out:
        done = subprocess.run([PROGRAM, "--address", here.server.address, "list", "--customer", here.ada.id],
                              stdout=out, stderr=subprocess.PIPE, timeout=harness.PATIENCE_S, check=False,
                              env=harness.clean_environment())
    assert done.returncode == 0 and done.stderr == b""


def test_output_that_cannot_be_written_is_one(here):
    with open("/dev/full", "wb") as out:
        done = subprocess.run([PROGRAM, "--address", here.server.address, "list", "--customer", here.ada.id],
                              stdout=out, stderr=subprocess.PIPE, timeout=harness.PATIENCE_S, check=False,
                              env=harness.clean_environment())
    assert done.returncode == 1 and b"cannot write the answer" in done.stderr
