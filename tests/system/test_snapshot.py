"""One answer comes from one snapshot: while money moves between two balances, it is never in both or in
neither, whichever method is asked; and answers with the same token show the same.

Writers move amounts from balance to balance, and drafts into the ledger, in transactions that each leave
the sum of everything as it was. No answer may show another sum.
"""

import contextlib
import threading

import psycopg2
import pytest

import reference as ref
import world
from world import ACCOUNT, CREDIT, DEDUCTION, PREPAID

TOTAL = ref.amount_of("1000")
READS = 150


@pytest.fixture(scope="module")
def here(postgres):
    with world.served(postgres, workers=2) as served:
        yield served


class Movers:
    """Writers in threads of their own, until the block ends."""

    def __init__(self, here, customer, moves):
        self.here, self.customer, self.moves = here, customer, moves
        self.stopping = threading.Event()
        self.failures, self.moved = [], 0

    def _run(self, move):
        connection = psycopg2.connect(self.here.url, options="-c search_path=balances")
        try:
            with contextlib.closing(connection):
                while not self.stopping.is_set():
                    with connection, connection.cursor() as cursor:
                        move(cursor)
                    self.moved += 1
        except psycopg2.Error as failure:
            self.failures.append(failure)

    def __enter__(self):
        self.threads = [threading.Thread(target=self._run, args=(m,), daemon=True) for m in self.moves]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *what):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        assert not self.failures, self.failures
        print(f"{self.moved} moves")


ENTRY = ("INSERT INTO ledger_entry (customer_id, balance_id, segment_id, type, amount, reason, invoice_id,"
         " transaction_type_id) VALUES (%s, %s, %s, %s, %s, 'moved', %s, %s)")


def entry(cursor, segment, amount):
    """A manual entry, or whatever an account balance calls it."""
    kind = segment.balance.kind
    type_ = "ACCOUNT_BALANCE_TRANSACTION" if kind == ACCOUNT else f"{world.KIND_NAME[kind]}_MANUAL"
    cursor.execute(ENTRY, (*segment.balance.key.values(), segment.id, type_, amount, None,
                           segment.world.transaction_type if kind == ACCOUNT else None))


def moving(rng, segments):
    """Moves an amount between two segments, one statement after the other."""
    def move(cursor):
        source, target = rng.sample(segments, 2)
        amount = rng.randint(1, 5)
        entry(cursor, source, -amount)
        entry(cursor, target, amount)

    return move


def finalizing(rng, segment):
    """Deducts a draft and gives its amount at once; then makes it final, which changes no sum."""
    def move(cursor):
        invoice, amount = world.new_id(), rng.randint(1, 5)
        cursor.execute("INSERT INTO draft_deduction (customer_id, balance_id, segment_id, invoice_id, amount,"
                       " timestamp) VALUES (%s, %s, %s, %s, %s, now())",
                       (*segment.balance.key.values(), segment.id, invoice, -amount))
        entry(cursor, segment, amount)
        cursor.connection.commit()
        cursor.execute("DELETE FROM draft_deduction WHERE customer_id = %s AND invoice_id = %s",
                       (segment.balance.customer.id, invoice))
        cursor.execute(ENTRY, (*segment.balance.key.values(), segment.id, DEDUCTION[segment.balance.kind],
                               -amount, invoice, None))

    return move


@pytest.fixture
def ada(here):
    """A customer with 1000 in three balances, which may all go below zero."""
    ada = here.customer()
    ada.segments = []
    for kind, amount in ((CREDIT, "600"), (PREPAID, "400")):
        ada.segments.append(ada.balance(kind, overdraft=True).segment(amount, here.day(-1), here.day(1)))
    _, access, _ = ada.account(here.day(-1), here.day(1), overdraft=True)
    ada.segments.append(access)
    here.flush()
    return ada


def value(texts):
    return sum(map(ref.amount_of, texts))


def shown_by_list(here, ada):
    """(token, what is shown) of one answer, after a look at the sums in it."""
    answer = here.call("ListBalances", ada, include_balance=True, include_ledgers=True)
    items = world.items_of(answer)
    assert value(m.balance for m in items) == TOTAL
    for item in items:  # the ledger is of the same snapshot as the balance beside it
        assert value(e.amount for e in item.ledger) == ref.amount_of(item.balance)
    return answer.consistency_token, ("list", tuple((m.id, m.balance, len(m.ledger)) for m in items))


def shown_by_net(here, ada):
    answer = here.call("GetNetBalance", ada)
    assert answer.balance == "1000"
    return answer.consistency_token, None


def shown_by_ledger(here, ada):
    answer = here.call("ListLedgerEntries", ada, limit=1000)
    if not answer.next_page:
        assert value(e.amount for e in answer.data) == TOTAL
    return answer.consistency_token, ("ledger", tuple(e.id for e in answer.data))


def test_no_answer_shows_half_a_transaction(here, ada):
    rng = world.seeded()
    moves = [moving(rng, ada.segments), moving(rng, ada.segments), finalizing(rng, ada.segments[0])]
    seen, versions = {}, set()
    with Movers(here, ada, moves) as movers:
        clients = [here.server.client() for _ in range(2)]
        for n in range(READS):
            here.client = clients[n % 2]
            for read in (shown_by_list, shown_by_net, shown_by_ledger):
                token, shown = read(here, ada)
                versions.add(token)
                if shown:
                    kind, rest = shown
                    assert seen.setdefault((token, kind), rest) == rest, "one version, two states"
    assert movers.moved > 20 and len(versions) > 20
    print(f"{len(versions)} versions seen in {3 * READS} answers")


def test_entries_and_balances_of_one_version_agree_across_methods(here, ada):
    """Answers of different methods that name the same version add up to the same."""
    rng = world.seeded()
    by_token = {}
    with Movers(here, ada, [moving(rng, ada.segments)]):
        for _ in range(READS):
            answer = here.call("ListBalances", ada, include_balance=True)
            balances = tuple(sorted((m.id, m.balance) for m in world.items_of(answer)))
            by_token.setdefault(answer.consistency_token, set()).add(balances)
            answer = here.call("ListLedgerEntries", ada, limit=1000)
            if not answer.next_page:
                sums = {}
                for e in answer.data:
                    sums[e.balance_id] = sums.get(e.balance_id, 0) + ref.amount_of(e.amount)
                for segment in ada.segments:
                    sums.setdefault(segment.balance.id, 0)
                balances = tuple(sorted((i, ref.amount_text(v)) for i, v in sums.items()))
                by_token.setdefault(answer.consistency_token, set()).add(balances)
    assert all(len(states) == 1 for states in by_token.values())


def test_token_of_an_answer_promises_that_state_to_every_later_one(here, ada):
    rng = world.seeded()
    with Movers(here, ada, [moving(rng, ada.segments)] * 2) as movers:
        length, token = 0, None
        while movers.moved < 60 and not movers.failures:
            fields = {"consistency": {"at_least_as_fresh": token}} if token else {}
            answer = here.call("ListLedgerEntries", ada, limit=1000, **fields)
            assert len(answer.data) >= length
            length, token = len(answer.data), answer.consistency_token
