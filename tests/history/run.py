#!/usr/bin/python3
"""Records a history of the real service under faults, and has it judged by checker.py.

    run.py [--seconds N] [--seed S] [--keep DIRECTORY]

Two servers share one PostgreSQL and one Redis, each with its own proxy before Redis. Processes of callers (worker.py)
write and read through both; others write past the service with plain SQL; meanwhile nemesis.py breaks one thing after
the other. Every call goes to a file with its times. When all have stopped and the feed has caught up, the last reads,
the ledger and `balanced verify` are added, and the checker has the say. Exits 1 when it finds a breach.

What is true at each version comes from the database itself: a trigger that only this test has notes the version of
each entry in the transaction that inserts it.

The short run of ctest takes 25 s. A long one, by hand, after a build of the preset:

    BALANCED_BUILD=build/release tests/history/run.py --seconds 600

The seed is printed and repeats the choices, though not how threads and processes take turns. The history is kept where
--keep says, or, after a breach, in a directory that is printed; `checker.py DIRECTORY/*.jsonl` judges it again.
"""

import argparse
import contextlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))

import psycopg2  # noqa: E402

import checker  # noqa: E402
import harness  # noqa: E402
import record  # noqa: E402
from nemesis import Nemesis  # noqa: E402
from redis_proxy import RedisProxy  # noqa: E402
from worker import METHODS, balance_of  # noqa: E402

CUSTOMERS = 6
GRANT = "1000000000000"  # never used up: the floor of a balance would hide what is below it
PROCESSES = 2
CALLERS = {"writers": 2, "sqls": 1, "readers": 3}  # of each process
REDIS_TIMEOUT = "400ms"
LONGEST_FAULT_S = (1.5, 6)  # in short runs, in long ones
LONG_RUN_S = 60

TRUTH = """
    CREATE SCHEMA history;
    CREATE TABLE history.truth (customer_id uuid, id uuid, version bigint);
    CREATE FUNCTION history.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        INSERT INTO history.truth
        SELECT n.customer_id, n.id, v.version FROM new_rows n JOIN balances.ledger_version v USING (customer_id);
        RETURN NULL;
    END $$;
    CREATE TRIGGER zz_history AFTER INSERT ON balances.ledger_entry
        REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION history.note();
"""
LEDGER = """
    SELECT t.version, e.reason, e.id::text, e.amount::text
      FROM balances.ledger_entry e LEFT JOIN history.truth t USING (customer_id, id)
     WHERE e.customer_id = %s ORDER BY 1
"""


class Run:
    """Everything that a history needs, started; close() ends it."""

    def __init__(self, seed, directory):
        self.seed, self.directory = seed, directory
        self.rng = random.Random(seed)
        self.log = record.Log(directory / "run.jsonl")
        self._end = contextlib.ExitStack()
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self):
        postgres = harness.Postgres()
        self._end.callback(postgres.remove)
        postgres.start()
        self.url = harness.migrated(postgres)
        self.connection = psycopg2.connect(self.url, options="-c search_path=balances")
        self._end.callback(self.connection.close)
        self.connection.autocommit = True
        self.customers = self._make_customers()
        self.redis = harness.Redis()
        self._end.callback(self.redis.remove)
        self.redis.start()
        self.links, self.servers = [], []
        for number in range(2):
            link = RedisProxy(self.redis)
            self._end.callback(link.close)
            self.links.append(link)
            server = harness.Server(database_url=f"{self.url}&application_name=server{number}", redis_url=link.url,
                                    redis_timeout=REDIS_TIMEOUT, log_level="warn")
            self._end.callback(self._end_server, server)
            self.servers.append(server)

    def close(self):
        self._end.close()
        self.log.close()

    def _end_server(self, server):
        """Leaves the server's log with the history."""
        server.kill()
        shutil.move(server.log_path, self.directory / f"server-{server.port}.log")

    def sql(self, statement, *values):
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else None

    def _make_customers(self):
        """[[customer, balance, segment], …], each with one credit, whose balance is the customer's."""
        self.sql(TRUTH)
        product = str(uuid.uuid4())
        self.sql("INSERT INTO product (id, name) VALUES (%s, 'Compute')", product)
        made = []
        for _ in range(CUSTOMERS):
            customer, balance, segment = (str(uuid.UUID(int=self.rng.getrandbits(128), version=4)) for _ in range(3))
            self.sql("INSERT INTO customer (customer_id, name) VALUES (%s, 'Ada')", customer)
            self.sql("INSERT INTO balance (customer_id, id, kind, product_id, allow_overdraft)"
                     " VALUES (%s, %s, 'CREDIT', %s, true)", customer, balance, product)
            self.sql("INSERT INTO segment (customer_id, balance_id, id, amount, starting_at, ending_before)"
                     " VALUES (%s, %s, %s, %s, '2020-01-01Z', '2090-01-01Z')", customer, balance, segment, GRANT)
            made.append([customer, balance, segment])
        return made

    def version_of(self, customer):
        return self.sql("SELECT version FROM ledger_version WHERE customer_id = %s", customer)[0][0]

    # The history.

    def play(self, seconds):
        self.log.add("start", seed=self.seed, customers={
            customer: {"grant": GRANT, "version": self.version_of(customer)} for customer, *_ in self.customers})
        processes = [self._start_process(number) for number in range(PROCESSES)]
        try:
            Nemesis(self, self.rng).rage(record.now() + seconds, LONGEST_FAULT_S[seconds > LONG_RUN_S])
        finally:
            for process in processes:
                process.terminate()
            codes = [process.wait(2 * harness.PATIENCE_S) for process in processes]
        assert not any(codes), f"a process of callers failed: {codes}"
        self._last_look()

    def _start_process(self, number):
        plan = {"name": f"p{number}", "seed": self.rng.getrandbits(64), "database": self.url,
                "servers": [server.address for server in self.servers], "customers": self.customers,
                "log": str(self.directory / f"p{number}.jsonl"), **CALLERS}
        path = self.directory / f"p{number}.json"
        path.write_text(json.dumps(plan), encoding="utf-8")
        return subprocess.Popen(harness.dying_with_us("KILL") + ["/usr/bin/python3", HERE / "worker.py", path])

    def _last_look(self):
        """Every method at every level through every server, once the feed has nothing left to tell."""
        harness.wait_until(lambda: self.sql("SELECT count(*) FROM ledger_change") == [(0,)], "the feed to catch up")
        for customer, *_ in self.customers:
            for number, server in enumerate(self.servers):
                for level, consistency in (("default", None), ("full", {"fully_consistent": True})):
                    for method, fields in METHODS:
                        self._look(customer, number, server, level, consistency, method, fields)
            self.log.add("ledger", customer=customer, version=self.version_of(customer),
                         entries=self.sql(LEDGER, customer))
        for server in self.servers:
            server.stop()
        verify = harness.balanced("verify", check=False, database_url=self.url)
        self.log.add("verify", code=verify.returncode, output=verify.stdout + verify.stderr)

    def _look(self, customer, number, server, level, consistency, method, fields):
        begin = record.now()
        answer = server.client().call(method, customer_id=customer, consistency=consistency, **fields)
        self.log.add("read", worker="end", server=number, method=method, level=level, customer=customer, begin=begin,
                     end=record.now(), code="OK", version=record.version_of(answer.consistency_token), final=True,
                     balance=answer.balance if method == "GetNetBalance" else balance_of(answer))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=25)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    directory = options.keep or Path(tempfile.mkdtemp(prefix="balanced-history-"))
    directory.mkdir(exist_ok=True)
    print(f"history in {directory}", flush=True)
    run = Run(options.seed, directory)
    try:
        run.play(options.seconds)
    finally:
        run.close()
    report = checker.check(checker.records_of(sorted(directory.glob("*.jsonl"))))
    print(report.text())
    if report.breaches:
        sys.exit(1)
    if not options.keep:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
