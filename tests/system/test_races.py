"""The server built with ThreadSanitizer, under everything at once: callers, cancels, watches, a database that comes
and goes, and a stop in the middle of it. Server.wait() fails on a report.

The build is BALANCED_TSAN_BUILD, by default build/tsan; without it the tests are skipped.
"""

import os
import random
import threading
import time
from pathlib import Path

import grpc
import pytest

import harness
import world
from draws import balance, request
from faults import (CANCELLED, DEADLINE, EXHAUSTED, NET, OK, UNAVAILABLE, Load, ask, locked, new_customer,
                    wait_connected)

BUILD = Path(os.environ.get("BALANCED_TSAN_BUILD", harness.SOURCE / "build/tsan"))

pytestmark = pytest.mark.skipif(not (BUILD / "server/balanced").exists(), reason="no build with ThreadSanitizer")


@pytest.fixture
def races(monkeypatch, database, server):
    """Starts a server of the other build."""
    monkeypatch.setattr(harness, "BUILD", BUILD)
    monkeypatch.setenv("TSAN_OPTIONS", "ignore_noninstrumented_modules=1:halt_on_error=0:exitcode=66")
    return server


@pytest.fixture
def customer(database):
    return new_customer(database)


def cancelling(client, customer, stop, rng):
    while not stop.is_set():
        calls = [client.future(NET, customer_id=customer) for _ in range(10)]
        time.sleep(rng.uniform(0, 0.005))
        for call in calls:
            call.cancel()
        # Not faster than the server, which all this makes slow: it is to be shaken, not to be buried.
        ask(client, customer, timeout_s=1)


def watching(client, stop):
    while not stop.is_set():
        watch = client.stream("grpc.health.v1.Health/Watch", service="readiness")
        try:
            next(watch)
        except grpc.RpcError:
            time.sleep(0.01)
        watch.cancel()


def scraping(one, stop):
    while not stop.is_set():
        for path in ("/metrics", "/livez", "/readyz"):
            try:
                harness.get(one.http_address, path)
            except OSError:
                time.sleep(0.01)  # it has stopped


@pytest.mark.parametrize("workers", [1, 3])
def test_no_race_while_everything_happens_at_once(postgres, database, customer, races, workers):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    one = races(workers=workers, request_timeout="500ms", stop_grace="2s")
    wait_connected(database, 4 * workers)
    stop = threading.Event()
    clients = [harness.Client(one.address) for _ in range(4)]
    threads = [threading.Thread(target=cancelling, args=(c, customer, stop, rng)) for c in clients[:2]]
    threads += [threading.Thread(target=watching, args=(c, stop)) for c in clients[2:]]
    threads += [threading.Thread(target=scraping, args=(one, stop))]
    with Load(one, customer) as load:
        for thread in threads:
            thread.start()
        try:
            load.wait_for(OK, 50)
            with locked(database):
                load.wait_for(DEADLINE, 5)
            load.wait_for(OK, 20)
            postgres.kill()
            load.wait_for(UNAVAILABLE, 20)
            postgres.start()
            load.wait_for(OK, 50)
        finally:
            stop.set()
            one.terminate()
            code = one.wait()
            for thread in threads:
                thread.join(harness.PATIENCE_S)
            for client in clients:
                client.close()
    assert code == 0, one.log
    assert set(load.counts()) <= {OK, UNAVAILABLE, DEADLINE, CANCELLED, EXHAUSTED}, load.counts()


def naming(client, customer, stop):
    """Writes through the service, each of which ends cached answers."""
    number = 0
    while not stop.is_set():
        number += 1
        try:
            client.call("PutCustomer", id=customer, name=f"Name {number}", timeout_s=5)
        except grpc.RpcError:
            time.sleep(0.01)


def test_no_race_while_the_cache_comes_and_goes(database, customer, races, redis):
    one = races(workers=2, redis_url=redis.url, stop_grace="2s")
    wait_connected(database, 8)
    stop = threading.Event()
    client = harness.Client(one.address)
    thread = threading.Thread(target=naming, args=(client, customer, stop))
    with Load(one, customer) as load:
        thread.start()
        try:
            load.wait_for(OK, 200)
            redis.kill()
            load.wait_for(OK, 100)
            redis.start()
            load.wait_for(OK, 200)
            redis.pause()
            load.wait_for(OK, 50)
            redis.resume()
            load.wait_for(OK, 100)
        finally:
            stop.set()
            one.terminate()
            code = one.wait()
            thread.join(harness.PATIENCE_S)
            client.close()
    assert code == 0, one.log
    assert set(load.counts()) <= {OK, UNAVAILABLE, CANCELLED}, load.counts()


DRAW_CALLERS = 64
UNKNOWN = "UNKNOWN"


class Draws(Load):
    """Callers who spend one unit at a time, most of them the first customer's: some leave, some have no time."""

    def __init__(self, server, here, customers, rng):
        super().__init__(server, customers[0].id, DRAW_CALLERS)
        self._here, self._customers, self._rng = here, customers, rng
        self._invoices = [world.new_id() for _ in range(3)]

    def once(self, client):
        rng = self._rng
        customer = rng.choice([self._customers[0]] * 3 + self._customers)
        more = rng.choice([{}, {"request_id": world.new_id()}])
        call = client.future("DrawDown", timeout_s=rng.choice([0.005, 0.05, 3, 3, 3, 3]), customer_id=customer.id,
                             **request(self._here, "1", invoice_id=rng.choice(self._invoices), **more))
        if rng.random() < 0.1:
            time.sleep(rng.uniform(0, 0.02))
            call.cancel()
        try:
            [result] = call.result().results
        except grpc.RpcError as error:
            return error.code().name
        except grpc.FutureCancelledError:
            return CANCELLED
        return OK if sum(int(a.amount) for a in result.allocations) == 1 else f"wrong: {result}"


@pytest.mark.parametrize("workers", [2, 3])
def test_no_race_while_draws_are_committed_together(postgres, database, races, redis, workers):
    rng = world.seeded()
    here = world.World(database)
    customers = [here.customer() for _ in range(5)]
    for customer in customers:
        balance(customer, world.CREDIT, "1000000")
    here.flush()
    one = races(workers=workers, redis_url=redis.url, stop_grace="2s")
    wait_connected(database, 4 * workers)
    with Draws(one, here, customers, rng) as load:
        try:
            load.wait_for(OK, 200)
            load.wait_for(DEADLINE, 10)
            load.wait_for(CANCELLED, 10)
            postgres.kill()
            load.wait_for(UNAVAILABLE, 64)
            postgres.start()
            load.wait_for(OK, 200)
        finally:
            one.terminate()
            code = one.wait()
    assert code == 0, one.log
    counts = load.counts()
    assert set(counts) <= {OK, UNAVAILABLE, DEADLINE, CANCELLED, UNKNOWN}, counts
    here.close()
    here.connect()
    [[spent]] = here.run("SELECT -sum(amount) FROM draft_deduction")
    assert counts[OK] <= spent <= sum(counts.values())
    here.close()
    assert "0 drifts" in harness.balanced("verify", database_url=database).stdout
