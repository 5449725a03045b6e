"""`balanced verify`: silent about what is right, one line for each thing that is not.

Drift is planted with triggers off (session_replication_role = replica), which only a superuser can do.
"""

import contextlib
import re
import threading

import psycopg2
import pytest

import harness


def id_of(table, number):
    """Ids that tell what they are of, in the order of their numbers."""
    return f"00000000-0000-0000-{ord(table[0]):04x}-{number:012x}"


class Book:
    """Credit n of customer n has one segment and two entries; account balance n a rollover and three."""

    def __init__(self, url, customers):
        self.url = url
        self.connection = psycopg2.connect(url, options="-c search_path=balances")
        self.connection.autocommit = True
        self.run("INSERT INTO product (id, name) VALUES (%s, 'p')", id_of("product", 1))
        self.run("INSERT INTO transaction_type (id, name, code) VALUES (%s, 't', 't')",
                 id_of("transaction", 1))
        numbers = f"generate_series(1, {customers}) n"

        def ids(table, shift=0):
            return f"('00000000-0000-0000-{ord(table[0]):04x}-' || lpad(to_hex(n + {shift}), 12, '0'))::uuid"

        customer, credit, account = ids("customer"), ids("balance"), ids("balance", 1 << 32)
        self.run(f"INSERT INTO customer (customer_id, name) SELECT {customer}, 'c' FROM {numbers}")
        self.run("INSERT INTO balance (customer_id, id, kind, product_id)"
                 f" SELECT {customer}, {credit}, 'CREDIT', %s FROM {numbers}", id_of("product", 1))
        self.run("INSERT INTO balance (customer_id, id, kind, code, name, rollover_ending_before)"
                 f" SELECT {customer}, {account}, 'ACCOUNT_BALANCE', 'c', 'n', '2036-01-01Z' FROM {numbers}")
        for balance, shift, amount in ((credit, 0, 100), (account, 1 << 32, 0)):
            self.run("INSERT INTO segment (customer_id, balance_id, id, amount, starting_at, ending_before)"
                     f" SELECT {customer}, {balance}, {ids('segment', shift)}, {amount}, '2024-01-01Z',"
                     f" '2034-01-01Z' FROM {numbers}")
        self.run("INSERT INTO ledger_entry (customer_id, balance_id, segment_id, type, amount, reason)"
                 f" SELECT {customer}, {credit}, {ids('segment')}, 'CREDIT_MANUAL', n + i / 10.0, 'r'"
                 f" FROM {numbers}, generate_series(1, 2) i")
        self.run("INSERT INTO draft_deduction (customer_id, balance_id, segment_id, invoice_id, amount,"
                 f" timestamp) SELECT {customer}, {credit}, {ids('segment')}, gen_random_uuid(), -n,"
                 f" '2024-02-01Z' FROM {numbers}")
        self.run("INSERT INTO ledger_entry (customer_id, balance_id, segment_id, type, amount,"
                 f" transaction_type_id) SELECT {customer}, {account}, {ids('segment', 1 << 32)},"
                 f" 'ACCOUNT_BALANCE_TRANSACTION', i, %s FROM {numbers}, generate_series(1, 3) i",
                 id_of("transaction", 1))

    def run(self, statement, *values):
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else cursor.rowcount

    def plant(self, statement, *values):
        """Changes at least one row behind the triggers' back."""
        self.run("SET session_replication_role = replica")
        assert self.run(statement, *values) >= 1
        self.run("SET session_replication_role = origin")


@pytest.fixture
def book(database):
    one = Book(database, 3)
    yield one
    one.connection.close()


def verify(url):
    """The exit code, the drifts as (customer, balance, segment, what), and the summary's counts."""
    done = harness.balanced("verify", check=False, database_url=url)
    *drifts, summary = done.stdout.splitlines()
    drifts = [re.fullmatch(r"drift: customer (\S+) balance (\S+) segment (\S+): (.+)", d).groups()
              for d in drifts]
    counts = re.fullmatch(r"verified (\d+) customers, (\d+) segments, (\d+) entries and (\d+) drafts:"
                          r" (\d+) drifts", summary).groups()
    assert int(counts[-1]) == len(drifts)
    assert done.returncode == (0 if not drifts else 1)
    return drifts, [int(c) for c in counts[:-1]]


def test_nothing_to_verify_is_right(database):
    assert verify(database) == ([], [0, 0, 0, 0])


def test_what_triggers_keep_is_right(book):
    assert verify(book.url) == ([], [3, 9, 15, 3])


@pytest.mark.parametrize("total, stored, computed", [
    ("total_final", "0.5", "0"), ("total_draft", "-1.5", "-2"), ("total_manual", "4.8", "4.3"),
    ("total_other", "0.5", "0"), ("entry_count", "4", "3")])
def test_wrong_total_is_found(book, total, stored, computed):
    step = 1 if total == "entry_count" else 0.5
    book.plant(f"UPDATE segment SET {total} = {total} + {step} WHERE id = %s", id_of("segment", 2))
    assert verify(book.url)[0] == [(id_of("customer", 2), id_of("balance", 2), id_of("segment", 2),
                                    f"{total} stored {stored} computed {computed}")]


def test_lost_and_added_rows_are_found(book):
    place = id_of("customer", 1), id_of("balance", 1), id_of("segment", 1)
    book.plant("DELETE FROM ledger_entry WHERE segment_id = %s AND amount = 1.2", place[2])
    assert verify(book.url)[0] == [(*place, "entry_count stored 3 computed 2"),
                                   (*place, "total_manual stored 2.3 computed 1.1")]
    book.plant("DELETE FROM draft_deduction WHERE segment_id = %s", place[2])
    assert (*place, "total_draft stored -1 computed 0") in verify(book.url)[0]
    book.plant("DELETE FROM segment WHERE id = %s", place[2])
    assert verify(book.url)[0] == [(*place, "entry_count stored - computed 1"),
                                   (*place, "total_draft stored - computed 0"),
                                   (*place, "total_final stored - computed 0"),
                                   (*place, "total_manual stored - computed 1.1"),
                                   (*place, "total_other stored - computed 0")]


def test_missing_version_is_found(book):
    book.plant("DELETE FROM ledger_version WHERE customer_id = %s", id_of("customer", 3))
    assert verify(book.url)[0] == [(id_of("customer", 3), "-", "-",
                                    "ledger_version stored - computed at least 1")]


@pytest.mark.parametrize("change, stored", [
    ("running_amount = 4", "seq 2 running 4"), ("seq = 7", "seq 3 running 6"),
    ("seq = NULL", "seq 3 running 6"), ("running_amount = NULL", "-")])
def test_broken_chain_is_found_where_it_breaks(book, change, stored):
    balance = id_of("balance", (1 << 32) + 2)
    book.plant(f"UPDATE ledger_entry SET {change} WHERE balance_id = %s AND seq = 2", balance)
    ((customer, found, _, what),) = verify(book.url)[0]
    assert (customer, found) == (id_of("customer", 2), balance)
    assert re.fullmatch(rf"entry \S+ stored {stored} computed seq 2 running \d", what), what


@pytest.mark.parametrize("statement, stored, computed", [
    ("UPDATE segment SET ending_before = '2037-01-01Z' WHERE role = 'ROLLOVER' AND balance_id = %s",
     "2034-01-01T00:00:00.000000Z/2037-01-01T00:00:00.000000Z",
     "2034-01-01T00:00:00.000000Z/2036-01-01T00:00:00.000000Z"),
    ("DELETE FROM segment WHERE role = 'ROLLOVER' AND balance_id = %s",
     "-", "2034-01-01T00:00:00.000000Z/2036-01-01T00:00:00.000000Z"),
    ("UPDATE balance SET rollover_ending_before = NULL WHERE id = %s",
     "2034-01-01T00:00:00.000000Z/2036-01-01T00:00:00.000000Z", "-"),
])
def test_rollover_segment_out_of_step_is_found(book, statement, stored, computed):
    balance = id_of("balance", (1 << 32) + 1)
    book.plant(statement, balance)
    ((customer, found, _, what),) = verify(book.url)[0]
    assert (customer, found, what) == (id_of("customer", 1), balance,
                                       f"rollover stored {stored} computed {computed}")


def test_every_batch_is_looked_at(database):
    """Batches are of 1000 customers: drift at their edges, and beyond the last customer."""
    book = Book(database, 2500)
    with contextlib.closing(book.connection):
        numbers = [1, 999, 1000, 1001, 2000, 2001, 2500]
        book.plant("UPDATE segment SET total_other = 1 WHERE id = ANY (%s::uuid[])",
                   [id_of("segment", n) for n in numbers])
        book.plant("INSERT INTO segment (customer_id, balance_id, amount, starting_at, ending_before,"
                   " total_final) VALUES ('ffffffff-ffff-ffff-ffff-ffffffffffff', gen_random_uuid(), 0,"
                   " now(), now() + interval '1 h', 1)")
    drifts, counts = verify(database)
    assert [d[0] for d in drifts] == [id_of("customer", n) for n in numbers] + [
        "ffffffff-ffff-ffff-ffff-ffffffffffff"]
    assert counts == [2500, 7501, 12500, 2500]


def test_writers_that_go_on_cause_no_false_alarm(book):
    """A batch is one snapshot: an entry and its total are seen together or not at all."""
    over = threading.Event()

    def write():
        with contextlib.closing(psycopg2.connect(book.url, options="-c search_path=balances")) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                while not over.is_set():
                    cursor.execute(
                        "INSERT INTO ledger_entry (customer_id, balance_id, segment_id, type, amount, reason)"
                        " SELECT customer_id, balance_id, id, 'CREDIT_MANUAL', 1, 'r' FROM segment"
                        " WHERE amount = 100")

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        for _ in range(5):
            assert verify(book.url)[0] == []
    finally:
        over.set()
        writer.join(harness.PATIENCE_S)


def test_database_without_the_schema_is_one_clear_line(postgres):
    done = harness.balanced("verify", check=False, database_url=postgres.new_database())
    assert done.returncode != 0
    assert done.stdout == ""
    assert "this database has no schema yet: run balanced migrate" in done.stderr
    assert done.stderr.count("\n") == 1
