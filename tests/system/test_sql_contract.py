"""The SQL contract: what other programs may insert, what follows from it, and what is refused.

Every connection here has an empty search_path, as a stranger's may be: what the schema does must not
depend on it. `book` wraps one database and makes customers, balances and segments to write on.
"""

import re
import subprocess
import threading
import uuid
from decimal import Decimal

import psycopg2
import psycopg2.errors as errors
import pytest

import harness

KINDS = ["PREPAID_COMMIT", "POSTPAID_COMMIT", "CREDIT", "ACCOUNT_BALANCE"]
USD = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"

# What may be stored: type -> (kind, total, sign, needs). Written from the domain's description, not from
# the schema's own table.
STORED = {
    **{f"{kind}_{noun}": (kind, *rule)
       for kind in KINDS[:3]
       for noun, rule in {
           "AUTOMATED_INVOICE_DEDUCTION": ("final", -1, "invoice_id"),
           "MANUAL": ("manual", 0, "reason"),
           "ROLLOVER": ("other", -1, "new_contract_id"),
           "CANCELED": ("other", 1, "invoice_id"),
           "CREDITED": ("other", 1, "invoice_id"),
       }.items()},
    "PREPAID_COMMIT_SEAT_BASED_ADJUSTMENT": ("PREPAID_COMMIT", "other", 1, None),
    "CREDIT_SEAT_BASED_ADJUSTMENT": ("CREDIT", "other", 1, None),
    "POSTPAID_COMMIT_TRUEUP": ("POSTPAID_COMMIT", "other", -1, "invoice_id"),
    "ACCOUNT_BALANCE_TRANSACTION": ("ACCOUNT_BALANCE", "manual", 0, "transaction_type_id"),
    "ACCOUNT_BALANCE_DEDUCTION": ("ACCOUNT_BALANCE", "final", -1, "invoice_id"),
    "ACCOUNT_BALANCE_CANCELED": ("ACCOUNT_BALANCE", "other", 1, "invoice_id"),
}
DERIVED = {
    "PREPAID_COMMIT_SEGMENT_START": "PREPAID_COMMIT",
    "PREPAID_COMMIT_EXPIRATION": "PREPAID_COMMIT",
    "POSTPAID_COMMIT_INITIAL_BALANCE": "POSTPAID_COMMIT",
    "POSTPAID_COMMIT_EXPIRATION": "POSTPAID_COMMIT",
    "CREDIT_SEGMENT_START": "CREDIT",
    "CREDIT_EXPIRATION": "CREDIT",
    "ACCOUNT_BALANCE_ROLLOVER": "ACCOUNT_BALANCE",
    "ACCOUNT_BALANCE_EXPIRATION": "ACCOUNT_BALANCE",
}


class Segment:
    """Where entries go: a customer, a balance of some kind, and one segment of it."""

    def __init__(self, customer, balance, kind, segment):
        self.customer, self.balance, self.kind, self.id = customer, balance, kind, segment
        self.key = {"customer_id": customer, "balance_id": balance, "segment_id": segment}


class Book:
    """One connection to one database, in autocommit, and short names for what tests do with it."""

    def __init__(self, url, like=None):
        """`like` is another book, whose product and transaction type this one goes on with."""
        self.url = url
        self.connection = psycopg2.connect(url, options="-c search_path=")
        self.connection.autocommit = True
        self.product = like.product if like else self.insert("product", name="Compute")["id"]
        self.transaction_type = (like.transaction_type if like else
                                 self.insert("transaction_type", name="Top-up", code="topup")["id"])

    def run(self, statement, *values):
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else cursor.rowcount

    def one(self, statement, *values):
        """The only row; its only column where it has one."""
        (row,) = self.run(statement, *values)
        return row[0] if len(row) == 1 else row

    def insert(self, table, **columns):
        """Inserts one row and returns all of it as it was stored."""
        with self.connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO balances.{table} ({', '.join(columns)})"
                f" VALUES ({', '.join(['%s'] * len(columns))}) RETURNING *", list(columns.values()))
            return dict(zip([c.name for c in cursor.description], cursor.fetchone()))

    def customer(self):
        return self.insert("customer", customer_id=new_id(), name="Ada")["customer_id"]

    def balance(self, customer, kind="CREDIT", **columns):
        if kind == "ACCOUNT_BALANCE":
            columns = {"code": f"code-{uuid.uuid4()}", "name": "Top-up", **columns}
        else:
            columns = {"product_id": self.product, **columns}
        return self.insert("balance", customer_id=customer, kind=kind, **columns)["id"]

    def segment_of(self, customer, balance, **columns):
        columns = {"amount": 0, "starting_at": "2024-01-01Z", "ending_before": "2034-01-01Z", **columns}
        return self.insert("segment", customer_id=customer, balance_id=balance, **columns)["id"]

    def segment(self, kind="CREDIT", customer=None, **columns):
        """A segment of a new balance, of a new customer where none is given."""
        customer = customer or self.customer()
        balance = self.balance(customer, kind, **columns)
        amount = 0 if kind == "ACCOUNT_BALANCE" else 100
        return Segment(customer, balance, kind, self.segment_of(customer, balance, amount=amount))

    def entry(self, segment, type=None, amount=None, **columns):
        """Inserts an entry, by default a manual one, with whatever else its type needs."""
        type = type or {"ACCOUNT_BALANCE": "ACCOUNT_BALANCE_TRANSACTION"}.get(
            segment.kind, f"{segment.kind}_MANUAL")
        row = {**segment.key, **self.companions(type), "type": type,
               "amount": amount if amount is not None else (STORED.get(type, (0, 0, 0))[2] or 1) * 7,
               **columns}
        return self.insert("ledger_entry", **row)

    def companions(self, type):
        needs = STORED.get(type, (None, None, None, None))[3]
        return {} if needs is None else {
            needs: {"reason": "goodwill", "transaction_type_id": self.transaction_type}.get(needs, new_id())}

    def totals(self, segment):
        names = ["final", "draft", "manual", "other"]
        *totals, count = self.one(
            f"SELECT {', '.join(f'total_{n}' for n in names)}, entry_count FROM balances.segment"
            " WHERE customer_id = %s AND id = %s", segment.customer, segment.id)
        return {n: t for n, t in zip(names, totals) if t}, count

    def version(self, customer):
        """The version, which the newest line in the outbox has to agree with."""
        version, newest, lines = self.one(
            "SELECT v.version, max(c.version), count(*) FROM balances.ledger_version v"
            " JOIN balances.ledger_change c USING (customer_id)"
            " WHERE v.customer_id = %s GROUP BY v.version", customer)
        assert version == newest == lines
        return version

    def refused(self, message, error):
        """The body must be refused with this error, and its message must contain `message`."""
        return pytest.raises(error, match=re.escape(message))


def new_id():
    return str(uuid.uuid4())


@pytest.fixture
def book(database):
    one = Book(database)
    yield one
    one.connection.close()


def in_parallel(*bodies):
    """Runs the bodies in threads of their own to their end; the first error of any is ours."""
    failures = []

    def guarded(body):
        try:
            body()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(body,), daemon=True) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(harness.PATIENCE_S)
        assert not thread.is_alive(), "a writer hangs"
    if failures:
        raise failures[0]


def wait_for_lock(book, connection):
    """Waits until the backend of `connection` waits for a lock of another one's."""
    pid = connection.get_backend_pid()
    harness.wait_until(lambda: book.one("SELECT cardinality(pg_blocking_pids(%s)) > 0", pid),
                       "a writer to wait for the other")


# Ledger entries: what is valid --------------------------------------------------------------------


def test_types_match_the_programs(book):
    header = (harness.SOURCE / "server/ledger/model.h").read_text()
    listed = re.findall(r"^    X\((\w+)\)", header, re.MULTILINE)
    stored = book.one("SELECT enum_range(NULL::balances.ledger_entry_type)::text[]")
    assert stored == listed
    assert set(stored) == set(STORED) | set(DERIVED)


@pytest.mark.parametrize("type", STORED)
def test_entry_moves_its_total_and_the_version(book, type):
    kind, total, sign, _ = STORED[type]
    segment = book.segment(kind)
    before = book.version(segment.customer)
    for amount in [sign * Decimal("12.5")] if sign else [Decimal("12.5"), Decimal("-20.000000000001")]:
        segment_before, _ = book.totals(segment)
        book.entry(segment, type, amount)
        after, count = book.totals(segment)
        assert after == {total: segment_before.get(total, 0) + amount}
    assert count == (1 if sign else 2)
    assert book.version(segment.customer) == before + count


def test_entry_without_timestamp_gets_the_start_of_its_segment(book):
    segment = book.segment()
    row = book.entry(segment)
    assert row["timestamp"].isoformat() == "2024-01-01T00:00:00+00:00"
    assert book.entry(segment, timestamp="2025-02-03Z")["timestamp"].year == 2025


def test_rolled_back_entry_leaves_nothing(book):
    segment = book.segment()
    before = book.version(segment.customer)
    book.run("BEGIN")
    book.entry(segment)
    assert book.totals(segment) == ({"manual": 7}, 1)
    assert book.version(segment.customer) == before + 1
    book.run("ROLLBACK")
    assert book.totals(segment) == ({}, 0)
    assert book.version(segment.customer) == before


def test_statement_of_many_entries_adds_up(book):
    one, other = book.segment("PREPAID_COMMIT"), book.segment("CREDIT")
    rows = [(s.customer, s.balance, s.id, f"{s.kind}_{noun}", amount, f"{n}")
            for n in range(500) for s in (one, other)
            for noun, amount in (("MANUAL", "-0.25"), ("SEAT_BASED_ADJUSTMENT", "0.5"))]
    with book.connection.cursor() as cursor:
        values = b",".join(cursor.mogrify("(%s,%s,%s,%s,%s,%s)", row) for row in rows).decode()
    before = book.version(one.customer)
    book.run("INSERT INTO balances.ledger_entry"
             f" (customer_id, balance_id, segment_id, type, amount, reason) VALUES {values}")
    for segment in (one, other):
        assert book.totals(segment) == ({"manual": -125, "other": 250}, 1000)
    assert book.version(one.customer) == before + 1


def test_totals_move_without_touching_an_index(book):
    segment = book.segment()
    book.run("BEGIN")
    for _ in range(5):
        book.entry(segment)
    assert book.one("SELECT pg_stat_get_xact_tuples_hot_updated('balances.segment'::regclass)") == 5


# Ledger entries: what is refused ------------------------------------------------------------------


@pytest.mark.parametrize("type", [t for t in STORED if STORED[t][2]])
def test_wrong_sign_is_refused(book, type):
    kind, _, sign, _ = STORED[type]
    word = "negative" if sign < 0 else "positive"
    with book.refused(f"the amount of a {type} has to be {word}", errors.CheckViolation):
        book.entry(book.segment(kind), type, -sign)


@pytest.mark.parametrize("type", STORED)
def test_zero_is_refused(book, type):
    with book.refused("may not be zero", errors.CheckViolation):
        book.entry(book.segment(STORED[type][0]), type, 0)


@pytest.mark.parametrize("type", DERIVED)
def test_derived_type_is_refused(book, type):
    with book.refused(f"{type} is derived from the schedule, not stored", errors.CheckViolation):
        book.entry(book.segment(DERIVED[type]), type, 1)


def test_type_of_another_kind_is_refused(book):
    for kind in KINDS:
        segment = book.segment(kind)
        for type, (of, *_) in STORED.items():
            if of != kind:
                with book.refused(f"{type} is not for balance {segment.balance}, which is a {kind}",
                                  errors.CheckViolation):
                    book.entry(segment, type)


@pytest.mark.parametrize("type", [t for t in STORED if STORED[t][3]])
def test_missing_companion_is_refused(book, type):
    needs = STORED[type][3]
    segment = book.segment(STORED[type][0])
    for nothing in [None, ""] if needs == "reason" else [None]:
        with book.refused(f"a {type} needs its {needs}", errors.NotNullViolation):
            book.entry(segment, type, **{needs: nothing})


def test_entry_in_the_wrong_place_is_refused(book):
    here, stranger = book.segment(), book.segment()
    beside = book.segment(customer=here.customer)
    nobody = new_id()
    for wrong, message in [
        ({"segment_id": nobody}, f"balance {here.balance} has no segment {nobody}"),
        ({"segment_id": beside.id},
         f"segment {beside.id} belongs to balance {beside.balance} and not to {here.balance}"),
        ({"balance_id": beside.balance},
         f"segment {here.id} belongs to balance {here.balance} and not to {beside.balance}"),
        ({"segment_id": stranger.id}, f"balance {here.balance} has no segment {stranger.id}"),
        ({"balance_id": stranger.balance, "segment_id": stranger.id},
         f"customer {here.customer} has no balance {stranger.balance}"),
        ({"customer_id": nobody}, f"there is no customer {nobody}"),
    ]:
        with book.refused(message, errors.ForeignKeyViolation):
            book.entry(here, **wrong)
        draft = {**here.key, "invoice_id": new_id(), "amount": -1, "timestamp": "2024-02-01Z", **wrong}
        with book.refused(message, errors.ForeignKeyViolation):
            book.insert("draft_deduction", **draft)
    for column in ("customer_id", "balance_id", "segment_id"):
        with book.refused(f'null value in column "{column}"', errors.NotNullViolation):
            book.entry(here, **{column: None})


@pytest.mark.parametrize("statement", [
    "UPDATE balances.ledger_entry SET amount = 8",
    "UPDATE balances.ledger_entry SET reason = reason",
    "UPDATE balances.ledger_entry SET seq = 1, running_amount = 1",
    "DELETE FROM balances.ledger_entry",
    "INSERT INTO balances.ledger_entry SELECT * FROM balances.ledger_entry"
    " ON CONFLICT (customer_id, balance_id, timestamp, type, id) DO UPDATE SET amount = 8",
    "MERGE INTO balances.ledger_entry e USING balances.ledger_entry s ON e.id = s.id"
    " WHEN MATCHED THEN UPDATE SET amount = 8",
    "MERGE INTO balances.ledger_entry e USING balances.ledger_entry s ON e.id = s.id"
    " WHEN MATCHED THEN DELETE",
])
def test_entry_is_never_changed_or_removed(book, statement):
    segment = book.segment()
    book.entry(segment)
    with book.refused("a ledger entry is never changed or removed", errors.RestrictViolation):
        book.run(statement)
    assert book.totals(segment) == ({"manual": 7}, 1)


@pytest.mark.parametrize("table", [
    "customer", "contract", "balance", "segment", "invoice_schedule_item", "draft_deduction",
    "ledger_entry", "ledger_version", "ledger_change"])
def test_truncate_is_refused(book, table):
    with book.refused("may not be truncated", errors.RestrictViolation):
        book.run(f"TRUNCATE balances.{table} CASCADE")


def test_doing_nothing_on_conflict_changes_nothing(book):
    segment = book.segment()
    book.entry(segment)
    before = book.version(segment.customer)
    book.run("INSERT INTO balances.ledger_entry SELECT * FROM balances.ledger_entry ON CONFLICT DO NOTHING")
    assert book.totals(segment) == ({"manual": 7}, 1)
    assert book.version(segment.customer) == before


def test_keys_are_used_once(book):
    segment, stranger = book.segment(), book.segment()
    invoice = new_id()
    book.entry(segment, uniqueness_key="k")
    book.entry(stranger, uniqueness_key="k")  # another customer's keys are theirs
    for type in ("CREDIT_AUTOMATED_INVOICE_DEDUCTION", "CREDIT_CANCELED"):
        book.entry(segment, type, invoice_id=invoice)
        with book.refused("ledger_entry_one_", errors.UniqueViolation):
            book.entry(segment, type, invoice_id=invoice)
    for _ in range(2):
        book.entry(segment, "CREDIT_CREDITED", invoice_id=invoice)
    with book.refused("ledger_entry_uniqueness_key", errors.UniqueViolation):
        book.entry(segment, uniqueness_key="k")
    for bad in ("", "x" * 129):
        with book.refused("uniqueness_key_has_1_to_128_characters", errors.CheckViolation):
            book.entry(segment, uniqueness_key=bad)


def test_archived_balance_takes_only_what_gives_back(book):
    for kind in KINDS:
        segment = book.segment(kind)
        book.run("UPDATE balances.balance SET archived_at = now() WHERE id = %s", segment.balance)
        for type, (of, *_) in STORED.items():
            if of != kind:
                continue
            if type.endswith(("_CANCELED", "_CREDITED")):
                book.entry(segment, type)
                continue
            with book.refused(f"balance {segment.balance} is archived", errors.ObjectNotInPrerequisiteState):
                book.entry(segment, type)
        with book.refused(f"balance {segment.balance} is archived",
                          errors.ObjectNotInPrerequisiteState):
            book.insert("draft_deduction", **segment.key, invoice_id=new_id(), amount=-1,
                        timestamp="2024-02-01Z")


def test_transaction_type_has_to_be_known_and_live(book):
    segment = book.segment("ACCOUNT_BALANCE")
    with book.refused("ledger_entry_transaction_type_id_fkey", errors.ForeignKeyViolation):
        book.entry(segment, transaction_type_id=new_id())
    old = book.insert("transaction_type", name="Old", code="old", archived=True)["id"]
    with book.refused(f"transaction type {old} is archived",
                      errors.ObjectNotInPrerequisiteState):
        book.entry(segment, transaction_type_id=old)
    for code in ("", "1a", "a b", "a-b", "a.b", "x" * 81):
        with book.refused("transaction_type_code_check", errors.CheckViolation):
            book.insert("transaction_type", name="n", code=code)
    for code in ("$_a1", "größe", "é"):
        book.insert("transaction_type", name="n", code=code)


def test_account_balances_columns_stay_on_their_entries(book):
    with book.refused("only_account_balance_entries", errors.CheckViolation):
        book.entry(book.segment(), paid=5)


@pytest.mark.parametrize("amount, refusal", [
    ("0.000000000001", None), ("-0.000000000001", None), ("1.50000000000000000000", None),
    ("99999999999999999999999999.999999999999", None),
    ("0.0000000000001", "12_fractional_digits"), ("-7.1234567890123", "12_fractional_digits"),
    ("100000000000000000000000000", "26_integer_digits"), ("-1e26", "26_integer_digits"),
    ("NaN", "amount_finite"), ("Infinity", "amount_finite"), ("-Infinity", "amount_finite"),
])
def test_amount_is_kept_exactly_or_refused(book, amount, refusal):
    segment = book.segment()
    if refusal:
        with book.refused(refusal, errors.CheckViolation):
            book.entry(segment, amount=amount)
        assert book.totals(segment) == ({}, 0)
    else:
        book.entry(segment, amount=amount)
        assert book.totals(segment) == ({"manual": Decimal(amount)}, 1)


def test_total_that_overflows_is_refused(book):
    segment = book.segment()
    book.entry(segment, amount="9e25")
    with book.refused("26_integer_digits", errors.CheckViolation):
        book.entry(segment, amount="9e25")
    assert book.totals(segment) == ({"manual": Decimal("9e25")}, 1)


@pytest.mark.parametrize("time, valid", [
    ("0001-01-01 00:00:00Z", True), ("9999-12-31 23:59:59.999999Z", True),
    ("0001-12-31 00:00:00Z BC", False), ("10000-01-01 00:00:00Z", False),
    ("infinity", False), ("-infinity", False),
])
def test_instant_is_within_the_years_of_the_wire(book, time, valid):
    segment = book.segment()
    statement = ("INSERT INTO balances.ledger_entry"
                 " (customer_id, balance_id, segment_id, type, amount, reason, timestamp)"
                 " VALUES (%s, %s, %s, 'CREDIT_MANUAL', 1, 'r', %s)")
    if valid:
        book.run(statement, *segment.key.values(), time)
    else:
        with book.refused("instant_is_within_year_1_to_9999", errors.CheckViolation):
            book.run(statement, *segment.key.values(), time)


# Account balances: positions ----------------------------------------------------------------------


def chain(book, segment):
    return book.run("SELECT seq, amount, running_amount FROM balances.ledger_entry"
                    " WHERE customer_id = %s AND balance_id = %s ORDER BY seq",
                    segment.customer, segment.balance)


def assert_chain(rows):
    running = 0
    for place, (seq, amount, after) in enumerate(rows, 1):
        running += amount
        assert (seq, after) == (place, running)


def test_account_entries_are_numbered_and_summed(book):
    segment = book.segment("ACCOUNT_BALANCE")
    book.entry(segment, amount=100, timestamp="2030-01-01Z")
    book.entry(segment, "ACCOUNT_BALANCE_DEDUCTION", -30, timestamp="2025-01-01Z", seq=99, running_amount=5)
    book.run("INSERT INTO balances.ledger_entry (customer_id, balance_id, segment_id, type, amount,"
             " transaction_type_id) SELECT %s, %s, %s, 'ACCOUNT_BALANCE_TRANSACTION', a, %s"
             " FROM unnest(ARRAY[5, -2, 9]) a", *segment.key.values(), book.transaction_type)
    book.entry(segment, "ACCOUNT_BALANCE_CANCELED", 30)
    assert chain(book, segment) == [(1, 100, 100), (2, -30, 70), (3, 5, 75), (4, -2, 73), (5, 9, 82),
                                    (6, 30, 112)]
    commit = book.segment("CREDIT")
    book.entry(commit)
    assert chain(book, commit) == [(None, 7, None)]


def test_account_entries_of_concurrent_writers_make_one_chain(book):
    segments = [book.segment("ACCOUNT_BALANCE") for _ in range(3)]

    def writer():
        mine = Book(book.url, like=book)
        for n in range(30):
            mine.entry(segments[n % 3], amount=n + 1)
        mine.connection.close()

    in_parallel(*[writer] * 6)
    for segment in segments:
        rows = chain(book, segment)
        assert len(rows) == 60
        assert_chain(rows)


# Versions -----------------------------------------------------------------------------------------


def test_new_customer_starts_at_one(book):
    customer = book.customer()
    assert book.version(customer) == 1


def test_transaction_counts_once(book):
    one, other = book.segment(), book.segment()
    before = book.version(one.customer), book.version(other.customer)
    book.run("BEGIN")
    for segment in (one, other, one):
        book.entry(segment)
        book.run("UPDATE balances.balance SET name = 'n' WHERE id = %s", segment.balance)
        book.insert("draft_deduction", **segment.key, invoice_id=new_id(), amount=-1,
                    timestamp="2024-02-01Z")
    book.run("COMMIT")
    assert (book.version(one.customer), book.version(other.customer)) == (before[0] + 1, before[1] + 1)


def test_savepoint_takes_its_count_with_it(book):
    segment = book.segment()
    before = book.version(segment.customer)
    book.run("BEGIN")
    book.run("SAVEPOINT s")
    book.entry(segment)
    book.run("ROLLBACK TO s")
    assert book.version(segment.customer) == before
    book.entry(segment)
    book.run("SAVEPOINT t")
    book.entry(segment)
    book.run("ROLLBACK TO t")
    book.run("COMMIT")
    assert book.version(segment.customer) == before + 1
    assert book.totals(segment) == ({"manual": 7}, 1)


def test_transaction_number_of_a_former_life_counts_again(book):
    """A restored database counts transactions from the start: a number alone proves nothing."""
    segment = book.segment()
    before = book.version(segment.customer)
    book.run("BEGIN")
    book.run("SET LOCAL session_replication_role = replica")
    book.run("UPDATE balances.ledger_version SET xid = pg_current_xact_id() WHERE customer_id = %s",
             segment.customer)
    book.run("SET LOCAL session_replication_role = origin")
    book.entry(segment)
    book.run("COMMIT")
    assert book.version(segment.customer) == before + 1


def test_every_write_of_a_customers_counts(book):
    segment = book.segment("PREPAID_COMMIT")
    customer, balance = segment.customer, segment.balance
    contract, item, invoice, spare = (new_id() for _ in range(4))
    at = "'2024-02-01Z'"
    for statement in [
        f"UPDATE balances.customer SET name = 'n' WHERE customer_id = '{customer}'",
        f"INSERT INTO balances.contract (customer_id, id) VALUES ('{customer}', '{contract}')",
        f"UPDATE balances.contract SET name = 'n' WHERE id = '{contract}'",
        f"DELETE FROM balances.contract WHERE id = '{contract}'",
        "INSERT INTO balances.balance (customer_id, id, kind, product_id)"
        f" VALUES ('{customer}', '{spare}', 'CREDIT', '{book.product}')",
        f"UPDATE balances.balance SET name = 'n' WHERE id = '{spare}'",
        f"DELETE FROM balances.balance WHERE id = '{spare}'",
        "INSERT INTO balances.segment (customer_id, balance_id, id, amount, starting_at, ending_before)"
        f" VALUES ('{customer}', '{balance}', '{spare}', 1, {at}, '2025-01-01Z')",
        f"UPDATE balances.segment SET amount = 2 WHERE id = '{spare}'",
        f"DELETE FROM balances.segment WHERE id = '{spare}'",
        "INSERT INTO balances.invoice_schedule_item (customer_id, balance_id, id, timestamp, amount)"
        f" VALUES ('{customer}', '{balance}', '{item}', {at}, 5)",
        f"UPDATE balances.invoice_schedule_item SET amount = 6 WHERE id = '{item}'",
        f"DELETE FROM balances.invoice_schedule_item WHERE id = '{item}'",
        "INSERT INTO balances.draft_deduction VALUES"
        f" ('{customer}', '{balance}', '{segment.id}', '{invoice}', -5, {at})",
        f"UPDATE balances.draft_deduction SET amount = -6 WHERE invoice_id = '{invoice}'",
        f"DELETE FROM balances.draft_deduction WHERE invoice_id = '{invoice}'",
        "INSERT INTO balances.ledger_entry (customer_id, balance_id, segment_id, type, amount, reason)"
        f" VALUES ('{customer}', '{balance}', '{segment.id}', 'PREPAID_COMMIT_MANUAL', 1, 'r')",
        "INSERT INTO balances.invoice (customer_id, id, service_period_end)"
        f" VALUES ('{customer}', '{invoice}', {at})",
        f"UPDATE balances.invoice SET status = 'FINALIZED', finalized_at = {at} WHERE id = '{invoice}'",
        f"DELETE FROM balances.invoice WHERE id = '{invoice}'",
    ]:
        before = book.version(customer)
        assert book.run(statement) == 1
        assert book.version(customer) == before + 1, statement


def test_statement_that_changes_nothing_does_not_count(book):
    segment = book.segment()
    before = book.version(segment.customer)
    book.run("UPDATE balances.balance SET name = 'n' WHERE false")
    book.run("DELETE FROM balances.draft_deduction")
    book.run("INSERT INTO balances.customer SELECT * FROM balances.customer ON CONFLICT DO NOTHING")
    assert book.version(segment.customer) == before


def test_rename_counts_for_those_who_show_the_name(book):
    other_product = book.insert("product", name="Storage")["id"]
    euro = book.insert("credit_type", name="EUR")["id"]
    shows = book.segment("PREPAID_COMMIT", product_id=other_product, credit_type_id=euro)
    invoiced = book.segment("PREPAID_COMMIT", invoice_credit_type_id=euro)
    neither = book.segment("PREPAID_COMMIT")
    segments = (shows, invoiced, neither)
    for statement, counts in [
        (f"UPDATE balances.product SET name = 'Disk' WHERE id = '{other_product}'", (1, 0, 0)),
        (f"UPDATE balances.product SET name = 'Disk' WHERE id = '{other_product}'", (0, 0, 0)),
        (f"UPDATE balances.product SET tags = '{{a}}' WHERE id = '{other_product}'", (0, 0, 0)),
        (f"UPDATE balances.credit_type SET name = 'Euro' WHERE id = '{euro}'", (1, 1, 0)),
        ("UPDATE balances.product SET name = name || '!'", (1, 1, 1)),
    ]:
        before = [book.version(s.customer) for s in segments]
        book.run(statement)
        assert tuple(book.version(s.customer) - b for s, b in zip(segments, before)) == counts, statement


def test_version_outlives_its_customer(book):
    customer = book.customer()
    book.run("DELETE FROM balances.customer WHERE customer_id = %s", customer)
    book.insert("customer", customer_id=customer, name="Again")
    assert book.version(customer) == 3


def test_versions_and_totals_are_not_written_directly(book):
    segment = book.segment()
    for statement in [
        "UPDATE balances.ledger_version SET version = 9",
        "DELETE FROM balances.ledger_version",
        f"INSERT INTO balances.ledger_version VALUES ('{new_id()}', 1, pg_current_xact_id(), now())",
        "SELECT balances.bump_versions(ARRAY[gen_random_uuid()])",
        "UPDATE balances.segment SET total_final = 1",
        "UPDATE balances.segment SET total_draft = 1",
        "UPDATE balances.segment SET total_manual = 1",
        "UPDATE balances.segment SET total_other = 1",
        "UPDATE balances.segment SET entry_count = 1",
    ]:
        with book.refused("may not be written directly", errors.RestrictViolation):
            book.run(statement)
    made = book.segment_of(segment.customer, segment.balance, total_final=5, entry_count=3)
    assert book.totals(Segment(segment.customer, segment.balance, "CREDIT", made)) == ({}, 0)


# Drafts -------------------------------------------------------------------------------------------


def test_drafts_come_change_move_and_go(book):
    here = book.segment()
    there = book.segment(customer=here.customer)
    invoice = new_id()
    book.insert("draft_deduction", **here.key, invoice_id=invoice, amount=-5, timestamp="2024-02-01Z")
    assert book.totals(here) == ({"draft": -5}, 1)
    book.run("INSERT INTO balances.draft_deduction VALUES (%s, %s, %s, %s, -8, '2024-02-01Z')"
             " ON CONFLICT (customer_id, balance_id, segment_id, invoice_id)"
             " DO UPDATE SET amount = EXCLUDED.amount", *here.key.values(), invoice)
    assert book.totals(here) == ({"draft": -8}, 1)
    book.run("UPDATE balances.draft_deduction SET balance_id = %s, segment_id = %s WHERE invoice_id = %s",
             there.balance, there.id, invoice)
    assert (book.totals(here), book.totals(there)) == (({}, 0), ({"draft": -8}, 1))
    book.run("DELETE FROM balances.draft_deduction WHERE invoice_id = %s", invoice)
    assert book.totals(there) == ({}, 0)
    for amount in (0, 1):
        with book.refused("draft_deduction_is_negative", errors.CheckViolation):
            book.insert("draft_deduction", **here.key, invoice_id=invoice, amount=amount,
                        timestamp="2024-02-01Z")


def test_draft_becomes_final_in_one_statement(book):
    segment = book.segment()
    invoice = new_id()
    book.insert("draft_deduction", **segment.key, invoice_id=invoice, amount=-5, timestamp="2024-02-01Z")
    before = book.version(segment.customer)
    book.run("WITH d AS (DELETE FROM balances.draft_deduction WHERE invoice_id = %s RETURNING *)"
             " INSERT INTO balances.ledger_entry"
             " (customer_id, balance_id, segment_id, invoice_id, type, amount, timestamp)"
             " SELECT customer_id, balance_id, segment_id, invoice_id,"
             " 'CREDIT_AUTOMATED_INVOICE_DEDUCTION', amount, timestamp FROM d", invoice)
    assert book.totals(segment) == ({"final": -5}, 1)
    assert book.version(segment.customer) == before + 1


# Balances and segments ----------------------------------------------------------------------------


@pytest.mark.parametrize("kinds, columns, constraint", [
    (KINDS[:3], {"product_id": None}, "commits_and_credits_have_a_product"),
    (KINDS[:3], {"code": "c"}, "only_account_balances"),
    (KINDS[:3], {"rollover_ending_before": "2035-01-01Z"}, "only_account_balances"),
    (KINDS[:3], {"line_item_types": "{USAGE}"}, "only_account_balances"),
    (KINDS[:3], {"product_ids": "{2714e483-4ff1-48e4-9e25-ac732e8f24f2}"}, "only_account_balances"),
    (["CREDIT", "ACCOUNT_BALANCE"], {"rollover_fraction": "0.5"}, "only_commits"),
    (["CREDIT", "ACCOUNT_BALANCE"], {"do_not_invoice": True}, "only_commits"),
    (["CREDIT", "ACCOUNT_BALANCE"], {"invoice_credit_type_id": USD}, "only_commits"),
    (["PREPAID_COMMIT", "CREDIT", "ACCOUNT_BALANCE"], {"true_up_disabled": True}, "only_postpaid_commits"),
    (["PREPAID_COMMIT"], {"rollover_fraction": "1.1"}, "balance_rollover_fraction_check"),
    (["PREPAID_COMMIT"], {"rollover_fraction": "-0.1"}, "balance_rollover_fraction_check"),
    (["ACCOUNT_BALANCE"], {"priority": 1}, "only_commits_and_credits"),
    (["ACCOUNT_BALANCE"], {"specifiers": "[]"}, "only_commits_and_credits"),
    (["ACCOUNT_BALANCE"], {"applicable_product_tags": "{a}"}, "only_commits_and_credits"),
    (["ACCOUNT_BALANCE"], {"code": None}, "account_balances_have_a_code_and_a_name"),
    (["ACCOUNT_BALANCE"], {"name": None}, "account_balances_have_a_code_and_a_name"),
    (["ACCOUNT_BALANCE"], {"code": " c"}, "balance_code_check"),
    (["ACCOUNT_BALANCE"], {"code": "a\tb"}, "balance_code_check"),
    (["ACCOUNT_BALANCE"], {"code": "c" * 81}, "balance_code_check"),
    (["ACCOUNT_BALANCE"], {"rollover_amount": 5}, "rollover_amount_needs_rollover_ending_before"),
    (["ACCOUNT_BALANCE"], {"rollover_amount": -1, "rollover_ending_before": "2035-01-01Z"},
     "balance_rollover_amount_check"),
    (["CREDIT"], {"priority": "NaN"}, "balance_priority_check"),
    (["CREDIT"], {"priority": "Infinity"}, "balance_priority_check"),
    (["CREDIT"], {"rolled_over_from_balance_id": USD}, "rolled_over_from_balance_and_contract"),
    (["CREDIT"], {"child_access": "ALL", "child_contract_ids": f"{{{USD}}}"},
     "child_contract_ids_only_with_their_access"),
    (["CREDIT"], {"child_contract_ids": f"{{{USD}}}"}, "child_contract_ids_only_with_their_access"),
    (["CREDIT"], {"specifiers": "[{}]", "applicable_product_tags": "{a}"},
     "specifiers_or_applicable_products"),
    (["CREDIT"], {"applicable_product_tags": "{a,NULL}"}, "tag_list"),
    (["CREDIT"], {"applicable_product_tags": '{""}'}, "tag_list"),
    (["CREDIT"], {"applicable_product_tags": "{{a},{b}}"}, "tag_list"),
    (["CREDIT"], {"applicable_contract_ids": "{NULL}"}, "id_list"),
    (["CREDIT"], {"name": ""}, "label_has_1_to_1000_characters"),
])
def test_balance_that_contradicts_its_kind_is_refused(book, kinds, columns, constraint):
    for kind in kinds:
        with book.refused(constraint, errors.CheckViolation):
            book.balance(book.customer(), kind, **columns)


@pytest.mark.parametrize("column, value, valid", [
    ("specifiers", "[]", True), ("specifiers", "[{}]", True),
    ("specifiers", '[{"product_id": "2714e483-4ff1-48e4-9e25-ac732e8f24f2", "product_tags": ["a", "b"],'
                   ' "pricing_group_values": {"k": "v"}, "presentation_group_values": {}}]', True),
    ("specifiers", "{}", False), ("specifiers", "null", False), ("specifiers", "[1]", False),
    ("specifiers", "[null]", False), ("specifiers", '[{"other": 1}]', False),
    ("specifiers", '[{"product_id": "2714E483-4ff1-48e4-9e25-ac732e8f24f2"}]', False),
    ("specifiers", '[{"product_id": null}]', False), ("specifiers", '[{"product_tags": "a"}]', False),
    ("specifiers", '[{"product_tags": [1]}]', False), ("specifiers", '[{"product_tags": [["a"]]}]', False),
    ("specifiers", '[{"pricing_group_values": {"k": 1}}]', False),
    ("specifiers", '[{"pricing_group_values": {"k": ["v"]}}]', False),
    ("specifiers", '[{}, {"presentation_group_values": []}]', False),
    ("custom_fields", '{"a": "b", "": ""}', True), ("custom_fields", "[]", False),
    ("custom_fields", "1", False), ("custom_fields", '"a"', False),
    ("custom_fields", '{"a": 1}', False), ("custom_fields", '{"a": null}', False),
    ("custom_fields", '{"a": ["b"]}', False), ("custom_fields", '{"a": {"b": "c"}}', False),
    ("custom_fields", "{" + ",".join(f'"{n}": ""' for n in range(100)) + "}", True),
    ("custom_fields", "{" + ",".join(f'"{n}": ""' for n in range(101)) + "}", False),
    ("custom_fields", '{"a": "' + "x" * 70000 + '"}', False),
])
def test_json_has_the_shape_that_answers_show(book, column, value, valid):
    customer = book.customer()
    if valid:
        book.balance(customer, **{column: value})
    else:
        with book.refused(f"for domain balances.{column} violates", errors.CheckViolation):
            book.balance(customer, **{column: value})


def test_balance_keeps_its_identity_and_counts_its_updates(book):
    segment = book.segment()
    other = book.insert("credit_type", name="EUR")["id"]
    for change in ["kind = 'PREPAID_COMMIT'", f"credit_type_id = '{other}'", "id = gen_random_uuid()",
                   "created_at = created_at - interval '1 s'", f"customer_id = '{book.customer()}'"]:
        with book.refused("keeps its customer, id, kind, credit type and creation time",
                          errors.RestrictViolation):
            book.run(f"UPDATE balances.balance SET {change} WHERE id = %s", segment.balance)
    book.run("UPDATE balances.balance SET name = 'n', version = 50 WHERE id = %s", segment.balance)
    version, later = book.one("SELECT version, updated_at > created_at FROM balances.balance WHERE id = %s",
                              segment.balance)
    assert (version, later) == (2, True)


def test_keys_of_balances_are_used_once(book):
    customer = book.customer()
    book.balance(customer, uniqueness_key="k")
    book.balance(book.customer(), uniqueness_key="k")
    with book.refused("balance_uniqueness_key", errors.UniqueViolation):
        book.balance(customer, uniqueness_key="k")
    first = book.balance(customer, "ACCOUNT_BALANCE", code="c")
    with book.refused("balance_code", errors.UniqueViolation):
        book.balance(customer, "ACCOUNT_BALANCE", code="c")
    book.run("UPDATE balances.balance SET archived_at = now() WHERE id = %s", first)
    book.balance(customer, "ACCOUNT_BALANCE", code="c")


def test_schedule_fits_its_kind(book):
    for kind in ("POSTPAID_COMMIT", "ACCOUNT_BALANCE"):
        segment = book.segment(kind)
        with book.refused(f"balance {segment.balance} has a segment already", errors.CheckViolation):
            book.segment_of(segment.customer, segment.balance)
        both = book.balance(segment.customer, kind)
        with book.refused(f"balance {both} has a segment already", errors.CheckViolation):
            book.run("INSERT INTO balances.segment (customer_id, balance_id, amount, starting_at,"
                     " ending_before) SELECT %s, %s, 0, now(), now() + n * interval '1 h'"
                     " FROM generate_series(1, 2) n", segment.customer, both)
    for kind in ("PREPAID_COMMIT", "CREDIT"):
        segment = book.segment(kind)
        book.segment_of(segment.customer, segment.balance)
    account = book.balance(book.customer(), "ACCOUNT_BALANCE")
    customer = book.one("SELECT customer_id FROM balances.balance WHERE id = %s", account)
    with book.refused("has to have the amount 0", errors.CheckViolation):
        book.segment_of(customer, account, amount=1)
    made = book.segment_of(customer, account)
    with book.refused("has to have the amount 0", errors.CheckViolation):
        book.run("UPDATE balances.segment SET amount = 1 WHERE id = %s", made)
    credit = book.balance(customer)
    for bad in ({"amount": -1}, {"ending_before": "2024-01-01Z"}, {"ending_before": "2023-01-01Z"}):
        with book.refused("segment_", errors.CheckViolation):
            book.segment_of(customer, credit, **bad)
    with book.refused("segment_customer_id_balance_id_fkey", errors.ForeignKeyViolation):
        book.segment_of(book.customer(), credit)


def test_segment_with_entries_stays_where_it_is(book):
    segment = book.segment()
    for change in ("id = gen_random_uuid()", "role = 'ROLLOVER'", "balance_id = gen_random_uuid()"):
        with book.refused("keeps its customer, balance, id and role", errors.RestrictViolation):
            book.run(f"UPDATE balances.segment SET {change} WHERE id = %s", segment.id)
    book.insert("draft_deduction", **segment.key, invoice_id=new_id(), amount=-5, timestamp="2024-02-01Z")
    with book.refused(f"segment {segment.id} has 1 entries and cannot be removed",
                      errors.RestrictViolation):
        book.run("DELETE FROM balances.segment WHERE id = %s", segment.id)
    book.run("DELETE FROM balances.draft_deduction WHERE segment_id = %s", segment.id)
    assert book.run("DELETE FROM balances.segment WHERE id = %s", segment.id) == 1


def test_invoice_schedule_is_for_commits(book):
    for kind in KINDS:
        segment = book.segment(kind)
        item = {"customer_id": segment.customer, "balance_id": segment.balance, "timestamp": "2024-02-01Z"}
        if not kind.endswith("COMMIT"):
            with book.refused("only commits are invoiced", errors.CheckViolation):
                book.insert("invoice_schedule_item", **item, amount=5)
            continue
        book.insert("invoice_schedule_item", **item, amount=5)
        book.insert("invoice_schedule_item", **item, unit_price=5, quantity=2)
        for bad in ({}, {"unit_price": 5}, {"quantity": 5}, {"amount": 1, "quantity": 5},
                    {"amount": 1, "unit_price": 1, "quantity": 1}):
            with book.refused("amount_or_unit_price_and_quantity", errors.CheckViolation):
                book.insert("invoice_schedule_item", **item, **bad)


# Rollover segments --------------------------------------------------------------------------------


def rollover_of(book, balance):
    rows = book.run("SELECT id, starting_at::date::text, ending_before::date::text FROM balances.segment"
                    " WHERE balance_id = %s AND role = 'ROLLOVER'", balance)
    return rows[0] if rows else None


def test_rollover_segment_follows_its_balance(book):
    segment = book.segment("ACCOUNT_BALANCE", rollover_ending_before="2035-01-01Z")
    made, *dates = rollover_of(book, segment.balance)
    assert dates == ["2034-01-01", "2035-01-01"]
    set_rollover = "UPDATE balances.balance SET rollover_ending_before = %s WHERE id = %s"
    set_end = "UPDATE balances.segment SET ending_before = %s WHERE id = %s"
    book.run(set_rollover, "2036-01-01Z", segment.balance)
    book.run(set_end, "2033-01-01Z", segment.id)
    assert rollover_of(book, segment.balance) == (made, "2033-01-01", "2036-01-01")
    with book.refused("has to be after its segment's end", errors.CheckViolation):
        book.run(set_rollover, "2033-01-01Z", segment.balance)
    with book.refused("has to be after its segment's end", errors.CheckViolation):
        book.run(set_end, "2037-01-01Z", segment.id)
    book.run(set_rollover, None, segment.balance)
    assert rollover_of(book, segment.balance) is None
    book.run(set_rollover, "2036-01-01Z", segment.balance)
    assert rollover_of(book, segment.balance)[1:] == ("2033-01-01", "2036-01-01")
    before = book.version(segment.customer)
    book.run("DELETE FROM balances.segment WHERE balance_id = %s AND role = 'ACCESS'", segment.balance)
    assert rollover_of(book, segment.balance) is None
    assert book.version(segment.customer) == before + 1


def test_rollover_segment_is_not_made_moved_or_removed_by_hand(book):
    segment = book.segment("ACCOUNT_BALANCE", rollover_ending_before="2035-01-01Z")
    rollover = rollover_of(book, segment.balance)[0]
    with book.refused("rollover segments are made from", errors.RestrictViolation):
        book.segment_of(segment.customer, segment.balance, role="ROLLOVER")
    with book.refused("is a rollover and follows its balance", errors.RestrictViolation):
        book.run("UPDATE balances.segment SET ending_before = '2038-01-01Z' WHERE id = %s", rollover)
    with book.refused("a rollover segment stays", errors.RestrictViolation):
        book.run("DELETE FROM balances.segment WHERE id = %s", rollover)
    on_rollover = Segment(segment.customer, segment.balance, segment.kind, rollover)
    book.entry(on_rollover, "ACCOUNT_BALANCE_DEDUCTION", -3)
    assert book.totals(on_rollover) == ({"final": -3}, 1)
    with book.refused("has 1 entries and cannot be removed", errors.RestrictViolation):
        book.run("UPDATE balances.balance SET rollover_ending_before = NULL WHERE id = %s", segment.balance)


def test_balance_without_entries_can_be_removed_whole(book):
    segment = book.segment("ACCOUNT_BALANCE", rollover_ending_before="2035-01-01Z")
    book.run("DELETE FROM balances.segment WHERE balance_id = %s", segment.balance)
    assert book.run("DELETE FROM balances.balance WHERE id = %s", segment.balance) == 1


# Contracts ----------------------------------------------------------------------------------------


def test_contract_takes_its_balances_with_it(book):
    customer = book.customer()
    contract, other = (book.insert("contract", customer_id=customer)["id"] for _ in range(2))
    live, kept = book.balance(customer, contract_id=contract), book.balance(customer, contract_id=other)
    earlier = book.balance(customer, contract_id=contract, archived_at="2024-01-01Z")
    before = book.version(customer)
    book.run("UPDATE balances.contract SET archived_at = '2025-01-01Z' WHERE id = %s", contract)
    assert book.version(customer) == before + 1
    archived = dict(book.run("SELECT id, extract(year FROM archived_at)::int FROM balances.balance"))
    assert archived == {live: 2025, earlier: 2024, kept: None}
    with book.refused("is archived and stays so", errors.RestrictViolation):
        book.run("UPDATE balances.contract SET archived_at = NULL WHERE id = %s", contract)
    for attempt in (lambda: book.balance(customer, contract_id=contract),
                    lambda: book.run("UPDATE balances.balance SET archived_at = NULL WHERE id = %s", live)):
        with book.refused(f"contract {contract} is archived",
                          errors.ObjectNotInPrerequisiteState):
            attempt()
    book.balance(customer, contract_id=contract, archived_at="2025-01-01Z")
    with book.refused("balance_customer_id_contract_id_fkey", errors.ForeignKeyViolation):
        book.balance(book.customer(), contract_id=other)


# Writers at the same time -------------------------------------------------------------------------


def test_concurrent_copies_of_many_customers_do_not_deadlock(book):
    segments = [book.segment() for _ in range(40)]
    writers, rounds = 8, 6
    before = {s.customer: book.version(s.customer) for s in segments}

    def writer(number):
        connection = psycopg2.connect(book.url, options="-c search_path=")
        connection.autocommit = True
        with connection.cursor() as cursor:
            for n in range(rounds):
                turn = (number * 7 + n * 3) % len(segments)
                order = segments[turn:] + segments[:turn]
                order = order if (number + n) % 2 else order[::-1]
                cursor.execute(
                    "INSERT INTO balances.ledger_entry"
                    " (customer_id, balance_id, segment_id, type, amount, reason) VALUES "
                    + ",".join([f"('{s.customer}','{s.balance}','{s.id}','CREDIT_MANUAL',-1,'r')"
                                for s in order]))
        connection.close()

    in_parallel(*[lambda number=n: writer(number) for n in range(writers)])
    for segment in segments:
        assert book.totals(segment) == ({"manual": -writers * rounds}, writers * rounds)
        assert book.version(segment.customer) == before[segment.customer] + writers * rounds


def racing(book, first, second):
    """`first` in an open transaction; `second` meanwhile, which has to wait; then the first commits.
    Returns what the second came to: None or its error."""
    outcome = []
    holder, waiter = (psycopg2.connect(book.url, options="-c search_path=") for _ in range(2))
    waiter.autocommit = True
    with holder.cursor() as cursor:
        cursor.execute(first)

    def wait():
        try:
            with waiter.cursor() as cursor:
                cursor.execute(second)
            outcome.append(None)
        except psycopg2.Error as error:
            outcome.append(error)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    wait_for_lock(book, waiter)
    holder.commit()
    thread.join(harness.PATIENCE_S)
    assert not thread.is_alive(), "the second writer hangs"
    holder.close()
    waiter.close()
    return outcome[0]


def test_entry_that_races_with_the_archiving_of_its_balance(book):
    insert = ("INSERT INTO balances.ledger_entry (customer_id, balance_id, segment_id, type, amount, reason)"
              " VALUES ('{0.customer}', '{0.balance}', '{0.id}', 'CREDIT_MANUAL', 1, 'r')")
    archive = "UPDATE balances.balance SET archived_at = now() WHERE id = '{0.balance}'"
    segment = book.segment()
    error = racing(book, archive.format(segment), insert.format(segment))
    assert f"balance {segment.balance} is archived" in str(error)
    segment = book.segment()
    assert racing(book, insert.format(segment), archive.format(segment)) is None
    assert book.totals(segment) == ({"manual": 1}, 1)


def test_balance_that_races_with_the_archiving_of_its_contract(book):
    customer = book.customer()
    insert = ("INSERT INTO balances.balance (customer_id, kind, product_id, contract_id)"
              f" VALUES ('{customer}', 'CREDIT', '{book.product}', '{{0}}')")
    archive = "UPDATE balances.contract SET archived_at = now() WHERE id = '{0}'"
    contract = book.insert("contract", customer_id=customer)["id"]
    error = racing(book, archive.format(contract), insert.format(contract))
    assert f"contract {contract} is archived" in str(error)
    contract = book.insert("contract", customer_id=customer)["id"]
    assert racing(book, insert.format(contract), archive.format(contract)) is None
    assert book.run("SELECT 1 FROM balances.balance WHERE archived_at IS NULL") == []


def test_second_postpaid_segment_that_races_with_the_first_is_refused(book):
    customer = book.customer()
    balance = book.balance(customer, "POSTPAID_COMMIT")
    insert = ("INSERT INTO balances.segment (customer_id, balance_id, amount, starting_at, ending_before)"
              f" VALUES ('{customer}', '{balance}', 5, now(), now() + interval '1 h')")
    assert "has a segment already" in str(racing(book, insert, insert))


def test_rollover_end_and_segment_end_that_change_at_once_stay_in_step(book):
    segment = book.segment("ACCOUNT_BALANCE", rollover_ending_before="2035-01-01Z")
    set_rollover = ("UPDATE balances.balance SET rollover_ending_before = '2036-01-01Z'"
                    f" WHERE id = '{segment.balance}'")
    set_end = f"UPDATE balances.segment SET ending_before = '2033-01-01Z' WHERE id = '{segment.id}'"
    assert racing(book, set_rollover, set_end) is None
    assert rollover_of(book, segment.balance)[1:] == ("2033-01-01", "2036-01-01")


def test_rename_that_races_with_a_new_balance_counts_for_it(book):
    """Whichever comes first, the version is newer than any reading of the old name with that balance."""
    rename = f"UPDATE balances.product SET name = name || '!' WHERE id = '{book.product}'"
    insert = ("INSERT INTO balances.balance (customer_id, kind, product_id)"
              f" VALUES ('{{0}}', 'CREDIT', '{book.product}')")
    customer = book.customer()
    assert racing(book, insert.format(customer), rename) is None
    assert book.version(customer) == 3
    customer = book.customer()
    assert racing(book, rename, insert.format(customer)) is None
    assert book.version(customer) == 2


def test_snapshot_that_is_too_old_to_write_is_refused(book):
    """At the stricter levels a writer learns that somebody came first; it has to start again."""
    segment = book.segment()
    with psycopg2.connect(book.url) as connection, connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT 1 FROM balances.customer")
        book.entry(segment)
        with pytest.raises(errors.SerializationFailure):
            cursor.execute("UPDATE balances.balance SET name = 'n' WHERE id = %s", (segment.balance,))
        connection.rollback()
    connection.close()
    assert book.totals(segment) == ({"manual": 7}, 1)


# Other writers ------------------------------------------------------------------------------------


def test_writer_needs_no_right_but_to_insert(book):
    book.run("CREATE ROLE importer LOGIN")
    book.run("GRANT USAGE ON SCHEMA balances TO importer")
    for table in ("customer", "contract", "product", "credit_type", "balance", "segment", "ledger_entry"):
        book.run(f"GRANT INSERT ON balances.{table} TO importer")
    customer, balance, segment = (new_id() for _ in range(3))
    try:
        book.run("SET ROLE importer")
        book.run("INSERT INTO balances.customer (customer_id, name) VALUES (%s, 'n')", customer)
        book.run("INSERT INTO balances.balance (customer_id, id, kind, product_id)"
                 " VALUES (%s, %s, 'CREDIT', %s)", customer, balance, book.product)
        book.run("INSERT INTO balances.segment (customer_id, balance_id, id, amount, starting_at,"
                 " ending_before) VALUES (%s, %s, %s, 5, now(), now() + interval '1 h')",
                 customer, balance, segment)
        book.run("INSERT INTO balances.ledger_entry (customer_id, balance_id, segment_id, type, amount,"
                 " reason) VALUES (%s, %s, %s, 'CREDIT_MANUAL', 1, 'r')", customer, balance, segment)
        with book.refused("permission denied", errors.InsufficientPrivilege):
            book.run("UPDATE balances.segment SET amount = 6")
        book.run("RESET ROLE")
        assert book.totals(Segment(customer, balance, "CREDIT", segment)) == ({"manual": 1}, 1)
        assert book.version(customer) == 4
    finally:
        book.run("RESET ROLE")
        book.run("DROP OWNED BY importer")
        book.run("DROP ROLE importer")


def test_dump_can_be_restored_and_written_to(book, postgres, tmp_path):
    if not (postgres.bin / "pg_dump").exists():
        pytest.skip("no pg_dump among the PostgreSQL programs")
    credit = book.segment(contract_id=None, specifiers='[{"product_tags": ["a"]}]',
                          custom_fields='{"a": "b"}')
    account = book.segment("ACCOUNT_BALANCE", rollover_ending_before="2035-01-01Z")
    book.entry(credit)
    book.entry(account, amount=50)
    versions = {s.customer: book.version(s.customer) for s in (credit, account)}
    script = tmp_path / "dump.sql"
    subprocess.run([postgres.bin / "pg_dump", "--no-owner", "-f", script, "-d", book.url], check=True)
    restored_url = postgres.new_database()
    subprocess.run([postgres.bin / "psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", script, "-d", restored_url],
                   check=True, stdout=subprocess.DEVNULL)
    assert harness.balanced("verify", database_url=restored_url).returncode == 0
    restored = Book(restored_url, like=book)
    try:
        for segment in (credit, account):
            assert restored.version(segment.customer) == versions[segment.customer]
            restored.entry(segment)
            assert restored.version(segment.customer) == versions[segment.customer] + 1
        assert_chain(chain(restored, account))
    finally:
        restored.connection.close()
