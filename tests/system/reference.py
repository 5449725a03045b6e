"""The ledger's arithmetic a second time, for comparison with server/ledger.

Written from the rules of the domain and not from the other implementation: everything is computed
from the entries themselves, with Python's unbounded integers, without running sums, and as plainly
as the rules are worded. Amounts are integers of 10^-12 units, instants integers of microseconds.
"""

import uuid
from dataclasses import dataclass, field
from decimal import Context, Decimal

SCALE = 12
LIMIT = 10**38  # 26 integer and 12 fractional digits
NEVER = None
EXACT = Context(prec=100)

PREPAID, POSTPAID, CREDIT, ACCOUNT = range(4)
ACCESS, ROLLOVER = range(2)

# The order of entries that share an instant.
TYPES = [
    "PREPAID_COMMIT_SEGMENT_START",
    "POSTPAID_COMMIT_INITIAL_BALANCE",
    "CREDIT_SEGMENT_START",
    "PREPAID_COMMIT_SEAT_BASED_ADJUSTMENT",
    "CREDIT_SEAT_BASED_ADJUSTMENT",
    "PREPAID_COMMIT_MANUAL",
    "POSTPAID_COMMIT_MANUAL",
    "CREDIT_MANUAL",
    "ACCOUNT_BALANCE_TRANSACTION",
    "PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION",
    "POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION",
    "CREDIT_AUTOMATED_INVOICE_DEDUCTION",
    "ACCOUNT_BALANCE_DEDUCTION",
    "PREPAID_COMMIT_CANCELED",
    "POSTPAID_COMMIT_CANCELED",
    "CREDIT_CANCELED",
    "ACCOUNT_BALANCE_CANCELED",
    "PREPAID_COMMIT_CREDITED",
    "POSTPAID_COMMIT_CREDITED",
    "CREDIT_CREDITED",
    "PREPAID_COMMIT_ROLLOVER",
    "POSTPAID_COMMIT_ROLLOVER",
    "CREDIT_ROLLOVER",
    "ACCOUNT_BALANCE_ROLLOVER",
    "POSTPAID_COMMIT_TRUEUP",
    "PREPAID_COMMIT_EXPIRATION",
    "POSTPAID_COMMIT_EXPIRATION",
    "CREDIT_EXPIRATION",
    "ACCOUNT_BALANCE_EXPIRATION",
]
RANK = {name: rank for rank, name in enumerate(TYPES)}

START_TYPE = {
    PREPAID: "PREPAID_COMMIT_SEGMENT_START",
    POSTPAID: "POSTPAID_COMMIT_INITIAL_BALANCE",
    CREDIT: "CREDIT_SEGMENT_START",
}
EXPIRATION_TYPE = {
    PREPAID: "PREPAID_COMMIT_EXPIRATION",
    POSTPAID: "POSTPAID_COMMIT_EXPIRATION",
    CREDIT: "CREDIT_EXPIRATION",
    ACCOUNT: "ACCOUNT_BALANCE_EXPIRATION",
}


class OutOfRange(Exception):
    """A result has more digits than an amount may have."""


@dataclass
class Entry:
    id: str
    type: str
    draft: bool
    value: int
    at: int
    segment_id: str = ""


@dataclass
class Segment:
    id: str
    role: int
    starting_at: int
    ending_before: int
    granted: int
    entries: list = field(default_factory=list)


@dataclass
class Balance:
    id: str
    kind: int
    archived: bool = False
    contract_level: bool = False
    allow_overdraft: bool = False
    true_up_disabled: bool = False
    rollover_cap: int = None
    fields: dict = field(default_factory=dict)
    segments: list = field(default_factory=list)


@dataclass
class ListFilter:
    kinds: frozenset = frozenset()  # empty: every kind
    id: str = None
    covering: int = None
    starting_at: int = None
    effective_before: int = None
    contract_level: bool = False
    archived: bool = False
    exclude_zero: bool = False


@dataclass
class NetFilter:
    kinds: frozenset = frozenset()
    ids: list = field(default_factory=list)
    fields: dict = field(default_factory=dict)


def amount_text(value):
    return format(Decimal(value).scaleb(-SCALE, EXACT).normalize(EXACT), "f")


def amount_of(text):
    return int(Decimal(text).scaleb(SCALE, EXACT))


def in_range(value):
    if abs(value) >= LIMIT:
        raise OutOfRange
    return value


def is_active(segment, now):
    return segment.starting_at <= now < segment.ending_before


def remaining(balance, segment, drafts):
    """What the segment was given, and every entry that counts, whatever its date."""
    given = carried(balance, drafts) if segment.role == ROLLOVER else 0
    entries = [e.value for e in segment.entries if drafts or not e.draft]
    return in_range(segment.granted + given + sum(entries))


def carried(balance, drafts):
    """What the access segment leaves to the rollover segment: no debt, and not above the cap."""
    access = [s for s in balance.segments if s.role == ACCESS]
    if not access or not any(s.role == ROLLOVER for s in balance.segments):
        return 0
    left = max(0, remaining(balance, access[0], drafts))
    return left if balance.rollover_cap is None else min(left, balance.rollover_cap)


def balance_now(balance, now, drafts):
    if balance.archived:
        return 0
    left = [remaining(balance, s, drafts) for s in balance.segments if is_active(s, now)]
    return in_range(sum(v if balance.allow_overdraft else max(0, v) for v in left))


def balance_total(balance):
    return in_range(sum(e.value for s in balance.segments for e in s.entries if not e.draft))


def next_change(balance, now):
    borders = [t for s in balance.segments for t in (s.starting_at, s.ending_before)]
    return min((t for t in borders if t > now), default=NEVER)


def derived(balance, segment, now):
    """The entries that nobody stores, those of zero left out."""
    found = []

    def add(name, type_, value, at):
        if value != 0:
            id_ = str(uuid.uuid5(uuid.UUID(segment.id), name))
            found.append(Entry(id_, type_, False, value, at, segment.id))

    if now >= segment.starting_at:
        if balance.kind in START_TYPE:
            add("start", START_TYPE[balance.kind], segment.granted, segment.starting_at)
        if segment.role == ROLLOVER:
            came = carried(balance, True)
            add("rollover-in", "ACCOUNT_BALANCE_ROLLOVER", came, segment.starting_at)
    if now >= segment.ending_before:
        gone = carried(balance, True) if segment.role == ACCESS else 0
        add("rollover-out", "ACCOUNT_BALANCE_ROLLOVER", -gone, segment.ending_before)
        if balance.kind != POSTPAID or balance.true_up_disabled:
            left = remaining(balance, segment, True) - gone
            add("expiration", EXPIRATION_TYPE[balance.kind], -left, segment.ending_before)
    return found


def ledger(balance, now):
    if balance.archived:
        return []
    entries = [e for s in balance.segments for e in s.entries + derived(balance, s, now)]
    return sorted(entries, key=lambda e: (e.at, RANK[e.type], e.id))


def list_selects(f, balance, now):
    def some(condition):
        return any(condition(s.starting_at, s.ending_before) for s in balance.segments)

    if f.kinds and balance.kind not in f.kinds:
        return False
    if f.id is not None and balance.id != f.id:
        return False
    if balance.contract_level and not f.contract_level:
        return False
    if balance.archived and not f.archived:
        return False
    if f.covering is not None and not some(lambda a, b: a <= f.covering < b):
        return False
    if f.starting_at is not None and not some(lambda a, b: b > f.starting_at):
        return False
    if f.effective_before is not None and not some(lambda a, b: a < f.effective_before):
        return False
    return not f.exclude_zero or balance_now(balance, now, True) != 0


def net_selects(filters, balance):
    def selects(f):
        return (
            (not f.kinds or balance.kind in f.kinds)
            and (not f.ids or balance.id in f.ids)
            and all(balance.fields.get(k) == v for k, v in f.fields.items())
        )

    return not filters or any(selects(f) for f in filters)


def net(balances, filters, now, drafts):
    chosen = [b for b in balances if net_selects(filters, b)]
    return in_range(sum(balance_now(b, now, drafts) for b in chosen))
