"""server/ledger against reference.py: random balances, schedules, ledgers and filters, which the
program tests/unit/ledger_calc and the reference must answer alike to the last digit.

LEDGER_SEED repeats a run, LEDGER_CASES sets its length. Case n depends on the seed and n alone.
"""

import os
import random
import subprocess
import uuid
from collections import Counter

import pytest

import harness
import reference as ref

CALC = harness.BUILD / "tests" / "unit" / "ledger_calc"
SEED = os.environ.get("LEDGER_SEED") or str(random.SystemRandom().getrandbits(32))
CASES = int(os.environ.get("LEDGER_CASES", "30000"))
BATCH = 2000  # cases per process

ONE = 10**ref.SCALE
LARGEST = ref.LIMIT - 1
HOUR = 3600 * 10**6
DAY = 24 * HOUR
NOWS = [
    0,
    -1,
    1726790400000000,  # 2024-09-20
    1726790400000001,
    -62135596800000000,  # the first instant of the year 1
    253402300799999999,  # the last of 9999
]

# Stored types of each kind: (sign, type), 0 for either sign.
STORED = {
    ref.PREPAID: [
        (0, "PREPAID_COMMIT_MANUAL"),
        (-1, "PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION"),
        (1, "PREPAID_COMMIT_SEAT_BASED_ADJUSTMENT"),
        (1, "PREPAID_COMMIT_CANCELED"),
        (1, "PREPAID_COMMIT_CREDITED"),
        (-1, "PREPAID_COMMIT_ROLLOVER"),
    ],
    ref.POSTPAID: [
        (0, "POSTPAID_COMMIT_MANUAL"),
        (-1, "POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION"),
        (1, "POSTPAID_COMMIT_CANCELED"),
        (1, "POSTPAID_COMMIT_CREDITED"),
        (-1, "POSTPAID_COMMIT_ROLLOVER"),
        (-1, "POSTPAID_COMMIT_TRUEUP"),
    ],
    ref.CREDIT: [
        (0, "CREDIT_MANUAL"),
        (-1, "CREDIT_AUTOMATED_INVOICE_DEDUCTION"),
        (1, "CREDIT_SEAT_BASED_ADJUSTMENT"),
        (1, "CREDIT_CANCELED"),
        (1, "CREDIT_CREDITED"),
        (-1, "CREDIT_ROLLOVER"),
    ],
    ref.ACCOUNT: [
        (0, "ACCOUNT_BALANCE_TRANSACTION"),
        (-1, "ACCOUNT_BALANCE_DEDUCTION"),
        (1, "ACCOUNT_BALANCE_CANCELED"),
    ],
}


class Case:
    """What one customer has, the instant of the read, and what is asked."""

    def __init__(self, number):
        self.rng = random.Random(f"{SEED}/{number}")
        self.number = number
        self.now = self.rng.choice(NOWS)
        # Few instants, many of them at or next to now, so that borders meet each other and now.
        offsets = [0, 0, 1, -1, 2, -2, HOUR, -HOUR, DAY, -DAY, 30 * DAY, -30 * DAY]
        self.instants = sorted({self.now + d for d in self.rng.sample(offsets, 6)})
        self.balances = [self.balance() for _ in range(self.rng.choice([1, 1, 2, 3]))]
        self.lists = [self.list_filter() for _ in range(2)]
        self.nets = [self.net_filter() for _ in range(self.rng.choice([0, 0, 1, 1, 2, 3]))]

    def flag(self, probability):
        return self.rng.random() < probability

    def id(self):
        return str(uuid.UUID(int=self.rng.getrandbits(128)))

    def instant(self):
        return self.rng.choice(self.instants)

    def amount(self):
        """Positive: one smallest step, small, in whole units, of any length, or the largest."""
        rng = self.rng
        kind = rng.random()
        if kind < 0.15:
            return rng.choice([1, 2, 10, ONE - 1, ONE, ONE + 1])
        if kind < 0.6:
            return rng.randint(1, 2000) * ONE
        if kind < 0.95:
            return rng.randint(1, 10 ** rng.randint(1, 37))
        return LARGEST - rng.choice([0, 0, 1, ONE])

    def balance(self):
        rng = self.rng
        b = ref.Balance(
            id=self.id(),
            kind=rng.choice([ref.PREPAID, ref.POSTPAID, ref.CREDIT, ref.ACCOUNT]),
            archived=self.flag(0.1),
            contract_level=self.flag(0.3),
            allow_overdraft=self.flag(0.3),
        )
        for key in rng.sample(["a", "b", "ab"], rng.choice([0, 1, 2])):
            b.fields[key] = rng.choice(["1", "2", "11"])
        if b.kind == ref.ACCOUNT:
            self.account_segments(b)
        else:
            b.true_up_disabled = b.kind == ref.POSTPAID and self.flag(0.5)
            for _ in range(1 if b.kind == ref.POSTPAID else rng.choice([0, 1, 1, 2, 3])):
                start, end = sorted(rng.sample(self.instants, 2))
                granted = 0 if self.flag(0.1) else self.amount()
                b.segments.append(ref.Segment(self.id(), ref.ACCESS, start, end, granted))
        for s in b.segments:
            for _ in range(rng.choice([0, 1, 2, 3, 6])):
                self.add_entry(b, s)
        # Caps at and around what there is to carry are the ones that matter.
        if any(s.role == ref.ROLLOVER for s in b.segments) and self.flag(0.6):
            access = next(s for s in b.segments if s.role == ref.ACCESS)
            left = sum(e.value for e in access.entries)
            cap = rng.choice([0, left - 1, left, left + 1, left // 2, self.amount()])
            b.rollover_cap = min(max(cap, 0), LARGEST)
        return b

    def account_segments(self, b):
        """One access segment, to which nothing is granted, and perhaps its rollover; any order."""
        if self.flag(0.7):
            start, end, rollover_end = sorted(self.rng.sample(self.instants, 3))
            b.segments.append(ref.Segment(self.id(), ref.ROLLOVER, end, rollover_end, 0))
        else:
            start, end = sorted(self.rng.sample(self.instants, 2))
        b.segments.append(ref.Segment(self.id(), ref.ACCESS, start, end, 0))
        self.rng.shuffle(b.segments)

    def add_entry(self, b, s):
        rng = self.rng
        sign, type_ = rng.choice(STORED[b.kind][:2] if self.flag(0.7) else STORED[b.kind])
        left = s.granted + sum(e.value for e in s.entries)
        value = self.amount() * (sign or rng.choice([1, -1]))
        if self.flag(0.25) and left > 0 and sign <= 0:
            value = -left + rng.choice([0, 0, -1, 1])  # spend it all, to the last step or one off
        draft = "DEDUCTION" in type_ and self.flag(0.5)
        # The database refuses zero, and a running sum that it could not hold.
        same_sum = [e.value for e in s.entries if running_sum(e) == running_sum(type_, draft)]
        if value != 0 and abs(value) < ref.LIMIT and abs(sum(same_sum) + value) < ref.LIMIT:
            s.entries.append(ref.Entry(self.id(), type_, draft, value, self.instant(), s.id))

    def kinds(self):
        return frozenset(self.rng.sample(range(4), self.rng.choice([0, 0, 1, 2, 3])))

    def some_id(self):
        return self.rng.choice([b.id for b in self.balances] + [self.id()])

    def list_filter(self):
        return ref.ListFilter(
            kinds=self.kinds(),
            id=self.some_id() if self.flag(0.15) else None,
            covering=self.instant() if self.flag(0.3) else None,
            starting_at=self.instant() if self.flag(0.3) else None,
            effective_before=self.instant() if self.flag(0.3) else None,
            contract_level=self.flag(0.7),
            archived=self.flag(0.5),
            exclude_zero=self.flag(0.4),
        )

    def net_filter(self):
        f = ref.NetFilter(self.kinds())
        if self.flag(0.3):
            f.ids = [self.some_id() for _ in range(self.rng.choice([1, 2]))]
        if self.flag(0.4):
            for key in self.rng.sample(["a", "b", "ab"], self.rng.choice([1, 1, 2])):
                f.fields[key] = self.rng.choice(["1", "2", "11"])
        return f

    def question(self):
        """The case as ledger_calc reads it."""
        lines = [f"now {self.now}"]
        for b in self.balances:
            cap = "-" if b.rollover_cap is None else ref.amount_text(b.rollover_cap)
            lines.append(
                f"balance {b.id} {b.kind} {b.archived:d} {b.contract_level:d}"
                f" {b.allow_overdraft:d} {b.true_up_disabled:d} {cap}"
            )
            lines += [f"field {k} {v}" for k, v in b.fields.items()]
            for s in b.segments:
                granted = ref.amount_text(s.granted)
                lines.append(f"segment {s.id} {s.role} {s.starting_at} {s.ending_before} {granted}")
                for e in s.entries:
                    value = ref.amount_text(e.value)
                    lines.append(f"entry {e.id} {e.type} {e.draft:d} {value} {e.at}")
        for f in self.lists:
            dates = [f.id, f.covering, f.starting_at, f.effective_before]
            dates = " ".join("-" if d is None else str(d) for d in dates)
            flags = f"{f.contract_level:d} {f.archived:d} {f.exclude_zero:d}"
            lines.append(f"list {bits(f.kinds)} {dates} {flags}")
        for f in self.nets:
            lines.append(f"net {bits(f.kinds)}")
            lines += [f"net-id {i}" for i in f.ids]
            lines += [f"net-field {k} {v}" for k, v in f.fields.items()]
        return lines + ["end"]


def running_sum(entry, draft=None):
    """Which of a segment's sums an entry moves."""
    type_, draft = (entry.type, entry.draft) if draft is None else (entry, draft)
    if "DEDUCTION" in type_:
        return "draft" if draft else "final"
    return "manual" if type_.endswith(("_MANUAL", "_TRANSACTION")) else "other"


def bits(kinds):
    return sum(1 << k for k in kinds)


def told(function, *arguments):
    """A result as ledger_calc prints it."""
    try:
        return ref.amount_text(function(*arguments))
    except ref.OutOfRange:
        return "OUT_OF_RANGE"


def expected_ledger(b, now):
    try:
        for e in ref.ledger(b, now):
            value = ref.amount_text(e.value)
            yield f"entry {b.id} {e.segment_id} {e.at} {e.type} {e.draft:d} {value} {e.id}"
    except ref.OutOfRange:
        yield f"ledger {b.id} OUT_OF_RANGE"


def expected_list(f, balances, now):
    words = ["list"]
    for b in balances:
        try:
            if ref.list_selects(f, b, now):
                words.append(b.id)
        except ref.OutOfRange:
            words.append("OUT_OF_RANGE")
    return " ".join(words)


def expected_answer(case):
    lines = []
    for b in case.balances:
        for s in b.segments:
            with_drafts = told(ref.remaining, b, s, True)
            lines.append(f"remaining {s.id} {with_drafts} {told(ref.remaining, b, s, False)}")
        now_with_drafts = told(ref.balance_now, b, case.now, True)
        now_finalized = told(ref.balance_now, b, case.now, False)
        change = ref.next_change(b, case.now)
        lines.append(
            f"balance {b.id} {now_with_drafts} {now_finalized} {told(ref.balance_total, b)}"
            f" {'never' if change is ref.NEVER else change}"
        )
        lines += expected_ledger(b, case.now)
    lines += [expected_list(f, case.balances, case.now) for f in case.lists]
    net_with_drafts = told(ref.net, case.balances, case.nets, case.now, True)
    net_finalized = told(ref.net, case.balances, case.nets, case.now, False)
    return lines + [f"net {net_with_drafts} {net_finalized}", "end"]


def calculate(questions):
    """Runs ledger_calc over cases given as lines; returns the answer of each, as lines."""
    text = "".join(line + "\n" for lines in questions for line in lines)
    run = subprocess.run([CALC], input=text, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    answers = [a.splitlines() + ["end"] for a in run.stdout.split("end\n")[:-1]]
    assert len(answers) == len(questions)
    return answers


def answered_cases(count):
    """Pairs of a case and ledger_calc's answer to it."""
    for first in range(0, count, BATCH):
        cases = [Case(n) for n in range(first, min(count, first + BATCH))]
        yield from zip(cases, calculate([c.question() for c in cases]))


def explain(case, answer, expected):
    differences = [f"  {a!r} should be {e!r}" for a, e in zip(answer, expected) if a != e]
    return "\n".join(
        [f"seed {SEED}, case {case.number}", *case.question(), "differences:", *differences]
        + ["answered:", *answer, "expected:", *expected]
    )


def entries_of(answer, balance):
    """[type, value] of the balance's ledger as ledger_calc printed it; None if out of range."""
    if f"ledger {balance.id} OUT_OF_RANGE" in answer:
        return None
    words = [line.split() for line in answer if line.startswith(f"entry {balance.id} ")]
    return [(w[4], ref.amount_of(w[6])) for w in words]


def features(case):
    """What a case exercises: the run must have met all of it."""
    for b in case.balances:
        yield f"kind {b.kind}"
        yield "archived" if b.archived else "live"
        if b.fields:
            yield "custom fields"
        if any(s.role == ref.ROLLOVER for s in b.segments):
            yield "rollover without cap" if b.rollover_cap is None else "rollover with cap"
            if b.rollover_cap is not None and ref.carried(b, True) == b.rollover_cap > 0:
                yield "rollover that the cap cuts"
        for s in b.segments:
            yield from segment_features(case, b, s)
        active = [s for s in b.segments if ref.is_active(s, case.now)]
        if len(active) > 1:
            yield "overlapping active segments"
        if ref.balance_now(b, case.now, True) < 0:
            yield "negative balance"
    for f in case.lists:
        if f.exclude_zero and any(ref.balance_now(b, case.now, True) == 0 for b in case.balances):
            yield "zero balance asked about"
    yield f"{len(case.nets)} net filters"


def segment_features(case, b, s):
    if case.now == s.starting_at:
        yield "starts now"
    if case.now == s.ending_before:
        yield "ends now"
    if ref.is_active(s, case.now):
        yield "active"
    else:
        yield "upcoming" if case.now < s.starting_at else "expired"
    left = ref.remaining(b, s, True)
    if left < 0:
        yield "overdraft" if b.allow_overdraft else "debt"
        if case.now >= s.ending_before and b.kind != ref.POSTPAID:
            yield "expired in debt"
    if left == 0 and s.entries:
        yield "spent to the last step"
    for e in s.entries:
        yield e.type
        if e.draft:
            yield "draft"
        if abs(e.value) == 1:
            yield "one smallest step"
        if abs(e.value) >= 10**37:
            yield "26 integer digits"
        if e.at > case.now:
            yield "entry of the future"


FEATURES = {
    *(f"kind {k}" for k in range(4)),
    *(type_ for types in STORED.values() for _, type_ in types),
    *(f"{n} net filters" for n in range(4)),
    *"archived,live,custom fields,rollover with cap,rollover without cap".split(","),
    *"rollover that the cap cuts,overlapping active segments,negative balance".split(","),
    *"zero balance asked about,starts now,ends now,active,upcoming,expired".split(","),
    *"overdraft,debt,expired in debt,spent to the last step,draft".split(","),
    *"one smallest step,26 integer digits,entry of the future,out of range".split(","),
}


@pytest.fixture(autouse=True)
def print_seed():
    print(f"LEDGER_SEED={SEED} LEDGER_CASES={CASES}")


def test_calc_agrees_with_the_reference():
    met = Counter()
    for case, answer in answered_cases(CASES):
        expected = expected_answer(case)
        assert answer == expected, explain(case, answer, expected)
        try:
            met.update(set(features(case)))
        except ref.OutOfRange:
            met["out of range"] += 1
    print(f"{CASES} cases:", ", ".join(f"{what} {n}" for what, n in sorted(met.items())))
    if CASES >= 10000:
        rare = {what for what in FEATURES if met[what] < CASES / 1000}
        assert not rare, f"seed {SEED}: the cases hardly ever met {rare}"


def test_ledger_of_an_expired_balance_sums_to_zero():
    seen = 0
    for case, answer in answered_cases(CASES // 3):
        for b in case.balances:
            ledger = entries_of(answer, b)
            ended = all(case.now >= s.ending_before for s in b.segments)
            lapses = b.kind != ref.POSTPAID or b.true_up_disabled
            if ended and lapses and not b.archived and ledger:
                seen += 1
                total = sum(value for _, value in ledger)
                assert total == 0, explain(case, answer, answer)
    assert seen > CASES // 100


def test_balance_of_one_active_segment_is_the_sum_of_its_ledger():
    seen = 0
    for case, answer in answered_cases(CASES // 3):
        for b in case.balances:
            ledger = entries_of(answer, b)
            if len(b.segments) != 1 or not ref.is_active(b.segments[0], case.now):
                continue
            if b.archived or ledger is None:
                continue
            total = sum(value for _, value in ledger)
            shown = next(a for a in answer if a.startswith(f"balance {b.id} ")).split()[2]
            if shown != "OUT_OF_RANGE" and (total >= 0 or b.allow_overdraft):
                seen += 1
                assert ref.amount_of(shown) == total, explain(case, answer, answer)
    assert seen > CASES // 100


def test_nothing_changes_before_the_next_change():
    """What is answered at an instant is answered until just before the schedule's next border."""
    cases = [Case(n) for n in range(CASES // 10)]
    later = []
    for case in cases:
        changes = [ref.next_change(b, case.now) for b in case.balances]
        changes = [c for c in changes if c is not ref.NEVER]
        until = min(changes) - 1 if changes else case.now + 365 * DAY
        later.append([f"now {until}", *case.question()[1:]])
    before, after = calculate([c.question() for c in cases]), calculate(later)
    for case, a, b in zip(cases, before, after):
        assert a == b, explain(case, b, a)
