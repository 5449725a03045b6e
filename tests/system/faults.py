"""What the tests of faults share: a customer whose answer is known, a database made slow on purpose, a load
that judges every answer, and what the server holds open.

An answer counts as right only if it is the customer's balance to the digit; an error only if it is one of
those that the test expects. How long things took is printed (pytest -s shows it) and never judged, but for
PATIENCE_S, within which everything must have ended.
"""

import collections
import contextlib
import re
import threading
import time
import uuid
from pathlib import Path

import grpc
import psycopg2

from harness import PATIENCE_S, Client, wait_until

NET = "GetNetBalance"
BALANCE = "1250.5"
LOAD_CALLERS = 8

OK = "OK"
UNAVAILABLE = "UNAVAILABLE"
DEADLINE = "DEADLINE_EXCEEDED"
CANCELLED = "CANCELLED"
EXHAUSTED = "RESOURCE_EXHAUSTED"


def execute(url, *statements):
    """Runs statements, each in a transaction of its own, and returns the rows of the last."""
    with contextlib.closing(psycopg2.connect(url, application_name="test")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else None


def new_customer(url):
    """A customer who can spend BALANCE."""
    customer, product = str(uuid.uuid4()), str(uuid.uuid4())
    execute(
        url,
        f"INSERT INTO balances.product (id, name) VALUES ('{product}', 'Compute')",
        f"INSERT INTO balances.customer (customer_id, name) VALUES ('{customer}', 'Faulty')",
        f"""WITH b AS (INSERT INTO balances.balance (customer_id, kind, product_id)
                       VALUES ('{customer}', 'PREPAID_COMMIT', '{product}') RETURNING id)
            INSERT INTO balances.segment (customer_id, balance_id, amount, starting_at, ending_before)
            SELECT '{customer}', id, {BALANCE}, '2020-01-01Z', '2090-01-01Z' FROM b""")
    return customer


@contextlib.contextmanager
def locked(url, table="segment"):
    """Statements that read the table hang meanwhile. Yields the session that holds the lock."""
    with contextlib.closing(psycopg2.connect(url, application_name="test")) as connection:
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE balances.{table} IN ACCESS EXCLUSIVE MODE")
        yield connection
        connection.rollback()


def active_backends(url):
    """How many statements of the server the database is working on."""
    return execute(url, "SELECT count(*) FROM pg_stat_activity"
                        " WHERE application_name = 'balanced' AND state = 'active'")[0][0]


def feed_holder(url):
    """The application_name of the server that has the change feed, once one has it: the feed's is the only
    advisory lock that servers take. A test gives each server a name of its own in its URL."""
    [[name]] = wait_until(lambda: execute(
        url, "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
             " WHERE l.locktype = 'advisory' AND l.granted AND a.datname = current_database()"),
        "a server to hold the change feed")
    return name


def waiting(url, name="balanced"):
    """How many of the server's statements wait for a lock."""
    return execute(url, "SELECT count(*) FROM pg_stat_activity"
                        f" WHERE application_name = '{name}' AND wait_event_type = 'Lock'")[0][0]


def wait_connected(url, sessions=4):
    """Waits until the server has all its connections: one is enough for it to serve."""
    wait_until(lambda: execute(url, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'balanced'"
                                    " AND state = 'idle' AND query <> ''")[0][0] == sessions,
               f"{sessions} connections")


def wait_nothing_active(url):
    wait_until(lambda: active_backends(url) == 0, "the server's statements to end")


def outcome(call):
    """Of a finished call: its code's name. A wrong balance is an outcome of its own."""
    try:
        answer = call.result()
    except grpc.RpcError as error:
        return error.code().name
    except grpc.FutureCancelledError:
        return CANCELLED
    return OK if answer.balance == BALANCE else f"wrong: {answer.balance}"


def outcomes(calls):
    """Counts of the outcomes of calls, each of which must end."""
    deadline = time.monotonic() + PATIENCE_S
    for call in calls:
        while not call.done():
            assert time.monotonic() < deadline, "a call hangs"
            time.sleep(0.01)
    return collections.Counter(outcome(call) for call in calls)


def ask(client, customer, **options):
    """One call, and its outcome."""
    return outcome(client.future(NET, customer_id=customer, **options))


def wait_answering(client, customer, since=None):
    """Waits until the right answer comes, and prints how long that took since then."""
    since = since or time.monotonic()
    seen = collections.Counter()

    def answering():
        code = ask(client, customer, timeout_s=5)
        seen[code] += 1
        assert not code.startswith("wrong"), code
        return code == OK

    wait_until(answering, "the right answer")
    print(f"answering again after {time.monotonic() - since:.3f} s, calls meanwhile: {dict(seen)}")


class Load:
    """Callers who ask for one customer's balance all the time, each again when it has its answer.

    with Load(server, customer) as load: …
    load.counts() says what they have got, by code; load.worst_s how long the slowest call took. A kind of Load
    whose callers ask for something else says so in once().
    """

    def __init__(self, server, customer, callers=LOAD_CALLERS, timeout_s=3):
        self._customer, self._timeout_s = customer, timeout_s
        self._clients = [Client(server.address) for _ in range(callers)]
        self._threads = [threading.Thread(target=self._run, args=(c,)) for c in self._clients]
        self._lock = threading.Lock()
        self._counts = collections.Counter()
        self._stop = threading.Event()
        self.worst_s = 0

    def once(self, client):
        """One call, and its outcome."""
        return ask(client, self._customer, timeout_s=self._timeout_s)

    def _run(self, client):
        while not self._stop.is_set():
            start = time.monotonic()
            code = self.once(client)
            with self._lock:
                self._counts[code] += 1
                self.worst_s = max(self.worst_s, time.monotonic() - start)
            if code != OK:
                time.sleep(0.005)

    def counts(self):
        with self._lock:
            return self._counts.copy()

    def wait_for(self, code, count=1):
        """Waits until so many more calls have ended with the code."""
        goal = self.counts()[code] + count
        wait_until(lambda: self.counts()[code] >= goal, f"{count} calls with {code}")

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)
        assert not any(thread.is_alive() for thread in self._threads), "a call hangs"
        for client in self._clients:
            client.close()
        print(f"calls: {dict(self.counts())}, the slowest took {self.worst_s:.3f} s")


def threads_of(server):
    """How many threads it made itself: gRPC names its own, and has more or fewer of them as it likes."""
    names = []
    for task in Path(f"/proc/{server.pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            names.append((task / "comm").read_text().strip())
    return names.count("balanced")


class Holdings:
    """What must not grow from round to round: open files and threads of the server."""

    def __init__(self, server):
        self._server = server
        self._most = None

    def settle(self):
        """At the end of a round, when all clients are gone: waits until no more is open than after the first."""
        if not self._most:
            wait_until(lambda: self._now() == (time.sleep(0.3), self._now())[1], "the server to come to rest")
            self._most = self._now()
            return
        wait_until(lambda: all(n <= most for n, most in zip(self._now(), self._most)),
                   f"open files and threads to be {self._most} again")

    def _now(self):
        return self._server.open_files, threads_of(self._server)


LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z (debug|info|warn|error) +[a-z_]+: ")


def assert_log_is_ours(server):
    """Every line was written by the server's one logger, not by a library that speaks for itself."""
    strange = [line for line in server.log.splitlines() if not LOG_LINE.match(line)]
    assert not strange, strange[:5]
