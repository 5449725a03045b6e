#!/usr/bin/python3
"""Judges a recorded history: whether what the service answered can be true.

    checker.py FILE…      the lines of all files together are one history; exits 1 if something is wrong

A pure function of the records, which are dictionaries; times are seconds of one monotonic clock:

    start    seed, customers: {id: {"grant": amount, "version": before the first write}}
    write    worker, via ("service" or "sql"), server (of a service's write), customer, id, amount, begin, end, code;
             with code OK also version and entry (the id of its row, or null). Records with the same id are attempts at
             the same write
    read     worker, server, method, level ("default", "token", "full"), customer, begin, end, code; with level token
             the version that the token names; with code OK version and balance. final: after everything
    fault    name, begin, end; redis: servers whose link to Redis was faulty; calls: servers whose calls could fail;
             feed: whether the change feed could stand still
    ledger   customer, version, entries: [[version, id, entry, amount], …] as the database has them at the end
    verify   code and output of `balanced verify` at the end

The rules, each by the name under which a breach is reported:

    state       an answer is the customer's state at the very version that it names: grant + all entries up to it
    unreached   it names a version that the customer has had
    future      it shows no write that began after the answer had come
    full        a fully consistent answer includes every write acknowledged before the read began
    token       an answer to a token includes the version that the token names
    backwards   in the order of one worker, an answer to its newest token is never older than what it has seen
    stale       an answer of the default level includes every write that the service acknowledged before the read
                began, and every other write FEED_S after its commit. Exempt are writes that were acknowledged through
                a server whose link to Redis was faulty: the feed tells of them, as of those past the service. Where the
                feed could stand still, it has until RECOVER_S after that
    lost        what was acknowledged is in the ledger
    twice       … once
    altered     … with the same amount, version and id
    differing   all attempts at a write that succeed are answered alike
    refused     what was answered with an error that says so did not happen. Codes in OPEN say nothing
    stranger    nothing else is in the ledger
    error       a call fails only where a fault explains it: the server or the database, never Redis
    totals      `balanced verify` finds nothing
    end         the reads after everything show the last version
"""

import bisect
import collections
import json
import sys
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import accumulate

# How long the change feed may take to tell of a write when nothing is wrong: it looks every 10 ms, on a machine
# that may be very busy.
FEED_S = 1.0
# How long after a fault it may take until the feed has caught up: another process takes over, connections are made.
RECOVER_S = 5.0
# How long after a fault a call may still fail, until the client has its connection back.
RECONNECT_S = 3.0
# A fault has ended when servers were seen to use Redis again. What was already on its way then may still be affected.
SETTLE_S = 0.3

OPEN = {"UNKNOWN", "DEADLINE_EXCEEDED", "UNAVAILABLE"}
SHOWN = 10  # breaches of each rule that are printed


@dataclass
class Breach:
    rule: str
    text: str
    records: list


@dataclass
class Report:
    breaches: list = field(default_factory=list)
    counts: collections.Counter = field(default_factory=collections.Counter)
    # Seconds from the acknowledgement of each write to the begin of the last default read that did not show it, by
    # (via, "calm" or "faulty").
    lags: dict = field(default_factory=lambda: collections.defaultdict(list))
    faults: collections.Counter = field(default_factory=collections.Counter)

    @property
    def rules(self):
        return {breach.rule for breach in self.breaches}

    def text(self):
        lines = ["checked:"]
        for (kind, how, code), count in sorted(self.counts.items()):
            lines.append(f"  {kind:5} {how:8} {code:20} {count:9,}")
        lines.append("faults: " + (", ".join(f"{n} × {name}" for name, n in sorted(self.faults.items())) or "none"))
        lines.append("seconds after a write's acknowledgement in which default reads did not show it:")
        for (via, state), lags in sorted(self.lags.items()):
            lags.sort()
            p50, p99 = (lags[min(int(len(lags) * q), len(lags) - 1)] for q in (0.5, 0.99))
            lines.append(f"  {via:8} {state:7} {len(lags):8,} writes  p50 {p50:.3f}  p99 {p99:.3f}  max {lags[-1]:.3f}")
        by_rule = collections.defaultdict(list)
        for breach in self.breaches:
            by_rule[breach.rule].append(breach)
        for rule, breaches in by_rule.items():
            lines.append(f"BREACH of {rule}: {len(breaches)}")
            for breach in breaches[:SHOWN]:
                lines.append(f"  {breach.text}")
                lines += [f"    {json.dumps(record)}" for record in breach.records]
        lines.append(f"{len(self.breaches)} breaches" if self.breaches else "no breach")
        return "\n".join(lines)


class Model:
    """What one customer's state was at each version, from the ledger at the end."""

    def __init__(self, start, ledger):
        self.first, self.last = start["version"], ledger["version"]
        entries = sorted((e for e in ledger["entries"] if e[0] is not None), key=lambda e: e[0])
        self.versions = [e[0] for e in entries]
        self.ids = [e[1] for e in entries]
        self.balances = list(accumulate((Decimal(e[3]) for e in entries), initial=Decimal(start["grant"])))

    def balance_at(self, version):
        return self.balances[bisect.bisect_right(self.versions, version)]

    def last_write_at(self, version):
        """The id of the write that the state at the version shows last, or None."""
        at = bisect.bisect_right(self.versions, version)
        return self.ids[at - 1] if at else None


class Acknowledged:
    """The newest version of any write that was acknowledged before an instant."""

    def __init__(self, writes):
        writes = sorted(writes, key=lambda w: w["end"])
        self._ends = [w["end"] for w in writes]
        self._newest = list(accumulate(writes, lambda a, b: a if a["version"] > b["version"] else b))

    def before(self, instant):
        at = bisect.bisect_left(self._ends, instant)
        return self._newest[at - 1] if at else None


class Checker:
    def __init__(self, records):
        self.report = Report()
        by_kind = collections.defaultdict(list)
        for record in records:
            by_kind[record["kind"]].append(record)
        self.start = by_kind["start"][0]
        self.faults = sorted(by_kind["fault"], key=lambda f: f["begin"])
        self.verify = by_kind["verify"][0]
        self.ledgers = {record["customer"]: record for record in by_kind["ledger"]}
        self.reads = sorted(by_kind["read"], key=lambda r: r["begin"])
        self.writes = sorted(by_kind["write"], key=lambda w: w["begin"])
        self.models = {c: Model(start, self.ledgers[c]) for c, start in self.start["customers"].items()}
        self.attempts = collections.defaultdict(list)
        for write in self.writes:
            self.attempts[write["id"]].append(write)
        # A write is acknowledged by the first attempt that succeeds.
        self.done = {id_: min((a for a in attempts if a["code"] == "OK"), key=lambda a: a["end"], default=None)
                     for id_, attempts in self.attempts.items()}
        self.done = {id_: write for id_, write in self.done.items() if write}

    def breach(self, rule, text, *records):
        self.report.breaches.append(Breach(rule, text, list(records)))

    def run(self):
        self.count()
        for customer, model in self.models.items():
            reads = [r for r in self.reads if r["customer"] == customer and r["code"] == "OK"]
            done = [w for w in self.done.values() if w["customer"] == customer]
            self.check_states(model, reads)
            self.check_full(reads, done)
            self.check_default(reads, done)
            self.check_end(self.ledgers[customer], reads)
            self.check_ledger(customer)
        self.check_tokens()
        self.check_orders()
        self.check_attempts()
        self.check_errors()
        if self.verify["code"] != 0:
            self.breach("totals", "verify found something", self.verify)
        return self.report

    def count(self):
        for record in self.reads:
            self.report.counts["read", record["level"], record["code"]] += 1
        for record in self.writes:
            self.report.counts["write", record["via"], record["code"]] += 1
        self.report.faults.update(fault["name"] for fault in self.faults)

    # Answers.

    def check_states(self, model, reads):
        for read in reads:
            version = read["version"]
            if not model.first <= version <= model.last:
                self.breach("unreached", f"the versions were {model.first} to {model.last}", read)
                continue
            expected = model.balance_at(version)
            if Decimal(read["balance"]) != expected:
                self.breach("state", f"at version {version} the balance was {expected}", read)
            last = model.last_write_at(version)
            if last in self.attempts and self.attempts[last][0]["begin"] > read["end"]:
                self.breach("future", "the write began later", read, self.attempts[last][0])

    def check_full(self, reads, done):
        acknowledged = Acknowledged(done)
        for read in reads:
            newest = acknowledged.before(read["begin"]) if read["level"] == "full" else None
            if newest and newest["version"] > read["version"]:
                self.breach("full", "it does not show a write from before", read, newest)

    def check_tokens(self):
        for read in self.reads:
            if read["level"] == "token" and read["code"] == "OK" and read["version"] < read["token"]:
                self.breach("token", f"the token names version {read['token']}", read)

    def check_orders(self):
        """What each worker saw, in its own order."""
        seen = {}
        for record in sorted(self.reads + self.writes, key=lambda r: r["begin"]):
            if record["code"] != "OK" or record.get("via") == "sql":
                continue
            who = (record["worker"], record["customer"])
            before = seen.get(who)
            if before and record["version"] < before["version"] and record.get("level") == "token":
                self.breach("backwards", "the same worker had seen a newer version", before, record)
            if not before or record["version"] > before["version"]:
                seen[who] = record

    # How long writes stay unseen.

    def check_default(self, reads, done):
        reads = [r for r in reads if r["level"] == "default"]
        # The last read that does not show a version is the last whose oldest version from there on is older.
        oldest_from = list(accumulate(reversed([r["version"] for r in reads]), min))[::-1]
        for write in done:
            at = bisect.bisect_left(oldest_from, write["version"]) - 1
            lag = max(0, reads[at]["begin"] - write["end"]) if at >= 0 else 0
            faulty = self.touched(write) if write["via"] == "service" else self.stalled(write)
            self.report.lags[write["via"], "faulty" if faulty else "calm"].append(lag)
            until = self.shown_from(write)
            if lag and reads[at]["begin"] > until:
                self.breach("stale", f"{lag:.3f} s after the write; {until - write['end']:.3f} s were allowed",
                            reads[at], write)

    def touched(self, write):
        """Whether a server's write was acknowledged while its link to Redis was faulty."""
        return any(write["server"] in f["redis"] and f["begin"] <= write["end"]
                   and write["begin"] <= f["end"] + SETTLE_S for f in self.faults)

    def stalled(self, write):
        """Whether the feed could stand still when it had to tell of a write."""
        return any(f["feed"] and f["begin"] <= write["end"] + FEED_S and write["begin"] <= f["end"] + RECOVER_S
                   for f in self.faults)

    def shown_from(self, write):
        """From when on every default read has to show a write."""
        if write["via"] == "service" and not self.touched(write):
            return write["end"]
        until = write["end"] + FEED_S
        for fault in self.faults:
            if fault["feed"] and fault["begin"] <= until and write["begin"] <= fault["end"] + RECOVER_S:
                until = max(until, fault["end"] + RECOVER_S)
        return until

    # What became of the writes.

    def check_ledger(self, customer):
        found = collections.defaultdict(list)
        for entry in self.ledgers[customer]["entries"]:
            found[entry[1]].append(entry)
        for id_, entries in found.items():
            attempts = self.attempts.get(id_)
            if not attempts or attempts[0]["customer"] != customer:
                self.breach("stranger", f"nobody wrote {entries}")
                continue
            if len(entries) > 1:
                self.breach("twice", f"the ledger has {entries}", *attempts)
            version, _, row, amount = entries[0]
            done = self.done.get(id_)
            if done is None:
                if not any(a["code"] in OPEN for a in attempts):
                    self.breach("refused", f"the ledger has {entries}", *attempts)
            elif done["version"] != version or done["entry"] not in (None, row):
                self.breach("altered", f"the ledger has {entries}", done)
            if Decimal(attempts[0]["amount"]) != Decimal(amount):
                self.breach("altered", f"the ledger has {entries}", *attempts)
        for id_, done in self.done.items():
            if done["customer"] == customer and id_ not in found:
                self.breach("lost", "the ledger does not have it", done)

    def check_attempts(self):
        for attempts in self.attempts.values():
            answers = {(a["version"], a["entry"]) for a in attempts if a["code"] == "OK"}
            if len(answers) > 1:
                self.breach("differing", "one write, several answers", *attempts)

    def check_errors(self):
        for call in self.reads + self.writes:
            if call["code"] == "OK" or call.get("via") == "sql":
                continue
            explained = call["code"] in OPEN and any(
                call["server"] in f["calls"] and f["begin"] <= call["end"]
                and call["begin"] <= f["end"] + RECONNECT_S for f in self.faults)
            if not explained:
                self.breach("error", "no fault explains it", call)

    def check_end(self, ledger, reads):
        final = [r for r in reads if r.get("final")]
        if not final:
            self.breach("end", "nobody looked", {"customer": ledger["customer"]})
        for read in final:
            if read["version"] != ledger["version"]:
                self.breach("end", f"the last version is {ledger['version']}", read)


def check(records):
    """The Report about a history."""
    return Checker(records).run()


def records_of(paths):
    """The records of files of JSON lines. A process that was killed may have left half a line at its end."""
    for path in paths:
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):
                    yield json.loads(line)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: checker.py FILE…")
    report = check(records_of(sys.argv[1:]))
    print(report.text())
    sys.exit(bool(report.breaches))
