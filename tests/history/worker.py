#!/usr/bin/python3
"""One process of callers, who write and read until SIGTERM and log each call: see run.py, which starts it.

    worker.py PLAN        a file of JSON: name, seed, servers (addresses), database (URL), log (path),
                          customers ([[customer, balance, segment], …]), and how many writers, sqls and readers

    writer        adds a manual entry through a server; tries again, with the same request_id and at any server, until
                  it hears what became of it; then mostly reads, to see whether it shows
    SQL writer    inserts an entry past the service, learns the version in the same transaction, then reads
    reader        reads: some customer, some method, at some level; it passes the newest token that it has seen
"""

import contextlib
import json
import random
import signal
import sys
import threading
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))

import grpc  # noqa: E402
import psycopg2  # noqa: E402

import checker  # noqa: E402
import harness  # noqa: E402
import record  # noqa: E402

CALL_S = 3  # the deadline of each call
RETRY_S = 0.05
WRITE_PAUSE_S = 0.15  # on average; between writes answers get cached
SQL_PAUSE_S = 0.15
# Clients are to find a server again soon after it was restarted.
RECONNECT = {"grpc.initial_reconnect_backoff_ms": 100, "grpc.min_reconnect_backoff_ms": 100,
             "grpc.max_reconnect_backoff_ms": 300}

LEVELS = ["default"] * 12 + ["token"] * 5 + ["full"] * 3
METHODS = [("GetNetBalance", {}), ("GetNetBalance", {}), ("ListBalances", {"include_balance": True}),
           ("ListCredits", {"include_balance": True, "limit": 3})]


class Worker(threading.Thread):
    def __init__(self, plan, name, seed, log):
        super().__init__(name=name)
        self.plan, self.log, self.rng = plan, log, random.Random(seed)
        self.clients = [harness.Client(address, **RECONNECT) for address in plan["servers"]]
        self.newest = {}  # by customer: (version, token)
        self.failure = None

    def run(self):
        try:
            while not stopping.is_set():
                self.turn(*self.rng.choice(self.plan["customers"]))
        except BaseException as failure:  # a bug of the test's own, which main() reports
            self.failure = failure
            raise
        finally:
            for client in self.clients:
                client.close()

    def pause(self, mean_s):
        stopping.wait(self.rng.expovariate(1 / mean_s))

    def call(self, method, **fields):
        """One call to some server: its answer, or None, and what the record of it is to have."""
        said = {"server": self.rng.randrange(len(self.clients)), "begin": record.now()}
        try:
            answer = self.clients[said["server"]].call(method, timeout_s=CALL_S, **fields)
            said["code"] = "OK"
        except grpc.RpcError as error:
            answer = None
            said.update(code=error.code().name, message=error.details())
        return answer, {**said, "end": record.now()}

    def see(self, customer, token):
        version = record.version_of(token)
        self.newest[customer] = max(self.newest.get(customer, (0, "")), (version, token))
        return version

    def read(self, customer, level=None):
        """One read; returns the version it showed, or None."""
        level = level or self.rng.choice(LEVELS)
        if level == "token" and customer not in self.newest:
            level = "default"
        version, token = self.newest.get(customer, (0, ""))
        consistency = {"default": None, "token": {"at_least_as_fresh": token}, "full": {"fully_consistent": True}}
        method, fields = self.rng.choice(METHODS)
        answer, said = self.call(method, customer_id=customer, consistency=consistency[level], **fields)
        if level == "token":
            said["token"] = version
        if answer:
            said["version"] = self.see(customer, answer.consistency_token)
            said["balance"] = answer.balance if method == "GetNetBalance" else balance_of(answer)
        self.log.add("read", worker=self.name, method=method, level=level, customer=customer, **said)
        if not answer:
            time.sleep(RETRY_S)
        return said.get("version")


def balance_of(answer):
    [item] = answer.data
    return (getattr(item, item.WhichOneof("kind")) if item.DESCRIPTOR.name == "Balance" else item).balance


class Reader(Worker):
    def turn(self, customer, *_):
        self.read(customer)


class Writer(Worker):
    def turn(self, customer, balance, segment):
        """A write, until it is known what became of it, or for certain that it will not be."""
        id_, amount = self.new_write()
        deadline = record.now() + harness.PATIENCE_S
        code = None
        while code is None or code in checker.OPEN and record.now() < deadline:
            answer, said = self.call(
                "AddManualLedgerEntry", customer_id=customer, id=balance, segment_id=segment, amount=amount,
                reason=id_, request_id=id_)
            if answer:
                said.update(version=self.see(customer, answer.consistency_token), entry=answer.entry_id)
            self.log.add("write", worker=self.name, via="service", customer=customer, id=id_, amount=amount, **said)
            code = said["code"]
            if not answer:
                time.sleep(RETRY_S)
        for level in self.rng.choice([[], ["default"], ["default"], ["token"], ["full"]]):
            self.read(customer, level)
        self.pause(WRITE_PAUSE_S)

    def new_write(self):
        """An id, and an amount after which the balance is one that it never was."""
        value = self.rng.randint(-10**13, 10**13) * 10 + self.rng.randint(1, 9)
        sign, digits = "-" if value < 0 else "", f"{abs(value):013}"
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4)), f"{sign}{digits[:-12]}.{digits[-12:]}"


class SqlWriter(Writer):
    connection = None

    def turn(self, customer, balance, segment):
        id_, amount = self.new_write()
        begin = record.now()
        said = {"code": "OK"}
        try:
            if not self.connection:
                self.connection = psycopg2.connect(self.plan["database"], options="-c search_path=balances")
            with self.connection, self.connection.cursor() as cursor:
                cursor.execute("INSERT INTO ledger_entry (customer_id, balance_id, segment_id, type, amount, reason)"
                               " VALUES (%s, %s, %s, 'CREDIT_MANUAL', %s, %s) RETURNING id",
                               (customer, balance, segment, amount, id_))
                said["entry"] = cursor.fetchone()[0]
                cursor.execute("SELECT version FROM ledger_version WHERE customer_id = %s", (customer,))
                said["version"] = cursor.fetchone()[0]
        except psycopg2.Error:
            # Whether it was the commit that failed does not matter: nobody will say what became of it.
            said = {"code": "UNKNOWN"}
            with contextlib.suppress(psycopg2.Error, AttributeError):
                self.connection.close()
            self.connection = None
        self.log.add("write", worker=self.name, via="sql", server=None, customer=customer, id=id_, amount=amount,
                     begin=begin, end=record.now(), **said)
        for _ in range(3):
            self.read(customer, "default")
        self.pause(SQL_PAUSE_S)


stopping = threading.Event()


def main(plan):
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    rng = random.Random(plan["seed"])
    log = record.Log(plan["log"])
    harness.messages()
    workers = [kind(plan, f"{plan['name']}-{name}{nr}", rng.getrandbits(64), log)
               for kind, name in ((Writer, "writer"), (SqlWriter, "sql"), (Reader, "reader"))
               for nr in range(plan[f"{name}s"])]
    for worker in workers:
        worker.start()
    while not stopping.wait(0.5):
        if any(worker.failure for worker in workers):
            break
    stopping.set()
    for worker in workers:
        worker.join()
    log.close()
    sys.exit(any(worker.failure for worker in workers))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
