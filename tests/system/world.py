"""Customers for the tests: written to a database with plain SQL, and mirrored as objects of reference.py.

    with world.served(postgres) as here:            # a database, a server on it, and a client
        ada = here.customer()
        credit = ada.balance(CREDIT, name="Welcome")
        january = credit.segment("100", here.day(-30), here.day(30))
        january.entry("CREDIT_MANUAL", "-20", reason="goodwill")
        here.flush()                                # everything new, in one transaction
        ref.balance_now(credit, here.now, True)     # what the server has to answer

Schedules begin and end whole days away from the hour in which a test runs, so `here.now` and the server's
clock agree on what is active. Nothing is written before flush(), nothing is written twice.
"""

import contextlib
import datetime
import itertools
import json
import os
import random
import time
import uuid
from dataclasses import dataclass, field

import psycopg2
import psycopg2.extras

import harness
import reference as ref
from reference import ACCOUNT, CREDIT, POSTPAID, PREPAID

USD = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"
HOUR = 3600 * 10**6
DAY = 24 * HOUR
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)

KIND_NAME = {PREPAID: "PREPAID_COMMIT", POSTPAID: "POSTPAID_COMMIT", CREDIT: "CREDIT",
             ACCOUNT: "ACCOUNT_BALANCE"}
WIRE_KIND = {kind: f"BALANCE_TYPE_{name}" for kind, name in KIND_NAME.items()}
DEDUCTION = {PREPAID: "PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION",
             POSTPAID: "POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION",
             CREDIT: "CREDIT_AUTOMATED_INVOICE_DEDUCTION", ACCOUNT: "ACCOUNT_BALANCE_DEDUCTION"}

# What may be stored: (sign, or 0 for either; type; the column that it needs), by kind.
STORED = {
    kind: [(0, f"{name}_MANUAL", "reason"), (-1, DEDUCTION[kind], "invoice_id"),
           (1, f"{name}_CANCELED", "invoice_id"), (1, f"{name}_CREDITED", "invoice_id"),
           (-1, f"{name}_ROLLOVER", "new_contract_id")]
    for kind, name in list(KIND_NAME.items())[:3]}
STORED[PREPAID].append((1, "PREPAID_COMMIT_SEAT_BASED_ADJUSTMENT", None))
STORED[CREDIT].append((1, "CREDIT_SEAT_BASED_ADJUSTMENT", None))
STORED[POSTPAID].append((-1, "POSTPAID_COMMIT_TRUEUP", "invoice_id"))
STORED[ACCOUNT] = [(0, "ACCOUNT_BALANCE_TRANSACTION", "transaction_type_id"),
                   (-1, "ACCOUNT_BALANCE_DEDUCTION", "invoice_id"),
                   (1, "ACCOUNT_BALANCE_CANCELED", "invoice_id")]

# In an order that every foreign key agrees with.
TABLES = ["credit_type", "product", "transaction_type", "customer", "contract", "balance", "segment",
          "invoice_schedule_item", "ledger_entry", "draft_deduction"]


def new_id():
    return str(uuid.uuid4())


def micros(stamp):
    """Microseconds of a Timestamp, which has no finer ones here."""
    assert stamp.nanos % 1000 == 0
    return stamp.seconds * 10**6 + stamp.nanos // 1000


def stamp(at, nanos=0):
    """The Timestamp `nanos` after an instant, as a field of a request."""
    seconds, rest = divmod(at * 1000 + nanos, 10**9)
    return {"seconds": seconds, "nanos": rest}


def array(items):
    """An array as PostgreSQL reads it from text, whatever its type."""
    return "{" + ",".join(json.dumps(str(item)) for item in items) + "}"


def when(at):
    return EPOCH + datetime.timedelta(microseconds=at)


@dataclass(eq=False)
class Entry(ref.Entry):
    columns: dict = field(default_factory=dict)


@dataclass(eq=False)
class Segment(ref.Segment):
    balance: object = field(default=None, repr=False)

    def entry(self, type_, amount, at=None, **columns):
        """An entry of the ledger; without `at` the database dates it at the segment's start."""
        needs = next(n for _, t, n in STORED[self.balance.kind] if t == type_)
        if needs and needs not in columns:
            columns[needs] = {"reason": "because", "transaction_type_id": self.world.transaction_type}.get(
                needs) or self.world.id()
        value = ref.amount_of(amount)
        found = Entry(self.world.id(), type_, False, value, self.starting_at if at is None else at, "",
                      columns)
        return self._keep(found, "ledger_entry", at, id=found.id, type=type_, **columns)

    def draft(self, amount, at, **columns):
        """The deduction of an invoice that is still a draft."""
        columns.setdefault("invoice_id", self.world.id())
        found = Entry("", DEDUCTION[self.balance.kind], True, ref.amount_of(amount), at, "", columns)
        return self._keep(found, "draft_deduction", at, **columns)

    @property
    def world(self):
        return self.balance.customer.world

    def _keep(self, entry, table, at, **columns):
        self.entries.append(entry)
        # The id of a rollover segment is not known before the segments are written.
        self.world.pending(table, lambda: {
            **self.balance.key, "segment_id": self.id, "amount": ref.amount_text(entry.value),
            **({} if at is None else {"timestamp": when(at)}), **columns})
        return entry

    def settle(self):
        """Gives the entries what follows from the segment's id."""
        for entry in self.entries:
            entry.segment_id = self.id
            if entry.draft:
                entry.id = str(uuid.uuid5(uuid.UUID(self.id), entry.columns["invoice_id"]))


@dataclass(eq=False)
class Balance(ref.Balance):
    customer: object = field(default=None, repr=False)
    created_at: int = 0
    credit_type: str = USD

    @property
    def key(self):
        return {"customer_id": self.customer.id, "balance_id": self.id}

    def segment(self, amount, start, end, id_=None):
        world = self.customer.world
        made = Segment(id_ or world.id(), ref.ACCESS, start, end, ref.amount_of(amount), balance=self)
        self.segments.append(made)
        world.insert("segment", **self.key, id=made.id, amount=amount, starting_at=when(start),
                     ending_before=when(end))
        return made


class Customer:
    """Its balances, in the order in which they were made here; `listed` has the order of the lists."""

    def __init__(self, world, id_):
        self.world, self.id, self.balances = world, id_, []

    @property
    def listed(self):
        return sorted(self.balances, key=lambda b: (b.created_at, b.id))

    def contract(self, archived=False):
        contract = self.world.id()
        self.world.insert("contract", customer_id=self.id, id=contract)
        if archived:
            self.world.later("UPDATE contract SET archived_at = now() WHERE id = %s", contract)
        return contract

    def balance(self, kind, *, id_=None, contract=None, contract_archived=False, archived=False,
                created_at=None, fields=None, overdraft=False, true_up_disabled=False, cap=None,
                credit_type=USD, **columns):
        """Writes a balance; `columns` are the table's and are not mirrored."""
        world = self.world
        made = Balance(id_ or world.id(), kind, archived or contract_archived, contract is not None,
                       overdraft, true_up_disabled, None if cap is None else ref.amount_of(cap),
                       fields or {}, [], self, created_at or world.day(-100) + next(world.counter),
                       credit_type)
        if kind == ACCOUNT:
            columns = {"code": f"code-{made.id}", "name": "Top-up", "rollover_amount": cap, **columns}
        else:
            columns = {"product_id": world.product, **columns}
        world.insert("balance", customer_id=self.id, id=made.id, kind=KIND_NAME[kind],
                     contract_id=contract, custom_fields=json.dumps(made.fields),
                     allow_overdraft=overdraft, true_up_disabled=true_up_disabled,
                     created_at=when(made.created_at), credit_type_id=credit_type, **columns)
        if archived:
            world.later("UPDATE balance SET archived_at = now() WHERE id = %s", made.id)
        self.balances.append(made)
        return made

    def account(self, start, end, rollover_end=None, **columns):
        """An account balance: (balance, access segment, rollover segment or None)."""
        if rollover_end is not None:
            columns["rollover_ending_before"] = when(rollover_end)
        balance = self.balance(ACCOUNT, **columns)
        access = balance.segment("0", start, end)
        if rollover_end is None:
            return balance, access, None
        rollover = Segment("", ref.ROLLOVER, end, rollover_end, 0, balance=balance)
        balance.segments.append(rollover)
        return balance, access, rollover


class World:
    """One database: what was and what will be written to it."""

    def __init__(self, url, rng=None):
        self.url = url
        self.rng = rng
        self.now = int(time.time()) // 3600 * HOUR
        self.counter = itertools.count()
        self._new = []  # (table, function that gives the row)
        self._later = []
        self._rolling = []
        self.connect()
        self.product, self.transaction_type, self.euro = self.id(), self.id(), self.id()
        self.insert("product", id=self.product, name="Compute")
        self.insert("transaction_type", id=self.transaction_type, name="Top-up", code="topup")
        self.insert("credit_type", id=self.euro, name="EUR")

    def connect(self):
        self.connection = psycopg2.connect(self.url, options="-c search_path=balances")

    def id(self):
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4)) if self.rng else new_id()

    def day(self, days):
        return self.now + days * DAY

    def customer(self, id_=None):
        made = Customer(self, id_ or self.id())
        self.insert("customer", customer_id=made.id, name="Ada")
        self._rolling.append(made)
        return made

    def insert(self, table, **columns):
        self.pending(table, lambda: columns)

    def pending(self, table, row):
        self._new.append((table, row))

    def later(self, statement, *values):
        """To be run when everything else is written."""
        self._later.append((statement, values))

    def flush(self):
        new, self._new = self._new, []
        later, self._later = self._later, []
        with self.connection, self.connection.cursor() as cursor:
            for table in TABLES:
                if table == "ledger_entry":
                    self._learn_rollovers(cursor)
                self._write(cursor, table, [row() for t, row in new if t == table])
            for statement, values in later:
                cursor.execute(statement, values)

    def run(self, statement, *values):
        """One statement in a transaction of its own."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else cursor.rowcount

    @staticmethod
    def _write(cursor, table, rows):
        shapes = {}
        for row in rows:
            shapes.setdefault(tuple(row), []).append(tuple(row.values()))
        for columns, values in shapes.items():
            psycopg2.extras.execute_values(
                cursor, f"INSERT INTO {table} ({', '.join(columns)}) VALUES %s", values, page_size=1000)

    def _learn_rollovers(self, cursor):
        for customer in self._rolling:
            for balance in customer.balances:
                for segment in balance.segments:
                    if segment.role == ref.ROLLOVER and not segment.id:
                        cursor.execute("SELECT id FROM segment WHERE customer_id = %s AND balance_id = %s"
                                       " AND role = 'ROLLOVER'", (customer.id, balance.id))
                        segment.id = cursor.fetchone()[0]
                    segment.settle()

    def close(self):
        self.connection.close()


class Served(World):
    """A world with a server on its database."""

    server = client = None

    def call(self, method, customer, **fields):
        """The answer to a method about a customer, given as one or as an id."""
        return self.client.call(method, customer_id=getattr(customer, "id", customer), **fields)

    def pages(self, method, customer, **fields):
        """The answers to a method, page by page to the end."""
        seen = set()
        while fields.get("next_page", "first"):
            answer = self.call(method, customer, **fields)
            yield answer
            fields["next_page"] = answer.next_page
            assert answer.next_page not in seen, "the same page again"
            seen.add(answer.next_page)


@contextlib.contextmanager
def served(postgres, rng=None, **settings):
    """A Served on a new database. The server's end is checked, as that of every server."""
    url = harness.migrated(postgres)
    here = Served(url, rng)
    here.flush()
    here.server = harness.Server(database_url=url, **settings)
    try:
        here.client = here.server.client()
        yield here
        here.server.stop()
    finally:
        if here.server.process.poll() is None:
            here.server.kill()
        here.server.log_path.unlink()
        here.close()


# ---------------------------------------------------------------------------------------------
# What the lists have in common, and what answers show


@dataclass(eq=False)
class Method:
    """How one of the three lists calls the fields that all of them have."""

    name: str
    id: str
    contract: str
    kinds: frozenset


LISTS = [
    Method("ListBalances", "id", "include_contract_balances", frozenset(KIND_NAME)),
    Method("ListCredits", "credit_id", "include_contract_credits", frozenset({CREDIT})),
    Method("ListCommits", "commit_id", "include_contract_commits", frozenset({PREPAID, POSTPAID})),
]


def items_of(answer):
    """The balances of a list's answer, whatever their kind."""
    return [getattr(item, item.WhichOneof("kind")) if item.DESCRIPTOR.name == "Balance" else item
            for item in answer.data]


def ids_of(answer):
    return [item.id for item in items_of(answer)]


def entry_name(number):
    kind = harness.messages().LedgerEntry.DESCRIPTOR.fields_by_name["type"].enum_type
    return kind.values_by_number[number].name.removeprefix("LEDGER_ENTRY_TYPE_")


def entry_number(name):
    kind = harness.messages().LedgerEntry.DESCRIPTOR.fields_by_name["type"].enum_type
    return kind.values_by_name[f"LEDGER_ENTRY_TYPE_{name}"].number


EXTRAS = ["invoice_id", "contract_id", "new_contract_id", "reason", "transaction_type_id"]


def shown_entry(entry):
    """A ledger entry of an answer, whole, for comparison with expected_entry()."""
    return (micros(entry.timestamp), entry_name(entry.type), entry.id, entry.amount, entry.draft,
            entry.balance_id, entry.segment_id, *[getattr(entry, name) for name in EXTRAS])


def expected_entry(balance, entry):
    columns = getattr(entry, "columns", {})
    return (entry.at, entry.type, entry.id, ref.amount_text(entry.value), entry.draft, balance.id,
            entry.segment_id, *[columns.get(name, "") for name in EXTRAS])


def expected_ledger(balances, now):
    """The ledger of these balances together, oldest first."""
    found = [expected_entry(b, e) for b in balances for e in ref.ledger(b, now)]
    return sorted(found, key=lambda e: (e[0], ref.RANK[e[1]], e[2]))


# ---------------------------------------------------------------------------------------------
# Random customers


class Population:
    """Random customers of every kind, on few instants, so that borders and entries share them."""

    def __init__(self, here, rng, count):
        self.here, self.rng = here, rng
        self.days = [here.day(d) for d in (-60, -30, -29, -7, -1, 1, 2, 7, 30, 60)]
        self.customers = [self._customer() for _ in range(count)]
        here.flush()

    def flag(self, probability):
        return self.rng.random() < probability

    def amount(self):
        rng = self.rng
        digits = rng.choice(["smallest", "whole", "whole", "fraction", "long"])
        value = {"smallest": rng.choice([1, 2, 10**12 - 1]), "whole": rng.randint(1, 200) * 10**12,
                 "fraction": rng.randint(1, 10**14), "long": rng.randint(1, 10**32)}[digits]
        return ref.amount_text(value)

    def _customer(self):
        customer = self.here.customer()
        customer.contracts = [(customer.contract(archived=a), a) for a in (False, self.flag(0.5))]
        ages = [self.here.day(-100) + n for n in range(3)]
        for _ in range(self.rng.choice([0, 1, 2, 4, 8])):
            self._balance(customer, self.rng.choice(ages))
        return customer

    def _balance(self, customer, created_at):
        rng = self.rng
        kind = rng.choice(list(KIND_NAME))
        contract, contract_archived = rng.choice(customer.contracts) if self.flag(0.4) else (None, False)
        common = {
            "contract": contract, "contract_archived": contract_archived, "archived": self.flag(0.1),
            "created_at": created_at, "overdraft": self.flag(0.3), "name": "Näme",
            "credit_type": rng.choice([USD, USD, USD, self.here.euro]),
            "fields": {k: rng.choice(["1", "2", ""]) for k in rng.sample(["a", "b", "ä"], rng.randint(0, 2))}}
        if kind == ACCOUNT:
            start, end, rollover_end = sorted(rng.sample(self.days, 3))
            rolls = self.flag(0.7)
            balance, *_ = customer.account(start, end, rollover_end if rolls else None, **common,
                                           cap=self.amount() if rolls and self.flag(0.6) else None)
        else:
            balance = customer.balance(kind, **common,
                                       true_up_disabled=kind == POSTPAID and self.flag(0.5))
            for _ in range(1 if kind == POSTPAID else rng.choice([0, 1, 1, 2, 3])):
                start, end = sorted(rng.sample(self.days, 2))
                balance.segment(rng.choice(["0", self.amount(), self.amount()]), start, end)
        for segment in balance.segments:
            for _ in range(rng.choice([0, 1, 2, 5])):
                self._entry(segment)

    def _entry(self, segment):
        rng = self.rng
        sign, type_, _ = rng.choice(STORED[segment.balance.kind])
        left = segment.granted + sum(e.value for e in segment.entries)
        text = ref.amount_text(left) if left > 0 and sign <= 0 and self.flag(0.2) else self.amount()
        if sign == -1 or (sign == 0 and self.flag(0.6)):
            text = f"-{text}"
        if "DEDUCTION" in type_ and self.flag(0.4):
            segment.draft(text, rng.choice(self.days))
        else:
            segment.entry(type_, text, None if self.flag(0.1) else rng.choice(self.days))

    def some_id(self, customer):
        ids = [b.id for b in customer.balances]
        return self.rng.choice(ids) if ids and self.flag(0.9) else self.here.id()

    def instant(self):
        """One of the instants, or right beside it: (microseconds, nanoseconds to add)."""
        return self.rng.choice(self.days) + self.rng.choice([0, 0, 1, -1]), self.rng.choice([0, 0, 1, 999])


def seeded():
    """A random generator whose seed the test prints; BALANCED_SEED repeats a run."""
    seed = os.environ.get("BALANCED_SEED") or str(random.SystemRandom().getrandbits(32))
    print(f"BALANCED_SEED={seed}")
    return random.Random(seed)
