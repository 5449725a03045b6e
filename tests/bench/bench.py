#!/usr/bin/python3
"""Measures the server and prints one table: each row a ratio of two things that took turns in this run, the
median of several rounds, beside the least that it has to be.

    bench.py [ROW…]      all rows, or those named

    hot      GetNetBalance from Redis, with a worker for each processor, beside an echo of the same size by the
             bare C core server of echo.c; where the processors' time goes; and the same with one worker
    list     the same for ListBalances of 25 balances
    lag      the time from the commit of an SQL insert to the end of the first answer that shows it
    miss     GetNetBalance of random customers, all answered by the database, beside pgbench running the
             same statement there at the number of clients that suits it best
    growth   the time that an answer takes over a ledger of 1,000,000 entries, beside one of 10
    draw     DrawDowns of one customer by 64 callers, beside pgbench running one transaction for each with the
             same statements; and DrawDowns of many customers
    memory   what the server holds after a million requests

The database is a private PostgreSQL with the data of data.py, under .dev/bench. It is made once and kept until
the data or the schema changes. BALANCED_BUILD names the build (default build/release), BALANCED_PG_BIN the
directory of the PostgreSQL programs. Whatever else the machine does at the time shows in the figures.
"""

import collections
import hashlib
import json
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import closing
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
os.environ.setdefault("BALANCED_BUILD", str(SOURCE / "build/release"))
sys.path.insert(0, str(SOURCE / "tests/system"))

import data  # noqa: E402
import harness  # noqa: E402

ROUNDS = 5
SECONDS = 4  # of each measurement
CLIENTS = (1, 2, 4, 8, 16, 32, 64)
CLIENTS_SECONDS = 2
GROWTH_ROUNDS = 9
GROWTH_SECONDS = 1
REQUESTS = 1_000_000
LISTS = 100_000  # of these
PORTION = 100_000
HOT_CUSTOMERS = 1_000
INSERTS = 1_000
DRAW_CONNECTIONS, DRAW_STREAMS = 8, 8  # 64 callers
DRAW_CUSTOMERS = 200
CORES = len(os.sched_getaffinity(0))

NET_BALANCE = "/balances.v1.BalanceService/GetNetBalance"
DRAW_DOWN = "/balances.v1.LedgerService/DrawDown"
LIST_BALANCES = "/balances.v1.BalanceService/ListBalances"
USD_CENTS = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"


def say(text):
    print(text, file=sys.stderr, flush=True)


# ---------------------------------------------------------------------------------------------
# The database


class Database(harness.Postgres):
    """The cluster with the data. It stays where it is, and is as durable as it would be in earnest."""

    SETTINGS = {"fsync": "on", "full_page_writes": "on", "shared_buffers": "512MB", "max_wal_size": "2GB",
                "max_connections": 100, "autovacuum": "off"}

    def __init__(self):
        self.bin = harness.postgres_bin()
        self.user = harness.postgres_user()
        self.home = SOURCE / f".dev/bench/postgres-{self.bin.parent.name}"
        self.data = self.home / "data"
        self.log_path = self.home / "log"
        # A socket's path may be short only, and a checkout deep.
        self.sockets = Path(tempfile.mkdtemp(prefix="balanced-bench-"))
        self.settings = {**self.SETTINGS, "unix_socket_directories": self.sockets}
        self.process = None
        self._own(self.sockets)

    def _own(self, directory):
        if self.user:
            os.chown(directory, self.user.pw_uid, self.user.pw_gid)

    def url_of(self, database):
        return f"postgresql:///{database}?host={self.sockets}&user=balanced"

    @property
    def url(self):
        return self.url_of("bench")

    def start_with_data(self):
        """Starts the server, and loads the data where it is not there yet or is not what it should be."""
        loaded = self.home / "loaded"
        wanted = fingerprint()
        if not loaded.exists() or loaded.read_text() != wanted:
            shutil.rmtree(self.home, ignore_errors=True)
            self.home.mkdir(parents=True)
            self._own(self.home)
            subprocess.run(["cp", "-a", self._template(), self.data], check=True)
            self.start()
            with closing(self.connect(self.url_of("postgres"))) as connection:
                connection.autocommit = True
                connection.cursor().execute("CREATE DATABASE bench")
            harness.balanced("migrate", database_url=self.url)
            data.load(lambda: self.connect(self.url))
            loaded.write_text(wanted)
        else:
            self.start()

    def close(self):
        self.stop()
        shutil.rmtree(self.sockets, ignore_errors=True)


def fingerprint():
    """Of all that decides what is in the database."""
    files = [Path(data.__file__), *sorted((SOURCE / "sql/schema").glob("*.sql"))]
    return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()


# ---------------------------------------------------------------------------------------------
# What is measured


class Bench:
    """The server under load, and what it is compared with."""

    def __init__(self, database, scratch):
        self.database = database
        self.scratch = scratch
        self.redis = None
        self.server = harness.Server(database_url=database.url, log_level="warn")
        self.resident_at_start = self.server.resident_kib / 1024
        self.requests = 0  # that the server has answered

    def use_redis(self, workers=1):
        """The server is started anew, with a Redis of its own."""
        if not self.redis:
            self.redis = harness.Redis()
            self.redis.start()
        self.server.stop()
        self.server = harness.Server(database_url=self.database.url, redis_url=self.redis.url, log_level="warn",
                                     workers=workers)

    def close(self):
        self.server.kill()
        if self.redis:
            self.redis.remove()

    def bodies(self, name, numbers, fields=b""):
        """A file of requests, one for each customer: field 1, the customer's id, then `fields`."""
        path = self.scratch / name
        messages = (b"\x0a\x24" + data.customer_id(n).encode() + fields for n in numbers)
        path.write_bytes(b"".join(b"\0" + len(m).to_bytes(4, "big") + m for m in messages))
        return path

    def load(self, method, bodies, *options, address=None):
        """Loads the server, or another, as `options` say. Returns what the generator saw; no call may fail."""
        host, port = (address or self.server.address).rsplit(":", 1)
        program = harness.BUILD / "tests/bench/load"
        done = subprocess.run([program, *map(str, options), host, port, method, bodies],
                              stdout=subprocess.PIPE, check=False)
        if done.returncode:
            raise SystemExit(f"calls failed: {done.stdout.decode()}\n{self.server.log}")
        seen = json.loads(done.stdout)
        self.requests += seen["requests"] if not address else 0
        return seen

    def echo(self, answer_bytes):
        """The bare server that answers with so many bytes; its process, of which `address` is an attribute."""
        address = f"127.0.0.1:{harness.free_port()}"
        process = subprocess.Popen(
            harness.dying_with_us("KILL") + [harness.BUILD / "tests/bench/echo", address, str(answer_bytes)])
        process.address = address
        harness.wait_until(lambda: listens(address), "the echo server to listen")
        return process

    def pgbench(self, script, clients, seconds):
        """Transactions per second, by as many clients, with the settings that the server's sessions have."""
        settings = "-csearch_path=balances -cplan_cache_mode=force_generic_plan -cjit=off"
        done = subprocess.run(
            [self.database.bin / "pgbench", "-n", "-M", "prepared", "-f", script, "-c", str(clients),
             "-j", str(min(clients, CORES)), "-T", str(seconds), "-D", f"credit_type={USD_CENTS}",
             "-D", "now=2025-01-01 00:00:00Z", "-D", "fields=false",
             "-h", self.database.sockets, "-U", "balanced", "bench"],
            env={**os.environ, "PGOPTIONS": settings}, capture_output=True, text=True, check=False)
        figure = re.search(r"tps = ([\d.]+) \(without initial", done.stdout)
        if done.returncode or not figure:
            raise SystemExit(f"pgbench failed: {done.stderr}")
        return float(figure.group(1))


class Row:
    """A line of the table. `good` is whether the figure is what it has to be, None where nothing is asked of it."""

    def __init__(self, name, what, seen, figure, bound, good):
        verdict = "" if good is None else "PASS" if good else "below"
        self.cells = (name, what, seen, figure, bound, verdict)


def all_customers():
    return range(data.FIRST_NUMBER, data.FIRST_NUMBER + data.CUSTOMERS)


def net_balance_script(scratch):
    """The server's own statement with pgbench's variables for its parameters. Those that change are numbers,
    so the customer's id is put together in the statement."""
    text = (SOURCE / "sql/queries/net_balance.sql").read_text()
    variables = {"1": f"('{data.CUSTOMER_PREFIX}' || :customer)::uuid", "2": ":now", "3": ":credit_type",
                 "4": ":fields"}
    text = re.sub(r"^ *--.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"\$(\d)", lambda parameter: variables[parameter[1]], text)
    path = scratch / "net_balance.pgbench"
    last = data.FIRST_NUMBER + data.CUSTOMERS - 1
    path.write_text(f"\\set customer random({data.FIRST_NUMBER}, {last})\n{text.rstrip()};\n")
    return path


def listens(address):
    host, port = address.rsplit(":", 1)
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def processor_seconds(pid):
    """What each thread of a process has used of the processors so far, by its name."""
    used = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        name, _, fields = (task / "stat").read_text().partition("(")[2].rpartition(")")
        user, system = fields.split()[11:13]
        used[name] = used.get(name, 0) + (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return used


def worker_count(workers):
    return "one worker" if workers == 1 else f"{workers} workers"


class Round:
    """What the server, with so many workers, and the echo did in their turns."""

    def __init__(self, bench, method, bodies, echo):
        pids = {"server": bench.server.pid, "redis": bench.redis.process.pid}
        before = {who: processor_seconds(pid) for who, pid in pids.items()}
        seen = bench.load(method, bodies, "--seconds", SECONDS)
        self.rate = seen["per_second"]
        self.spent = collections.Counter()
        for who, pid in pids.items():
            for thread, used in processor_seconds(pid).items():
                part = "redis" if who == "redis" else thread.rstrip(" 0123456789")  # of all workers together
                self.spent[part] += (used - before[who].get(thread, 0)) * 1e6 / seen["requests"]
        self.spent["generator"] = seen["cpu_seconds"] * 1e6 / seen["requests"]
        self.echo = bench.load("/bench.Echo/Echo", bodies, "--seconds", SECONDS, address=echo.address)["per_second"]


def beside_echo(bench, name, what, method, bodies, workers):
    """The row that compares the server with the echo, and the microseconds of processor of a call by thread."""
    bench.use_redis(workers)
    warm = bench.load(method, bodies, "--seconds", CLIENTS_SECONDS)
    size = warm["answer_bytes"] - 5  # without gRPC's prefix
    rounds = []
    echo = bench.echo(size)
    try:
        bench.load("/bench.Echo/Echo", bodies, "--seconds", 1, address=echo.address)
        for nr in range(ROUNDS):
            say(f"{name}, {worker_count(workers)}: round {nr + 1} of {ROUNDS}")
            rounds.append(Round(bench, method, bodies, echo))
    finally:
        echo.kill()
        echo.wait()
    ours, theirs = (statistics.median(rates) for rates in zip(*((r.rate, r.echo) for r in rounds)))
    ratio = statistics.median(r.rate / r.echo for r in rounds)
    floor = workers == CORES
    row = Row(name if floor else "", f"{what} from Redis, {worker_count(workers)} ÷ echo of {size:,} bytes",
              f"{ours:,.0f}/s ÷ {theirs:,.0f}/s", f"{ratio:.2f}", "≥ 0.75" if floor else "",
              ratio >= 0.75 if floor else None)
    return row, {part: statistics.median(r.spent[part] for r in rounds) for part in rounds[0].spent}


def one_for_each_core(bench, name, what, method, bodies):
    """The row with a worker for each processor, where the processors' time goes, and the row with one worker."""
    row, spent = beside_echo(bench, name, what, method, bodies, CORES)
    yield row
    parts = sorted(((us, part) for part, us in spent.items() if us >= 0.05), reverse=True)
    yield Row("", "  of which processor time of a call", ", ".join(f"{part} {us:.1f}" for us, part in parts),
              f"{sum(us for us, _ in parts):.1f} µs", "", None)
    if CORES > 1:
        yield beside_echo(bench, name, what, method, bodies, 1)[0]


def hot(bench):
    bodies = bench.bodies("hot", random.Random(1).sample(all_customers(), HOT_CUSTOMERS))
    yield from one_for_each_core(bench, "hot", "GetNetBalance", NET_BALANCE, bodies)


def list_row(bench):
    numbers = range(data.FIRST_WIDE_NUMBER, data.FIRST_WIDE_NUMBER + data.WIDE_CUSTOMERS)
    bodies = bench.bodies("wide", numbers, b"\x48\x01")  # with balance
    yield from one_for_each_core(bench, "list", f"ListBalances of {data.WIDE_BALANCES} with balance", LIST_BALANCES,
                                 bodies)


def lag(bench):
    bench.use_redis()
    client = bench.server.client()
    customer = data.customer_id(data.SHORT_NUMBER)
    entry = {"customer_id": customer, "balance_id": data.part_id(data.SHORT_NUMBER, "0ba2"),
             "segment_id": data.part_id(data.SHORT_NUMBER, "05e3")}
    lags = []
    with closing(bench.database.connect(bench.database.url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for nr in range(INSERTS):
            if nr % 100 == 0:
                say(f"lag: {nr} of {INSERTS} inserts")
            before = client.call("GetNetBalance", customer_id=customer).balance
            cursor.execute(
                "INSERT INTO balances.ledger_entry (customer_id, balance_id, segment_id, type, amount, reason)"
                " VALUES (%(customer_id)s, %(balance_id)s, %(segment_id)s, 'CREDIT_MANUAL', %(amount)s, 'Lag')",
                {**entry, "amount": 1 if nr % 2 else -1})
            committed = time.monotonic()
            while client.call("GetNetBalance", customer_id=customer).balance == before:
                pass
            lags.append((time.monotonic() - committed) * 1000)
    p50, p99 = (sorted(lags)[INSERTS * percent // 100 - 1] for percent in (50, 99))
    yield Row("lag", f"SQL insert to the first answer that shows it, {INSERTS:,} times",
              f"p50 {p50:.1f} ms, longest {max(lags):.1f} ms", f"p99 {p99:.1f} ms", "≤ 25 ms", p99 <= 25)


def miss(bench):
    bodies = bench.bodies("everybody", all_customers())
    script = net_balance_script(bench.scratch)
    say("miss: looking for pgbench's best number of clients")
    rates = [(bench.pgbench(script, clients, CLIENTS_SECONDS), clients) for clients in 2 * CLIENTS]
    _, clients = max(rates)
    bench.load(NET_BALANCE, bodies, "--seconds", CLIENTS_SECONDS)
    rounds = []
    for nr in range(ROUNDS):
        say(f"miss: round {nr + 1} of {ROUNDS}")
        ours = bench.load(NET_BALANCE, bodies, "--seconds", SECONDS)["per_second"]
        rounds.append((ours, bench.pgbench(script, clients, SECONDS)))
    ours, theirs = (statistics.median(column) for column in zip(*rounds))
    ratio = statistics.median(our / their for our, their in rounds)
    yield Row("miss", f"GetNetBalance, cache off ÷ pgbench -M prepared -c {clients}",
              f"{ours:,.0f}/s ÷ {theirs:,.0f}/s", f"{ratio:.2f}", "≥ 1.00", ratio >= 1)


class Drawn:
    """Customers of this run alone, with more than can be drawn. Their rows are gone afterwards."""

    TABLES = ("draft_deduction", "invoice", "segment", "balance", "customer")

    def __init__(self, connection, count):
        self.connection = connection
        self.customers = [str(uuid.uuid4()) for _ in range(count)]
        self.invoice = str(uuid.uuid4())
        self._run("INSERT INTO balances.customer (customer_id, name) SELECT unnest(%s::uuid[]), 'Drawn'")
        self._run("INSERT INTO balances.balance (customer_id, id, kind, product_id, priority)"
                  f" SELECT u, u, 'CREDIT', '{data.PRODUCT}', 1 FROM unnest(%s::uuid[]) u")
        self._run("INSERT INTO balances.segment (customer_id, balance_id, id, amount, starting_at, ending_before)"
                  f" SELECT u, u, u, 1e20, '{data.PRESENT}Z', '{data.FUTURE}Z' FROM unnest(%s::uuid[]) u")

    def _run(self, statement):
        with self.connection.cursor() as cursor:
            cursor.execute(statement, [self.customers])

    def bodies(self, path, count):
        """A file of requests, each a draw-down of one of the first customers."""
        messages = [harness.messages().DrawDownRequest(
            customer_id=customer, invoice_id=self.invoice, charges=[{"amount": "0.01"}],
            service_period_end={"seconds": 2_000_000_000}).SerializeToString() for customer in self.customers[:count]]
        path.write_bytes(b"".join(b"\0" + len(m).to_bytes(4, "big") + m for m in messages))
        return path

    def script(self, path):
        """One draw-down of the last customer as a transaction: the statements of the server in their order. The
        version is read under its lock, since these clients do not look again when they were overtaken."""
        customer, invoice = f"'{self.customers[-1]}'::uuid", f"ARRAY['{self.invoice}'::uuid]"
        now, none = "'2025-01-01 00:00:00Z'::timestamptz", "ARRAY[]::uuid[]"
        place = f"ARRAY[{customer}]"
        steps = {
            "draw_state": [customer, none, invoice, none, none, f"ARRAY['{USD_CENTS}'::uuid]", now, now],
            "expect_version": [customer, ":version"],
            "put_drafts": [customer, invoice, place, place, "ARRAY[(-(:amount)::bigint)::text]", f"ARRAY[{now}]",
                           "ARRAY[NULL]::text[]"],
            "end_writes": [customer, none, "'DrawDown'", "ARRAY[]::bytea[]", "ARRAY[]::bytea[]"]}
        lock = f"SELECT version FROM ledger_version WHERE customer_id = {customer} FOR UPDATE \\gset"
        path.write_text("\n".join([
            "\\set amount random(1, 1000000000)", "BEGIN;", lock, *(statement_of(*step) for step in steps.items()),
            "END;", ""]))
        return path

    def close(self):
        for table in self.TABLES:
            self._run(f"DELETE FROM balances.{table} WHERE customer_id = ANY (%s::uuid[])")


def statement_of(name, arguments):
    """One of the server's statements with these in place of its parameters."""
    text = re.sub(r"^ *--.*\n", "", (SOURCE / f"sql/queries/{name}.sql").read_text(), flags=re.MULTILINE)
    return re.sub(r"\$(\d+)", lambda parameter: arguments[int(parameter[1]) - 1], text).rstrip() + ";"


def draw(bench):
    options = ("--connections", DRAW_CONNECTIONS, "--streams", DRAW_STREAMS, "--seconds")
    callers = DRAW_CONNECTIONS * DRAW_STREAMS
    with closing(bench.database.connect(bench.database.url)) as connection:
        connection.autocommit = True
        with closing(Drawn(connection, DRAW_CUSTOMERS + 1)) as drawn:
            one, many = (drawn.bodies(bench.scratch / f"draw-{count}", count) for count in (1, DRAW_CUSTOMERS))
            script = drawn.script(bench.scratch / "draw.pgbench")
            say("draw: looking for pgbench's best number of clients")
            _, clients = max((bench.pgbench(script, n, CLIENTS_SECONDS), n) for n in CLIENTS)
            bench.load(DRAW_DOWN, many, *options, CLIENTS_SECONDS)
            rounds = []
            for nr in range(ROUNDS):
                say(f"draw: round {nr + 1} of {ROUNDS}")
                rounds.append((bench.load(DRAW_DOWN, one, *options, SECONDS)["per_second"],
                               bench.pgbench(script, clients, SECONDS),
                               bench.load(DRAW_DOWN, many, *options, SECONDS)["per_second"]))
    ours, theirs, spread = (statistics.median(column) for column in zip(*rounds))
    ratio = statistics.median(our / their for our, their, _ in rounds)
    yield Row("draw", f"DrawDowns of one customer, {callers} callers ÷ pgbench -c {clients}, one transaction each",
              f"{ours:,.0f}/s ÷ {theirs:,.0f}/s", f"{ratio:.1f}", "≥ 10", ratio >= 10)
    yield Row("", f"  of {DRAW_CUSTOMERS} customers, {callers} callers", "", f"{spread:,.0f}/s", "", None)


def growth(bench):
    for method, fields in ((NET_BALANCE, b""), (LIST_BALANCES, b"\x48\x01\x30\x01")):  # with balance, all scopes
        name = method.rpartition("/")[2]
        say(f"growth: {name}")
        long, short = (bench.bodies(f"{name}-{number}", [number], fields)
                       for number in (data.LONG_NUMBER, data.SHORT_NUMBER))
        alone = ("--connections", 1, "--streams", 1, "--seconds", GROWTH_SECONDS)
        rounds = [[bench.load(method, bodies, *alone)["p50_us"] for bodies in (long, short)]
                  for _ in range(GROWTH_ROUNDS)]
        ours, theirs = (statistics.median(column) for column in zip(*rounds))
        ratio = statistics.median(our / their for our, their in rounds)
        yield Row("growth", f"{name}, cache off: {data.LONG_LEDGER:,} entries ÷ {data.SHORT_LEDGER}",
                  f"{ours:,.0f} µs ÷ {theirs:,.0f} µs", f"{ratio:.2f}", "≤ 1.10", ratio <= 1.1)


def memory(bench):
    net = bench.bodies("everybody", all_customers())
    lists = bench.bodies("everybody's", all_customers(), b"\x48\x01\x40\x01\x30\x01")  # ledgers too
    bench.load(LIST_BALANCES, lists, "--requests", LISTS, "--seconds", 600)
    while bench.requests < REQUESTS:
        say(f"memory: {bench.requests:,} of {REQUESTS:,} requests")
        bench.load(NET_BALANCE, net, "--requests", min(PORTION, REQUESTS - bench.requests), "--seconds", 600)
    resident = bench.server.resident_kib / 1024
    yield Row("memory", f"resident set after {bench.requests:,} requests",
              f"{bench.resident_at_start:.1f} MB at its start", f"{resident:.1f} MB", "≤ 48 MB", resident <= 48)


# ---------------------------------------------------------------------------------------------
# The table


def print_table(rows):
    table = [("row", "what", "measured", "figure", "floor", ""), *(row.cells for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table)]
    for cells in table:
        name, what, seen, figure, bound, verdict = cells
        print(f"{name:<{widths[0]}}  {what:<{widths[1]}}  {seen:>{widths[2]}}  {figure:>{widths[3]}}  "
              f"{bound:<{widths[4]}}  {verdict}".rstrip())


def main():
    # Those without a cache come first: the server is started anew for the others.
    rows = {"miss": miss, "growth": growth, "draw": draw, "memory": memory, "hot": hot, "list": list_row, "lag": lag}
    names = [name for name in rows if name in (sys.argv[1:] or rows)]
    if not set(sys.argv[1:]) <= set(rows):
        raise SystemExit(f"usage: bench.py [{'|'.join(rows)}]…")
    with closing(Database()) as database, tempfile.TemporaryDirectory(prefix="balanced-bench-") as scratch:
        database.start_with_data()
        bench = Bench(database, Path(scratch))
        try:
            results = [row for name in names for row in rows[name](bench)]
        finally:
            bench.close()
    print_table(results)


if __name__ == "__main__":
    main()
