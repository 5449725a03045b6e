"""The data that the benchmarks ask for: 100,000 customers with three balances each; two customers who differ in
nothing but the length of their ledgers, 10 entries and 1,000,000; and some with as many balances as fit a page.

load() writes it through COPY into an empty database with the schema, as any other program might:
constraints and triggers are in force. Everything is the same each time.
"""

import io
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

CUSTOMERS = 100_000
SHORT_LEDGER, LONG_LEDGER = 10, 1_000_000
WIDE_CUSTOMERS, WIDE_BALANCES = 200, 25
CUSTOMERS_AT_ONCE = 1_000
ENTRIES_AT_ONCE = 20_000
ROWS_OF_A_CUSTOMER = 13  # see add_customer
OWN_ENTRIES = 3

PRODUCT = "be0c0000-0000-4000-8000-000000000001"
PAST, PRESENT, FUTURE = "2020-01-01", "2023-01-01", "2500-01-01"  # PRESENT to FUTURE is always now

# Tables in the order of their foreign keys, with the columns that are filled in.
COLUMNS = {
    "customer": "customer_id, name",
    "contract": "customer_id, id, name",
    "balance": "customer_id, id, kind, contract_id, name, product_id, priority",
    "segment": "customer_id, balance_id, id, amount, starting_at, ending_before",
    "ledger_entry": "customer_id, balance_id, segment_id, id, type, amount, timestamp, invoice_id, reason",
    "draft_deduction": "customer_id, balance_id, segment_id, invoice_id, amount, timestamp",
}

# Every id ends in the number of its customer, which has twelve digits so that a number is a valid end.
FIRST_NUMBER = 100_000_000_000
SHORT_NUMBER, LONG_NUMBER = 200_000_000_010, 200_001_000_000
FIRST_WIDE_NUMBER = 300_000_000_000
CUSTOMER_PREFIX = "be000000-0000-4000-8000-"


def customer_id(number):
    return f"{CUSTOMER_PREFIX}{number}"


def part_id(number, part):
    """The id of something that a customer has; `part` is four hexadecimal digits."""
    return f"be000000-{part}-4000-8000-{number}"


class Rows:
    """Rows of all tables, collected to be copied in one transaction."""

    def __init__(self):
        self.lines = {table: [] for table in COLUMNS}
        self.count = 0

    def add(self, table, *values):
        self.lines[table].append("\t".join("\\N" if v is None else str(v) for v in values) + "\n")
        self.count += 1

    def copy(self, connection):
        with connection, connection.cursor() as cursor:
            for table, lines in self.lines.items():
                if lines:
                    cursor.copy_expert(f"COPY {table} ({COLUMNS[table]}) FROM STDIN",
                                       io.StringIO("".join(lines)))


class Progress:
    """A bar that is redrawn in its line on a terminal; elsewhere a line for each tenth. Any thread may add."""

    WIDTH = 40

    def __init__(self, what, total):
        self.what, self.total, self.done = what, total, 0
        self.begun = time.monotonic()
        self.tenth = 0
        self.lock = threading.Lock()

    def add(self, count):
        with self.lock:
            self.done += count
            if sys.stderr.isatty():
                self._draw()
            elif self.done * 10 // self.total > self.tenth:
                self.tenth = self.done * 10 // self.total
                print(f"{self.what}: {self.tenth * 10} %", file=sys.stderr, flush=True)

    def _draw(self):
        filled = self.WIDTH * self.done // self.total
        took = time.monotonic() - self.begun
        end = self.done == self.total
        seconds = f"{took:.0f} s" if end else f"{took * (self.total / self.done - 1):.0f} s left"
        print(f"\r{self.what} [{'#' * filled:<{self.WIDTH}}] {100 * self.done // self.total:3} % {seconds:<12}",
              end="\n" if end else "", file=sys.stderr, flush=True)


def add_customer(rows, number, chance):
    """A customer with an annual commit, of which one year has ended, a credit, and a contract's commit."""
    customer, contract = customer_id(number), part_id(number, "00c0")
    commit, credit, extra = (part_id(number, part) for part in ("0ba1", "0ba2", "0ba3"))
    rows.add("customer", customer, f"Customer {number - FIRST_NUMBER}")
    rows.add("contract", customer, contract, "Main contract")
    rows.add("balance", customer, commit, "PREPAID_COMMIT", None, "Annual commit", PRODUCT, 10)
    rows.add("balance", customer, credit, "CREDIT", None, "Welcome credit", PRODUCT, 1)
    rows.add("balance", customer, extra, "PREPAID_COMMIT", contract, "Contract commit", PRODUCT, 20)

    def segment(balance, part, starting_at, ending_before):
        amount, used = chance.randrange(10_000, 10_000_000), chance.randrange(1, 9_999)
        rows.add("segment", customer, balance, part_id(number, part), amount, starting_at, ending_before)
        return part_id(number, part), f"-{used}.{chance.randrange(100):02}"

    for part, starting_at, ending_before in (("05e1", PAST, PRESENT), ("05e2", PRESENT, FUTURE)):
        used_segment, used = segment(commit, part, starting_at, ending_before)
        rows.add("ledger_entry", customer, commit, used_segment, part_id(number, f"e{part[1:]}"),
                 "PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION", used, starting_at, part_id(number, "0123"), None)
    used_segment, used = segment(credit, "05e3", PRESENT, FUTURE)
    rows.add("ledger_entry", customer, credit, used_segment, part_id(number, "e5e3"),
             "CREDIT_MANUAL", used, PRESENT, None, "Goodwill, corrected")
    used_segment, used = segment(extra, "05e4", PRESENT, FUTURE)
    rows.add("draft_deduction", customer, extra, used_segment, part_id(number, "0124"), used, PRESENT)


def load_customers(connection, progress):
    chance = random.Random(1)
    for first in range(FIRST_NUMBER, FIRST_NUMBER + CUSTOMERS, CUSTOMERS_AT_ONCE):
        rows = Rows()
        for number in range(first, first + CUSTOMERS_AT_ONCE):
            add_customer(rows, number, chance)
        rows.copy(connection)
        progress.add(rows.count)


def load_ledger(connection, number, entries, progress):
    """A customer as all others, with so many entries more. They go to the segments in turn."""
    rows = Rows()
    add_customer(rows, number, random.Random(1))
    rows.copy(connection)
    targets = (("0ba1", "05e1", "PREPAID_COMMIT_MANUAL"), ("0ba1", "05e2", "PREPAID_COMMIT_MANUAL"),
               ("0ba2", "05e3", "CREDIT_MANUAL"), ("0ba3", "05e4", "PREPAID_COMMIT_MANUAL"))
    for first in range(OWN_ENTRIES, entries, ENTRIES_AT_ONCE):
        rows = Rows()
        for nr in range(first, min(first + ENTRIES_AT_ONCE, entries)):
            balance, segment, entry_type = targets[nr % len(targets)]
            rows.add("ledger_entry", customer_id(number), part_id(number, balance), part_id(number, segment),
                     f"be1ed9e4-0000-4000-8000-{nr:012}", entry_type, 1 if nr % 8 < 4 else -1,
                     f"{PRESENT} {nr // 3600 % 24:02}:{nr // 60 % 60:02}:{nr % 60:02}", None, "Correction")
        rows.copy(connection)
        progress.add(rows.count)


def load_ledgers(connection, progress):
    load_ledger(connection, SHORT_NUMBER, SHORT_LEDGER, progress)
    load_ledger(connection, LONG_NUMBER, LONG_LEDGER, progress)
    load_wide(connection, progress)


def load_wide(connection, progress):
    """Customers whose balances fill a page."""
    chance = random.Random(2)
    rows = Rows()
    for number in range(FIRST_WIDE_NUMBER, FIRST_WIDE_NUMBER + WIDE_CUSTOMERS):
        customer = customer_id(number)
        rows.add("customer", customer, f"Wide customer {number - FIRST_WIDE_NUMBER}")
        for nr in range(WIDE_BALANCES):
            balance, segment = part_id(number, f"1b{nr:02}"), part_id(number, f"15{nr:02}")
            rows.add("balance", customer, balance, "CREDIT", None, f"Credit {nr}", PRODUCT, nr)
            rows.add("segment", customer, balance, segment, chance.randrange(10_000, 10_000_000), PRESENT, FUTURE)
    rows.copy(connection)
    progress.add(rows.count)


def load(connect):
    """Writes everything, on two connections that connect() makes: the database is what takes the time."""
    progress = Progress("Loading the data", CUSTOMERS * ROWS_OF_A_CUSTOMER
                        + SHORT_LEDGER + LONG_LEDGER - 2 * OWN_ENTRIES
                        + WIDE_CUSTOMERS * (1 + 2 * WIDE_BALANCES))
    connections = [connect(), connect()]
    for connection in connections:
        with connection, connection.cursor() as cursor:
            # What a crash could lose would be made again.
            cursor.execute("SET search_path = balances; SET synchronous_commit = off")
    with connections[0] as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO product (id, name) VALUES (%s, 'Usage')", (PRODUCT,))
    with ThreadPoolExecutor() as threads:
        parts = [threads.submit(part, connection, progress)
                 for part, connection in zip((load_ledgers, load_customers), connections)]
        for part in parts:
            part.result()

    connection = connections[0]
    connection.autocommit = True
    with connection.cursor() as cursor:
        # Nobody takes the outbox here. Afterwards no vacuum begins in the middle of a measurement.
        cursor.execute("DELETE FROM ledger_change")
        cursor.execute("VACUUM (ANALYZE, FREEZE)")
        cursor.execute("CHECKPOINT")
    for connection in connections:
        connection.close()
