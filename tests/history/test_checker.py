"""The checker finds nothing in a good history, and each fault that is planted in one.

The good history is that of a model: a service that never errs, asked by workers who overlap. Its default reads are
as old as they may be, so that whatever is older than that is too old.
"""

import copy
import heapq
import random
import uuid
from decimal import Decimal

import pytest

import checker

SECONDS = 30
FAULTS = [
    {"name": "slow", "redis": [0], "calls": [], "feed": True, "begin": 8.0, "end": 10.0},
    {"name": "killed", "redis": [1], "calls": [1], "feed": True, "begin": 20.0, "end": 21.0}]


class Service:
    """The model. Time is what it is told."""

    FEED_S = 0.1

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.records = []
        self.customers = {str(uuid.UUID(int=n)): {"grant": "1000", "version": 5} for n in range(2)}
        self.entries = {c: [] for c in self.customers}
        self.version = {c: s["version"] for c, s in self.customers.items()}
        self.acknowledged = {c: [] for c in self.customers}  # (when a default read has to show it, version)
        self.seen = {}
        self.events = []
        self.add("start", seed=seed, customers=self.customers)
        for nr in range(6):
            self.at(self.rng.random() / 10, self.begin, f"w{nr}")
        while self.events:
            self.time, _, function, arguments = heapq.heappop(self.events)
            function(*arguments)
        for customer, entries in self.entries.items():
            for level in ("default", "full"):
                self.finish_read({"worker": "end", "server": 0, "method": "GetNetBalance", "level": level,
                                  "customer": customer, "begin": self.time, "final": True}, self.version[customer])
            self.add("ledger", customer=customer, version=self.version[customer], entries=entries)
        for fault in FAULTS:
            self.add("fault", **fault)
        self.add("verify", code=0, output="")

    def add(self, kind, **fields):
        self.records.append({"kind": kind, **fields})

    def at(self, time, function, *arguments):
        heapq.heappush(self.events, (time, len(self.records) + self.rng.random(), function, arguments))

    def later(self, function, *arguments):
        self.at(self.time + self.rng.uniform(0.001, 0.025), function, *arguments)

    def begin(self, worker):
        if self.time > SECONDS:
            return
        customer = self.rng.choice(list(self.customers))
        call = {"worker": worker, "server": self.rng.randrange(2), "customer": customer, "begin": self.time}
        if self.rng.random() < 0.3:
            amount = str(Decimal(self.rng.randint(-10**9, 10**9)).scaleb(-6))
            via = self.rng.choice(["service", "service", "sql"])
            call.update(via=via, id=str(uuid.UUID(int=self.rng.getrandbits(128))), amount=amount)
            self.later(self.write, call)
            return
        call["method"], call["level"] = "GetNetBalance", self.rng.choice(["default", "default", "token", "full"])
        if call["level"] == "token":
            call["token"] = self.seen.get((worker, customer), 5)
        self.later(self.read, call)

    def fault_at(self, server):
        return next((f for f in FAULTS if server in f["redis"] and f["begin"] <= self.time <= f["end"]), None)

    def write(self, call):
        """Takes place, or fails before or after it has."""
        fault = self.fault_at(call["server"])
        fails = bool(call["via"] == "service" and fault and fault["calls"] and self.rng.random() < 0.5)
        entries = self.entries[call["customer"]]
        done = next((e for e in entries if e[1] == call["id"]), None)
        if not done and not (fails and self.rng.random() < 0.5):
            self.version[call["customer"]] += 1
            done = [self.version[call["customer"]], call["id"], str(uuid.UUID(int=self.rng.getrandbits(128))),
                    call["amount"]]
            entries.append(done)
        self.later(self.finish_write, call, None if fails else done)

    def finish_write(self, call, done):
        if done:
            self.add("write", **call, end=self.time, code="OK", version=done[0], entry=done[2])
            shown = self.time
            if call["via"] == "sql":
                shown += self.FEED_S
            else:
                self.see(call, done[0])
                if fault := self.fault_at(call["server"]):
                    shown = fault["end"] + 1
            self.acknowledged[call["customer"]].append((shown, done[0]))
            self.later(self.begin, call["worker"])
        else:
            self.add("write", **call, end=self.time, code="UNAVAILABLE")
            self.later(self.write, {**call, "server": 0, "begin": self.time})

    def read(self, call):
        version = self.version[call["customer"]]
        if call["level"] == "default":
            version = max((v for shown, v in self.acknowledged[call["customer"]] if shown < call["begin"]), default=5)
        self.later(self.finish_read, call, version)

    def finish_read(self, call, version):
        balance = Decimal(1000) + sum(Decimal(e[3]) for e in self.entries[call["customer"]] if e[0] <= version)
        self.add("read", **call, end=self.time, code="OK", version=version, balance=str(balance))
        self.see(call, version)
        if not call.get("final"):
            self.later(self.begin, call["worker"])

    def see(self, call, version):
        who = (call["worker"], call["customer"])
        self.seen[who] = max(self.seen.get(who, 0), version)


@pytest.fixture(scope="module", params=[1, 2, 3])
def recorded(request):
    return Service(request.param).records


@pytest.fixture
def good(recorded):
    return copy.deepcopy(recorded)


def of(records, kind, **fields):
    """The records of a kind with these fields, in the middle of the history and away from faults."""
    return [r for r in records if r["kind"] == kind and all(r.get(k) == v for k, v in fields.items())
            and 11 < r.get("begin", 12) < 19]


def ledger_of(records, customer):
    return next(r for r in records if r["kind"] == "ledger" and r["customer"] == customer)


def states(records, customer):
    """The balance at each version."""
    model = checker.Model({"grant": "1000", "version": 5}, ledger_of(records, customer))
    return {v: str(model.balance_at(v)) for v in range(5, model.last + 1)}


def answer(records, read, version):
    """Lets a read answer with the true state at a version."""
    read.update(version=version, balance=states(records, read["customer"])[version])


def found(records, *rules):
    """Asserts that these rules are found to be broken, and no others."""
    report = checker.check(records)
    assert report.rules == set(rules), report.text()


def test_good_history_has_no_breach(good):
    report = checker.check(good)
    assert not report.breaches, report.text()
    assert report.counts["read", "default", "OK"] > 500 and report.counts["write", "sql", "OK"] > 100
    assert report.counts["write", "service", "UNAVAILABLE"] > 0
    assert max(report.lags["service", "calm"]) == 0 < max(report.lags["service", "faulty"])
    assert 0 < max(report.lags["sql", "calm"]) <= Service.FEED_S
    assert "no breach" in report.text()


def test_order_of_the_records_does_not_matter(good):
    random.Random(1).shuffle(good)
    assert not checker.check(good).breaches


@pytest.mark.parametrize("level", ["default", "token", "full"])
def test_wrong_balance_is_found(good, level):
    read = of(good, "read", level=level)[0]
    read["balance"] = str(Decimal(read["balance"]) + Decimal("0.000001"))
    found(good, "state")


def test_balance_of_another_version_is_found(good):
    read = of(good, "read", level="full")[5]
    read["balance"] = states(good, read["customer"])[read["version"] - 1]
    found(good, "state")


def test_answer_of_another_customer_is_found(good):
    read = of(good, "read", level="full")[5]
    other = next(r for r in of(good, "read") if r["customer"] != read["customer"])
    read["balance"] = other["balance"]
    found(good, "state")


def test_version_that_never_was_is_found(good):
    read = of(good, "read", level="full")[0]
    read["version"] = ledger_of(good, read["customer"])["version"] + 1
    assert "unreached" in checker.check(good).rules
    read["version"] = 4
    assert "unreached" in checker.check(good).rules


def test_state_from_the_future_is_found(good):
    read = of(good, "read", level="default")[0]
    answer(good, read, ledger_of(good, read["customer"])["version"])
    assert "future" in checker.check(good).rules


def test_fully_consistent_read_that_misses_a_write_is_found(good):
    for via in ("service", "sql"):
        records = copy.deepcopy(good)
        write = of(records, "write", via=via, code="OK")[3]
        read = next(r for r in of(records, "read", level="full", customer=write["customer"])
                    if r["begin"] > write["end"])
        answer(records, read, write["version"] - 1)
        found(records, "full")


def test_token_that_is_not_honoured_is_found(good):
    read = next(r for r in of(good, "read", level="token") if r["token"] > 6)
    answer(good, read, read["token"] - 1)
    found(good, "token", "backwards")


def test_version_that_goes_back_is_found_whatever_token_was_passed(good):
    read = next(r for r in of(good, "read", level="token") if r["token"] > 6)
    answer(good, read, read["token"] - 1)
    read["token"] -= 1
    found(good, "backwards")


def lonely(records, via, server, at):
    """A write at an instant, the only one that its customer ever had."""
    customer, id_, row = (str(uuid.uuid4()) for _ in range(3))
    records[0]["customers"][customer] = {"grant": "10", "version": 1}
    write = {"kind": "write", "worker": "planted", "via": via, "server": server, "customer": customer, "id": id_,
             "amount": "5", "begin": at - 0.001, "end": at, "code": "OK", "version": 2, "entry": row}
    records.append(write)
    records.append({"kind": "ledger", "customer": customer, "version": 2, "entries": [[2, id_, row, "5"]]})
    records.append(read_of(write, 100, True, final=True))
    return write


def read_of(write, lag, shown, **fields):
    """A default read through the other server, `lag` seconds after a lonely write."""
    return {"kind": "read", "worker": "planted", "server": 1 - write["server"], "method": "GetNetBalance",
            "level": "default", "customer": write["customer"], "begin": write["end"] + lag,
            "end": write["end"] + lag + 0.001, "code": "OK", "version": 1 + shown, "balance": "15" if shown else "10",
            **fields}


# As they are in FAULTS: the feed has until then.
RECOVERED = [fault["end"] + checker.RECOVER_S for fault in FAULTS]


@pytest.mark.parametrize("via, server, at, until", [
    pytest.param("service", 0, 16, 16, id="through the service: at once"),
    pytest.param("sql", 0, 16, 16 + checker.FEED_S, id="past the service: by the feed"),
    pytest.param("service", 0, 9, RECOVERED[0], id="the writer's link was faulty: by the feed, once it has recovered"),
    pytest.param("service", 1, 9, 9, id="another server's link was faulty: at once"),
    pytest.param("service", 0, 20.5, 20.5, id="another server was killed: at once"),
    pytest.param("sql", 0, 20.5, RECOVERED[1], id="the feed may have been killed: once it has recovered"),
    pytest.param("service", 0, 10 + checker.SETTLE_S - 0.01, RECOVERED[0], id="just after a fault: as in it"),
    pytest.param("service", 0, 10 + checker.SETTLE_S + 0.01, 10 + checker.SETTLE_S + 0.01, id="after a fault: at once"),
])
def test_default_read_that_misses_a_write_for_too_long_is_found(good, via, server, at, until):
    write = lonely(good, via, server, at)
    if until > at:
        good.append(read_of(write, until - at - 0.01, False))
    good.append(read_of(write, until - at + 0.01, True))
    found(good)
    good.append(read_of(write, until - at + 0.01, False))
    found(good, "stale")


def test_lost_write_is_found(good):
    write = of(good, "write", via="service", code="OK")[3]
    entries = ledger_of(good, write["customer"])["entries"]
    entries[:] = [e for e in entries if e[1] != write["id"]]
    assert {"lost", "state"} <= checker.check(good).rules


def test_write_that_took_place_twice_is_found(good):
    for id_ in [w["id"] for w in good if w["kind"] == "write" and w["code"] == "UNAVAILABLE"][:5]:
        records = copy.deepcopy(good)
        write = next(w for w in records if w["kind"] == "write" and w["id"] == id_)
        ledger = ledger_of(records, write["customer"])
        entry = next(e for e in ledger["entries"] if e[1] == id_)
        ledger["version"] += 1
        ledger["entries"].append([ledger["version"], id_, str(uuid.uuid4()), entry[3]])
        found(records, "twice", "end")


@pytest.mark.parametrize("place, value", [(0, 7), (2, "another row"), (3, "0.5")])
def test_entry_that_differs_from_what_was_acknowledged_is_found(good, place, value):
    write = of(good, "write", via="service", code="OK")[3]
    next(e for e in ledger_of(good, write["customer"])["entries"] if e[1] == write["id"])[place] = value
    assert "altered" in checker.check(good).rules


def test_retry_with_another_answer_is_found(good):
    write = of(good, "write", via="service", code="OK")[3]
    again = {**write, "begin": write["end"], "end": write["end"] + 0.1, "version": write["version"] + 1}
    good.append(again)
    assert "differing" in checker.check(good).rules


def test_entry_that_nobody_wrote_is_found(good):
    ledger = next(r for r in good if r["kind"] == "ledger")
    ledger["version"] += 1
    ledger["entries"].append([ledger["version"], "nobody's", str(uuid.uuid4()), "1"])
    found(good, "stranger", "end")


@pytest.mark.parametrize("code, rules", [
    ("FAILED_PRECONDITION", {"refused", "error"}), ("INTERNAL", {"refused", "error"}), ("UNAVAILABLE", {"error"})])
def test_write_that_was_refused_but_took_place_is_found(good, code, rules):
    write = of(good, "write", via="service", code="OK")[3]
    write["code"] = code
    found(good, *rules)


def test_error_that_no_fault_explains_is_found(good):
    of(good, "read", level="default")[3]["code"] = "UNAVAILABLE"
    found(good, "error")


def test_error_of_a_call_while_only_redis_was_away_is_found(good):
    read = next(r for r in good if r["kind"] == "read" and 8 < r["begin"] < 10 and r["server"] == 0)
    read["code"] = "DEADLINE_EXCEEDED"
    found(good, "error")


def test_drift_of_totals_is_found(good):
    next(r for r in good if r["kind"] == "verify")["code"] = 1
    found(good, "totals")


def test_last_read_that_is_not_of_the_last_state_is_found(good):
    read = next(r for r in good if r.get("final") and r["level"] == "default")
    answer(good, read, read["version"] - 1)
    assert "end" in checker.check(good).rules


def test_history_without_a_last_look_is_no_proof(good):
    found([r for r in good if not r.get("final")], "end")


def test_breach_is_told_with_its_records(good):
    read = of(good, "read", level="full")[0]
    read["balance"] = "0.123"
    text = checker.check(good).text()
    assert "BREACH of state: 1" in text and '"balance": "0.123"' in text and "1 breaches" in text


def test_half_a_line_at_the_end_of_a_file_is_left_out(tmp_path):
    (tmp_path / "a").write_text('{"kind": "read"}\n{"kind": "re')
    assert list(checker.records_of([tmp_path / "a"])) == [{"kind": "read"}]
