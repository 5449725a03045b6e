"""Writes whose deadline passes, whose connection breaks, whose server or database goes away: nobody is told what
nobody knows, nothing is half-written, and what has a request_id has one effect.
"""

import contextlib
import random
import selectors
import socket
import tempfile
import threading
import time
from pathlib import Path

import grpc
import psycopg2
import pytest

import harness
import world
from faults import execute, wait_nothing_active
from writes import balances, credit, end_waiting, held, made, segments, shown, version, wait_waiting

REPLAYED = ("idempotent-replayed", "true")


@pytest.fixture
def fresh(database, server):
    """Starts a server on this test's database, with a customer: fresh(workers=3)."""
    opened = []

    def start(**settings):
        here = world.Served(database)
        opened.append(here)
        here.ada = here.customer()
        here.flush()
        here.server = server(**{"database_url": database, **settings})
        here.client = here.server.client()
        return here

    yield start
    for here in opened:
        here.close()
    assert "0 drifts" in harness.balanced("verify", database_url=database).stdout


def request(here, **more):
    return {**credit(here, **more), "customer_id": here.ada.id}


def once():
    return {"request_id": world.new_id()}


# Several workers, which meet in the database alone ---------------------------------------------------


@pytest.mark.parametrize("workers", [1, 3])
def test_callers_at_once_with_one_request_have_one_effect(fresh, workers):
    here = fresh(workers=workers)
    clients = [here.server.client() for _ in range(16)]
    fields = request(here, **once())
    calls = [clients[n % 16].future("CreateCredit", **fields) for n in range(32)]
    assert len({call.result().SerializeToString() for call in calls}) == 1
    assert balances(here.url, here.ada.id) == 1 and version(here, here.ada) == 2
    assert [REPLAYED in [tuple(m) for m in call.initial_metadata()] for call in calls].count(False) == 1


@pytest.mark.parametrize("workers", [1, 3])
def test_callers_at_once_who_change_nothing_are_answered_alike(fresh, workers):
    """They do not move the version, so that the log of requests alone keeps them apart."""
    here = fresh(workers=workers)
    balance = made(here, here.ada)
    here.call("ArchiveBalance", here.ada, id=balance.id)
    before = version(here, here.ada)
    clients = [here.server.client() for _ in range(16)]
    same = once()
    calls = [clients[n % 16].future("ArchiveBalance", customer_id=here.ada.id, id=balance.id, **same)
             for n in range(32)]
    assert len({call.result().SerializeToString() for call in calls}) == 1
    assert version(here, here.ada) == before
    assert [REPLAYED in [tuple(m) for m in call.initial_metadata()] for call in calls].count(False) == 1


@pytest.mark.parametrize("workers", [1, 3])
def test_writers_of_one_customer_all_succeed(fresh, workers):
    here = fresh(workers=workers)
    balance = made(here, here.ada)
    before = version(here, here.ada)
    clients = [here.server.client() for _ in range(8)]
    fields = {"customer_id": here.ada.id, "id": balance.id, "segment_id": segments(balance)[0].id, "amount": "1",
              "reason": "r"}
    calls = [clients[n % 8].future("AddManualLedgerEntry", **fields) for n in range(96)]
    assert len({call.result().consistency_token for call in calls}) == 96
    assert version(here, here.ada) == before + 96
    assert shown(here, here.ada, balance.id).balance == "196"


# Deadlines -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("same, advice", [({}, "or send it with a request_id"), (once(), "the same request_id")],
                         ids=["without request_id", "with one"])
def test_deadline_under_a_commit_says_that_nobody_knows(fresh, same, advice):
    here = fresh(request_timeout="500ms")
    with held(here.url, here.ada.id):
        with harness.fails("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED") as error:
            here.client.call("CreateCredit", **request(here, **same))
        assert "whether it took place is not known" in error.message and advice in error.message
        wait_nothing_active(here.url)
    assert balances(here.url, here.ada.id) == 0
    here.client.call("CreateCredit", **request(here, **same))
    assert balances(here.url, here.ada.id) == 1


def test_deadline_before_a_commit_is_any_other(fresh):
    """While the state is read nothing can have taken place, and the message does not say otherwise."""
    here = fresh(request_timeout="500ms")
    with contextlib.closing(psycopg2.connect(here.url)) as session, session.cursor() as cursor:
        cursor.execute("LOCK TABLE balances.request_log IN ACCESS EXCLUSIVE MODE")
        with harness.fails("DEADLINE_EXCEEDED") as error:
            here.client.call("CreateCredit", **request(here))
    assert error.message == "the deadline passed before an answer"
    wait_nothing_active(here.url)


def test_deadline_after_a_commit_was_overtaken_is_any_other(fresh):
    """What was refused for its version did not take place, and that is known."""
    here = fresh(request_timeout="2s")
    with held(here.url, here.ada.id) as session, contextlib.closing(psycopg2.connect(here.url)) as other:
        call = here.client.future("CreateCredit", **request(here))
        wait_waiting(here.url)
        with session.cursor() as cursor, other.cursor() as locking:
            locking.execute("LOCK TABLE balances.request_log IN ACCESS EXCLUSIVE MODE")
            cursor.execute("UPDATE balances.customer SET name = 'Bea' WHERE customer_id = %s", [here.ada.id])
            session.commit()
            with harness.fails("DEADLINE_EXCEEDED") as error:
                call.result()
    assert error.message == "the deadline passed before an answer"
    assert balances(here.url, here.ada.id) == 0


def test_those_in_line_go_on_when_the_first_gives_up(fresh):
    here = fresh(request_timeout="20s")
    with held(here.url, here.ada.id):
        first = here.client.future("CreateCredit", **request(here), timeout_s=0.5)
        wait_waiting(here.url)
        second = here.client.future("CreateCredit", **request(here))
        with harness.fails("DEADLINE_EXCEEDED"):
            first.result()
        wait_waiting(here.url)
        assert not second.done()
    second.result()
    assert balances(here.url, here.ada.id) == 1


# A connection that breaks ----------------------------------------------------------------------------


class Wire:
    """Stands between a server and its PostgreSQL. cut() ends the connections as a network would: the server
    sees them end, and PostgreSQL does not."""

    def __init__(self, database_url):
        self.home = Path(tempfile.mkdtemp(prefix="balanced-wire-"))
        database, _, home = database_url.removeprefix("postgresql:///").partition("?host=")
        home, _, user = home.partition("&")
        self.target = f"{home}/.s.PGSQL.5432"
        self.url = f"postgresql:///{database}?host={self.home}&{user}"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.home / ".s.PGSQL.5432"))
        self.listener.listen()
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.lock = threading.Lock()
        self.pairs = {}
        self.kept = []
        self.ended = False
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        while not self.ended:
            for key, _ in self.selector.select(0.02):
                with self.lock:
                    if key.fileobj is self.listener:
                        self._accept()
                    elif key.fileobj in self.pairs:
                        self._move(key.fileobj)

    def _accept(self):
        client, _ = self.listener.accept()
        server = socket.socket(socket.AF_UNIX)
        server.connect(self.target)
        for one, other in ((client, server), (server, client)):
            self.pairs[one] = other
            self.selector.register(one, selectors.EVENT_READ)
        self.clients = getattr(self, "clients", []) + [client]

    def _move(self, one):
        data = one.recv(65536)
        if data:
            self.pairs[one].sendall(data)
        else:
            self._drop(one)

    def _drop(self, one):
        other = self.pairs.pop(one)
        self.pairs.pop(other, None)
        for end in (one, other):
            with contextlib.suppress(KeyError):
                self.selector.unregister(end)
            end.close()

    def cut(self):
        with self.lock:
            for client in self.clients:
                if client not in self.pairs:
                    continue
                server = self.pairs.pop(client)
                self.pairs.pop(server)
                for end in (client, server):
                    self.selector.unregister(end)
                client.close()
                self.kept.append(server)

    def close(self):
        self.ended = True
        self.thread.join()
        for end in [self.listener, *self.pairs, *self.kept]:
            end.close()
        (self.home / ".s.PGSQL.5432").unlink()
        self.home.rmdir()


@pytest.fixture
def wire(database):
    made_ = Wire(database)
    yield made_
    made_.close()


@pytest.fixture
def dawdling(database):
    """Commits of new balances wait for this lock, when they have done everything but say so."""
    execute(database, """CREATE FUNCTION balances.dawdle() RETURNS trigger LANGUAGE plpgsql AS $$
                         BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NULL; END $$""",
            """CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON balances.balance
               DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION balances.dawdle()""")
    with contextlib.closing(psycopg2.connect(database, application_name="test")) as session:
        with session.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(7)")
        yield session


def test_commit_that_takes_place_after_its_connection_broke_is_found(fresh, wire, dawdling):
    """The second try waits for the first one's lock, is refused by the version, and finds the log."""
    here = fresh(database_url=wire.url, request_timeout="20s")
    same = once()
    call = here.client.future("CreateCredit", **request(here, **same))
    wait_waiting(here.url)
    wire.cut()
    wait_waiting(here.url, 2)
    dawdling.close()
    answer = call.result()
    assert balances(here.url, here.ada.id) == 1 and version(here, here.ada) == 2
    assert shown(here, here.ada, answer.id).balance == "100"
    assert here.client.call("CreateCredit", **request(here, **same)) == answer


def test_commit_that_takes_place_after_its_connection_broke_is_unknown(fresh, wire, dawdling):
    here = fresh(database_url=wire.url, request_timeout="20s")
    call = here.client.future("CreateCredit", **request(here))
    wait_waiting(here.url)
    wire.cut()
    with harness.fails("UNKNOWN", "OUTCOME_UNKNOWN") as error:
        call.result()
    assert "not known" in error.message and "request_id" in error.message
    dawdling.close()
    wait_nothing_active(here.url)
    assert balances(here.url, here.ada.id) == 1  # it did


def test_broken_commit_that_did_not_take_place_is_done_once(fresh):
    here = fresh(request_timeout="20s")
    same = once()
    with held(here.url, here.ada.id):
        call = here.client.future("CreateCredit", **request(here, **same))
        for _ in range(3):
            end_waiting(here.url)
    answer = call.result()
    assert balances(here.url, here.ada.id) == 1
    assert here.client.call("CreateCredit", **request(here, **same)) == answer


# A server or a database that goes away ---------------------------------------------------------------


def test_answer_outlives_the_server_and_the_database(postgres, database, fresh, server):
    here = fresh()
    fields = request(here, **once())
    first = here.client.call("CreateCredit", **fields)
    here.server.kill()
    here.close()
    postgres.restart()
    again, call = server(database_url=database).client().call_with_metadata("CreateCredit", **fields)
    assert again == first and REPLAYED in [tuple(m) for m in call.initial_metadata()]
    assert balances(database, here.ada.id) == 1


@pytest.mark.parametrize("how", ["restart", "crash"])
def test_database_that_comes_back_finishes_what_has_a_request_id(postgres, database, fresh, how):
    here = fresh(request_timeout="30s")
    here.close()
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    requests = [request(here, **once()) for _ in range(40)]
    calls = [here.client.future("CreateCredit", **fields) for fields in requests]
    time.sleep(random.Random(seed).uniform(0, 0.1))
    if how == "restart":
        postgres.restart()
    else:
        postgres.kill()
        postgres.start()
    here.server.wait_serving()
    for fields, call in zip(requests, calls):
        try:
            answer = call.result()
        except grpc.RpcError as error:  # it never began
            assert error.code() == grpc.StatusCode.UNAVAILABLE, error
            answer = here.client.call("CreateCredit", **fields)
        assert here.client.call("CreateCredit", **fields) == answer
    assert balances(database, here.ada.id) == 40


def test_database_that_stays_away_leaves_the_outcome_unknown(postgres, database, fresh):
    here = fresh(request_timeout="2s")
    here.close()
    fields = request(here, **once())
    with held(database, here.ada.id):
        call = here.client.future("CreateCredit", **fields)
        wait_waiting(database)
        postgres.stop("immediate")
    try:
        with harness.fails("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED") as error:
            call.result()
        assert "not known" in error.message and "the same request_id" in error.message
    finally:
        postgres.start()
    here.server.wait_serving()
    here.client.call("CreateCredit", **fields)
    assert balances(database, here.ada.id) == 1


def test_write_that_never_began_is_unavailable_and_nothing_else(postgres, fresh):
    here = fresh()
    here.close()
    postgres.stop("immediate")
    try:
        with harness.fails("UNAVAILABLE", "DATABASE_UNAVAILABLE") as error:
            harness.wait_until(lambda: here.client.call("CreateCredit", **request(here, **once())), "a failure")
        assert "RetryInfo" in error.details
    finally:
        postgres.start()
    here.server.wait_serving()


def test_stop_in_the_middle_of_writes_finishes_them(fresh):
    here = fresh()
    with held(here.url, here.ada.id):
        calls = [here.client.future("CreateCredit", **request(here)) for _ in range(3)]
        wait_waiting(here.url)
        here.server.terminate()
        time.sleep(0.3)
    for call in calls:
        call.result()
    assert here.server.wait() == 0
    assert balances(here.url, here.ada.id) == 3
