"""FinalizeInvoice, VoidInvoice and TrueUpCommit: from a draft's deductions to entries that stay.

Drafts are made with SQL, as another program would. Numbers are those of domain.md B5 and B14. `net` is the pair
of what is left by final invoices alone, and with the drafts'.
"""

import random
import threading

import pytest

import harness
import world
import writes
from reference import ACCOUNT, CREDIT, POSTPAID, PREPAID
from test_writes import draw, forbidden, missing, refused
from world import KIND_NAME, new_id
from writes import access, item, made, postpaid, segments, shown

LARGEST = "99999999999999999999999999"


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


def drafted(here, customer, *deductions, contract=None, id_=None, row=True):
    """A draft invoice; each deduction is a balance, an amount and perhaps the place of a segment."""
    id_ = id_ or new_id()
    if row:
        here.run("INSERT INTO invoice (customer_id, id, service_period_end) VALUES (%s, %s, %s)", customer.id, id_,
                 world.when(here.day(1)))
    for balance, amount, *place in deductions:
        here.run("INSERT INTO draft_deduction (customer_id, balance_id, segment_id, invoice_id, amount, timestamp,"
                 " contract_id) VALUES (%s, %s, %s, %s, %s, %s, %s)", customer.id, balance.id,
                 segment_of(balance, *place), id_, amount, world.when(here.day(1)), contract)
    return id_


def segment_of(balance, place=0):
    return balance.segments[place].id if hasattr(balance, "segments") else segments(balance)[place].id


def prepaid(here, customer, amount="1000", **more):
    return made(here, customer, "CreateCommit", access_schedule=access(here, item(here, amount)), **more)


def finalize(here, customer, id_, **more):
    return here.call("FinalizeInvoice", customer, invoice_id=id_, **more)


def void(here, customer, id_, **more):
    return here.call("VoidInvoice", customer, invoice_id=id_, **more)


def true_up(here, customer, balance, id_=None, **more):
    return here.call("TrueUpCommit", customer, id=balance.id, invoice_id=id_ or new_id(), **more)


def net(here, customer):
    return tuple(here.call("GetNetBalance", customer, invoice_inclusion_mode=mode).balance for mode in (1, 2))


def status(here, id_):
    """The invoice's status, and which of its times are set."""
    return here.run("SELECT status, finalized_at IS NOT NULL, voided_at IS NOT NULL FROM invoice WHERE id = %s", id_)[0]


def entries(here, customer, balance):
    """What its ledger shows beside its start: (type without the kind, amount, draft)."""
    got = shown(here, customer, balance.id).ledger
    kind = KIND_NAME[balance.kind] if hasattr(balance, "kind") else {1: "PREPAID_COMMIT", 2: "POSTPAID_COMMIT"}.get(
        getattr(balance, "type", None), "CREDIT")
    return [(world.entry_name(e.type).removeprefix(f"{kind}_"), e.amount, e.draft) for e in got
            if "START" not in world.entry_name(e.type) and "INITIAL" not in world.entry_name(e.type)]


# Finalizing ------------------------------------------------------------------------------------------


def test_invoices_come_and_go_as_in_b14(here, ada):
    """Prepaid 1000, final 300, draft 120; then the 300 is voided."""
    commit = prepaid(here, ada)
    first = drafted(here, ada, (commit, "-300"))
    assert net(here, ada) == ("1000", "700")
    finalize(here, ada, first)
    assert net(here, ada) == ("700", "700") and status(here, first) == ("FINALIZED", True, False)
    second = drafted(here, ada, (commit, "-120"))
    assert net(here, ada) == ("700", "580")
    void(here, ada, first)
    assert net(here, ada) == ("1000", "880") and status(here, first) == ("VOID", True, True)
    assert sorted(entries(here, ada, commit)) == [
        ("AUTOMATED_INVOICE_DEDUCTION", "-120", True), ("AUTOMATED_INVOICE_DEDUCTION", "-300", False),
        ("CANCELED", "300", False)]
    void(here, ada, second)
    assert net(here, ada) == ("1000", "1000") and status(here, second) == ("VOID", False, True)
    assert len(entries(here, ada, commit)) == 2


def balances_of_every_kind(here, ada):
    """By kind, each with 100 in its first segment."""
    account, access_segment, _ = ada.account(here.day(-1), here.day(30))
    access_segment.entry("ACCOUNT_BALANCE_TRANSACTION", "100", here.day(-1))
    here.flush()
    two = access(here, item(here), item(here, "50", -1, 60))
    return {CREDIT: made(here, ada, access_schedule=two), PREPAID: prepaid(here, ada, "100"), ACCOUNT: account,
            POSTPAID: made(here, ada, "CreateCommit", **postpaid(here, ada.home))}


def test_finalizing_enters_each_deduction_as_it_was(here, ada):
    of = balances_of_every_kind(here, ada)
    id_ = drafted(here, ada, *[(b, f"-{n}.000000000001") for n, b in enumerate(of.values())], (of[CREDIT], "-9", 1),
                  contract=ada.home)
    other = drafted(here, ada, (of[CREDIT], "-1"))
    due = here.run("SELECT balance_id, segment_id, amount, timestamp, contract_id, invoice_id FROM draft_deduction"
                   " WHERE invoice_id = %s ORDER BY segment_id", id_)
    before = net(here, ada)
    answer = finalize(here, ada, id_)
    got = here.run("SELECT e.balance_id, e.segment_id, e.amount, e.timestamp, e.contract_id, e.invoice_id"
                   " FROM ledger_entry e WHERE e.invoice_id = %s ORDER BY e.segment_id", id_)
    assert got == due and len(due) == 5
    for kind, balance in of.items():
        for (type_,) in here.run("SELECT type FROM ledger_entry WHERE invoice_id = %s AND balance_id = %s", id_,
                                 balance.id):
            assert type_ == world.DEDUCTION[kind]
    assert here.run("SELECT DISTINCT invoice_id FROM draft_deduction WHERE customer_id = %s", ada.id) == [(other,)]
    fresh = {"at_least_as_fresh": answer.consistency_token}
    assert here.call("GetNetBalance", ada, consistency=fresh).balance == before[1]
    assert net(here, ada)[1] == before[1] != before[0]


def test_invoice_without_deductions_is_finalized_and_voided(here, ada):
    id_ = drafted(here, ada)
    finalize(here, ada, id_)
    assert status(here, id_) == ("FINALIZED", True, False)
    void(here, ada, id_)
    assert status(here, id_) == ("VOID", True, True)
    assert not here.run("SELECT FROM ledger_entry WHERE customer_id = %s", ada.id)


def test_invoice_is_finalized_once(here, ada):
    id_ = drafted(here, ada, (prepaid(here, ada), "-1"))
    finalize(here, ada, id_)
    with forbidden(here, "INVOICE_FINALIZED", f"invoice/{id_}"):
        finalize(here, ada, id_)
    void(here, ada, id_)
    for end in (finalize, void):
        with forbidden(here, "INVOICE_VOID", f"invoice/{id_}"):
            end(here, ada, id_)


def test_unknown_invoice_is_not_found(here, ada):
    commit = prepaid(here, ada)
    loose = drafted(here, ada, (commit, "-1"), row=False)  # of an invoice that nobody made
    other = here.customer()
    here.flush()
    foreign = drafted(here, other)
    unknown = new_id()
    for end in (finalize, void):
        for wrong in (new_id(), loose, foreign):
            with missing(here, "invoice", wrong):
                end(here, ada, wrong)
        with missing(here, "customer", unknown):
            end(here, unknown, foreign)


def test_archived_balance_is_not_deducted_from(here, ada):
    """Its draft can be voided."""
    commit = prepaid(here, ada, contract_id=ada.home)
    id_ = drafted(here, ada, (made(here, ada), "-1"), (commit, "-1"))
    here.call("ArchiveContract", ada, id=ada.home)
    with forbidden(here, "BALANCE_ARCHIVED", f"balance/{commit.id}"):
        finalize(here, ada, id_)
    void(here, ada, id_)
    assert not here.run("SELECT FROM draft_deduction WHERE invoice_id = %s", id_)


def test_deductions_beyond_the_digits_are_not_made_final(here, ada):
    commit = prepaid(here, ada, LARGEST)
    finalize(here, ada, drafted(here, ada, (commit, f"-{LARGEST}")))
    id_ = drafted(here, ada, (commit, "-1"))
    with refused(here, "OUT_OF_RANGE") as error:
        finalize(here, ada, id_)
    assert segment_of(commit) in error.message
    void(here, ada, id_)


# Voiding ---------------------------------------------------------------------------------------------


def test_void_gives_back_exactly_what_was_deducted(here, ada):
    of = balances_of_every_kind(here, ada)
    before = net(here, ada)
    id_ = drafted(here, ada, *[(b, f"-{n}.000000000001") for n, b in enumerate(of.values())], (of[CREDIT], "-9", 1),
                  contract=ada.home)
    finalize(here, ada, id_)
    assert net(here, ada)[0] != before[0]
    void(here, ada, id_)
    assert net(here, ada) == before
    rows = here.run("SELECT type, balance_id, segment_id, amount, timestamp, contract_id FROM ledger_entry"
                    " WHERE invoice_id = %s", id_)
    given = {row[1:3]: (-row[3], *row[4:]) for row in rows if "CANCELED" in row[0]}
    taken = {row[1:3]: row[3:] for row in rows if "DEDUCTION" in row[0]}
    assert given == taken and len(rows) == 10
    for kind, balance in of.items():
        assert {row[0] for row in rows if row[1] == balance.id} == {world.DEDUCTION[kind],
                                                                    f"{KIND_NAME[kind]}_CANCELED"}


def test_void_gives_back_to_an_expired_segment_and_it_expires(here, ada):
    commit = made(here, ada, "CreateCommit", access_schedule=access(here, item(here, "1000", -30, -1)))
    id_ = drafted(here, ada)
    draw(here, ada, commit, "-300", here.day(-1), invoice_id=id_)
    here.run("UPDATE invoice SET status = 'FINALIZED', finalized_at = now() WHERE id = %s", id_)
    assert entries(here, ada, commit)[-1] == ("EXPIRATION", "-700", False)
    void(here, ada, id_)
    assert entries(here, ada, commit) == [("AUTOMATED_INVOICE_DEDUCTION", "-300", False), ("CANCELED", "300", False),
                                          ("EXPIRATION", "-1000", False)]
    assert net(here, ada) == ("0", "0")


def test_void_gives_back_to_an_archived_balance(here, ada):
    commit = prepaid(here, ada, contract_id=ada.home)
    id_ = drafted(here, ada, (commit, "-5"))
    finalize(here, ada, id_)
    here.call("ArchiveContract", ada, id=ada.home)
    void(here, ada, id_)
    assert here.run("SELECT total_final, total_other FROM segment WHERE balance_id = %s", commit.id) == [(-5, 5)]
    assert net(here, ada) == ("0", "0")


def test_void_does_not_give_back_what_credit_notes_gave(here, ada):
    commit, credit = prepaid(here, ada), made(here, ada)
    id_ = drafted(here, ada, (commit, "-300"), (credit, "-10"))
    finalize(here, ada, id_)
    draw(here, ada, commit, "100", here.now, "CREDITED", id_)
    draw(here, ada, credit, "10", here.now, "CREDITED", id_)
    void(here, ada, id_)
    assert ("CANCELED", "200", False) in entries(here, ada, commit)
    assert net(here, ada) == ("1100", "1100")
    assert here.run("SELECT count(*) FROM ledger_entry WHERE invoice_id = %s", id_) == [(5,)]


def test_void_does_not_give_back_what_another_program_gave_back(here, ada):
    commit = prepaid(here, ada)
    id_ = drafted(here, ada, (commit, "-300"))
    finalize(here, ada, id_)
    draw(here, ada, commit, "300", here.now, "CANCELED", id_)
    void(here, ada, id_)
    assert net(here, ada) == ("1000", "1000") and status(here, id_)[0] == "VOID"


def test_cancellation_beyond_the_digits_is_refused(here, ada):
    commit = prepaid(here, ada)
    id_ = drafted(here, ada, (commit, "-300"))
    finalize(here, ada, id_)
    draw(here, ada, commit, LARGEST, here.now, "CREDITED")
    with refused(here, "OUT_OF_RANGE") as error:
        void(here, ada, id_)
    assert segment_of(commit) in error.message


def test_balance_can_be_archived_when_its_invoice_is_void(here, ada):
    commit = prepaid(here, ada)
    id_ = drafted(here, ada, (commit, "-300"))
    finalize(here, ada, id_)
    with forbidden(here, "FINAL_INVOICE_DRAWS"):
        here.call("ArchiveBalance", ada, id=commit.id)
    void(here, ada, id_)
    here.call("ArchiveBalance", ada, id=commit.id)


# Truing up -------------------------------------------------------------------------------------------


def obligation(here, customer, amount="10000", start=-1, end=30, **more):
    schedule = access(here, item(here, amount, start, end))
    return made(here, customer, "CreateCommit",
                **postpaid(here, customer.home, amount, access_schedule=schedule, **more))


@pytest.mark.parametrize("start, end", [(-1, 30), (-30, -1)], ids=["active", "ended"])
def test_true_up_bills_the_shortfall_as_in_b5(here, ada, start, end):
    commit = obligation(here, ada, start=start, end=end)
    for _ in range(12):
        draw(here, ada, commit, "-800", here.day(start))
    id_ = new_id()
    assert true_up(here, ada, commit, id_).amount == "400"
    assert net(here, ada) == ("0", "0") and shown(here, ada, commit.id).balance == "0"
    assert entries(here, ada, commit)[-1] == ("TRUEUP", "-400", False)
    got = shown(here, ada, commit.id).ledger[-1]
    assert got.invoice_id == id_ and got.segment_id == segment_of(commit)
    assert status(here, id_) == ("FINALIZED", True, False)
    assert here.run("SELECT contract_id FROM invoice WHERE id = %s", id_) == [(ada.home,)]
    with forbidden(here, "NOTHING_LEFT", f"balance/{commit.id}"):
        true_up(here, ada, commit)


def test_true_up_beside_a_prepaid_commit_as_in_b5(here, ada):
    """Usage 500: prepaid covers 400, the remaining 100 counts toward postpaid."""
    upfront, commit = prepaid(here, ada, "400"), obligation(here, ada, "400")
    id_ = drafted(here, ada, (upfront, "-400"), (commit, "-100"))
    assert net(here, ada) == ("800", "300")
    with forbidden(here, "DRAFT_INVOICE_DRAWS", f"balance/{commit.id}"):
        true_up(here, ada, commit)
    finalize(here, ada, id_)
    assert shown(here, ada, commit.id).balance == "300"
    assert true_up(here, ada, commit, id_).amount == "300"  # on the last usage invoice itself
    assert net(here, ada) == ("0", "0")
    void(here, ada, id_)
    assert net(here, ada) == ("800", "800")
    assert ("CANCELED", "400", False) in entries(here, ada, commit)  # one entry gives all of it back


def test_void_gives_a_true_up_back(here, ada):
    commit = obligation(here, ada)
    id_ = new_id()
    assert true_up(here, ada, commit, id_).amount == "10000"
    item_, = shown(here, ada, commit.id).invoice_schedule.schedule_items
    assert item_.invoice_id == id_
    with forbidden(here, "INVOICED", f"invoice_schedule_item/{item_.id}"):
        here.call("ArchiveBalance", ada, id=commit.id)
    void(here, ada, id_)
    assert net(here, ada) == ("10000", "10000")
    assert entries(here, ada, commit) == [("CANCELED", "10000", False), ("TRUEUP", "-10000", False)]
    again = new_id()
    assert true_up(here, ada, commit, again).amount == "10000"
    item_, = shown(here, ada, commit.id).invoice_schedule.schedule_items
    assert item_.invoice_id == again
    void(here, ada, again)
    here.call("ArchiveBalance", ada, id=commit.id)


def test_item_that_another_invoice_bills_keeps_it(here, ada):
    commit = obligation(here, ada)
    billed = new_id()  # another system's
    here.run("UPDATE invoice_schedule_item SET invoice_id = %s WHERE balance_id = %s", billed, commit.id)
    true_up(here, ada, commit)
    assert shown(here, ada, commit.id).invoice_schedule.schedule_items[0].invoice_id == billed


def test_one_invoice_trues_up_several_commits_and_one_of_them_again(here, ada):
    first, second = obligation(here, ada, "10"), obligation(here, ada, "20", contract_id=ada.home)
    id_ = new_id()
    assert [true_up(here, ada, b, id_).amount for b in (first, second)] == ["10", "20"]
    here.call("AddManualLedgerEntry", ada, id=first.id, segment_id=segment_of(first), amount="5", reason="r")
    assert true_up(here, ada, first, id_).amount == "5"
    assert shown(here, ada, second.id).ledger[-1].contract_id == ada.home
    void(here, ada, id_)
    assert net(here, ada) == ("35", "35")
    assert ("CANCELED", "15", False) in entries(here, ada, first)


def test_true_up_that_is_not_due_is_refused(here, ada):
    lapsing, upcoming, met = (obligation(here, ada, start=s) for s in (-1, 1, -1))
    here.run("UPDATE balance SET true_up_disabled = true WHERE id = %s", lapsing.id)
    draw(here, ada, met, "-10001", here.now)
    gone = obligation(here, ada)
    here.call("ArchiveBalance", ada, id=gone.id)
    for balance, reason in ((lapsing, "TRUE_UP_DISABLED"), (upcoming, "COMMIT_UPCOMING"), (met, "NOTHING_LEFT"),
                            (gone, "BALANCE_ARCHIVED"), (prepaid(here, ada), "WRONG_KIND"),
                            (made(here, ada), "WRONG_KIND")):
        with forbidden(here, reason, f"balance/{balance.id}"):
            true_up(here, ada, balance)


def test_true_up_is_billed_by_a_final_invoice(here, ada):
    commit = obligation(here, ada)
    id_ = drafted(here, ada)
    with forbidden(here, "INVOICE_DRAFT", f"invoice/{id_}"):
        true_up(here, ada, commit, id_)
    void(here, ada, id_)
    with forbidden(here, "INVOICE_VOID", f"invoice/{id_}"):
        true_up(here, ada, commit, id_)


def test_unknown_commit_is_not_trued_up(here, ada):
    other = here.customer()
    other.home = other.contract()
    here.flush()
    foreign = obligation(here, other)
    with missing(here, "balance", foreign.id):
        true_up(here, ada, foreign)
    unknown = new_id()
    with missing(here, "customer", unknown):
        true_up(here, unknown, foreign)


def test_true_up_beyond_the_digits_is_refused(here, ada):
    commit = obligation(here, ada, LARGEST)
    true_up(here, ada, commit)
    here.call("AddManualLedgerEntry", ada, id=commit.id, segment_id=segment_of(commit), amount="1", reason="r")
    with refused(here, "OUT_OF_RANGE"):
        true_up(here, ada, commit)


# At once ---------------------------------------------------------------------------------------------


def outcome(call):
    return "OK" if not call.exception() else call.code().name


@pytest.mark.parametrize("workers", [1, 3])
def test_invoice_ends_once_whoever_ends_it(postgres, workers):
    """Many finalize and void one draft at once: at most one finalizes, one voids, the ledger shows which."""
    rng = world.seeded()
    with world.served(postgres, workers=workers) as here:
        ada = here.customer()
        here.flush()
        commit = prepaid(here, ada)
        clients = [here.server.client() for _ in range(8)]
        for _ in range(8):
            before = net(here, ada)
            id_ = drafted(here, ada, (commit, "-7"))
            methods = ["FinalizeInvoice", "VoidInvoice"] * 8
            rng.shuffle(methods)
            calls = [(m, clients[n % 8].future(m, customer_id=ada.id, invoice_id=id_)) for n, m in enumerate(methods)]
            ended = [(m, outcome(c)) for m, c in calls]
            assert {code for _, code in ended} <= {"OK", "FAILED_PRECONDITION"}
            assert ended.count(("VoidInvoice", "OK")) == 1
            finalized = ended.count(("FinalizeInvoice", "OK"))
            assert finalized in (0, 1)
            assert status(here, id_) == ("VOID", finalized == 1, True)
            assert here.run("SELECT count(*), coalesce(sum(amount), 0) FROM ledger_entry WHERE invoice_id = %s",
                            id_) == [(2 * finalized, 0)]
            assert net(here, ada) == before == ("1000", "1000")
        assert "0 drifts" in harness.balanced("verify", database_url=here.url).stdout


@pytest.mark.parametrize("method", ["FinalizeInvoice", "VoidInvoice"])
@pytest.mark.parametrize("workers", [1, 3])
def test_invoice_without_deductions_ends_once(postgres, workers, method):
    """No balance changes, so that the invoice itself has to keep those apart who end it."""
    with world.served(postgres, workers=workers) as here:
        ada = here.customer()
        here.flush()
        clients = [here.server.client() for _ in range(8)]
        for _ in range(4):
            id_ = drafted(here, ada)
            calls = [clients[n % 8].future(method, customer_id=ada.id, invoice_id=id_) for n in range(16)]
            assert sorted(outcome(c) for c in calls) == ["FAILED_PRECONDITION"] * 15 + ["OK"]


@pytest.mark.parametrize("workers", [1, 3])
def test_same_request_from_many_callers_happens_once(postgres, workers):
    with world.served(postgres, workers=workers) as here:
        ada = here.customer()
        ada.home = ada.contract()
        here.flush()
        commit = obligation(here, ada, "100")
        clients = [here.server.client() for _ in range(8)]
        id_, billed = drafted(here, ada, (commit, "-7")), new_id()
        for method, fields, left in (("FinalizeInvoice", {"invoice_id": id_}, "93"),
                                     ("TrueUpCommit", {"id": commit.id, "invoice_id": billed}, "0"),
                                     ("VoidInvoice", {"invoice_id": id_}, "7"),
                                     ("VoidInvoice", {"invoice_id": billed}, "100")):
            fields = {"customer_id": ada.id, "request_id": new_id(), **fields}
            calls = [clients[n % 8].future(method, **fields) for n in range(32)]
            assert len({c.result().SerializeToString() for c in calls}) == 1
            assert net(here, ada) == (left, left)
        assert here.run("SELECT count(*) FROM ledger_entry") == [(4,)]
        assert "0 drifts" in harness.balanced("verify", database_url=here.url).stdout


def test_drafts_that_change_meanwhile_are_finalized_as_they_are(postgres):
    """Another program raises the deductions while invoices are finalized: none is lost, none stays a draft."""
    with world.served(postgres) as here:
        ada = here.customer()
        here.flush()
        commit = prepaid(here, ada, "100000")
        invoices = [drafted(here, ada, (commit, "-1")) for _ in range(20)]
        stop, changes = threading.Event(), []
        other = world.World.__new__(world.World)
        other.url = here.url
        other.connect()

        def change():
            rng = random.Random(1)
            while not stop.is_set():
                with other.connection, other.connection.cursor() as cursor:  # in the schema's order of locks
                    cursor.execute("SELECT FROM ledger_version WHERE customer_id = %s FOR UPDATE", [ada.id])
                    cursor.execute("UPDATE draft_deduction SET amount = amount - 1 WHERE customer_id = %s"
                                   " AND invoice_id = %s", [ada.id, rng.choice(invoices)])
                changes.append(cursor.rowcount)

        writer = threading.Thread(target=change)
        writer.start()
        try:
            for id_ in invoices:
                finalize(here, ada, id_)
        finally:
            stop.set()
            writer.join()
            other.close()
        total, = here.run("SELECT sum(amount) FROM ledger_entry WHERE customer_id = %s", ada.id)[0]
        assert total == -20 - sum(changes) < -20
        left = str(100000 + total)
        assert net(here, ada) == (left, left)
        assert here.run("SELECT count(*) FROM draft_deduction") == [(0,)]
        assert "0 drifts" in harness.balanced("verify", database_url=here.url).stdout


def test_cached_answers_end_with_an_invoice(postgres, redis):
    with world.served(postgres, redis_url=redis.url) as here:
        ada = here.customer()
        ada.home = ada.contract()
        here.flush()
        commit = obligation(here, ada, "100")
        id_, billed = drafted(here, ada, (commit, "-7")), new_id()

        def assert_left(final, both):
            for _ in range(2):
                assert net(here, ada) == (final, both)
                assert shown(here, ada, commit.id).balance == both

        harness.wait_until(lambda: net(here, ada) == ("100", "93"), "the feed to tell of the draft")
        assert_left("100", "93")
        finalize(here, ada, id_)
        assert_left("93", "93")
        true_up(here, ada, commit, billed)
        assert_left("0", "0")
        void(here, ada, id_)
        assert_left("7", "7")
        void(here, ada, billed)
        assert_left("100", "100")
