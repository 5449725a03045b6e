"""Draw-downs, finalizations and voids of one customer from everywhere at once, through two servers of which one is
killed again and again. Every caller repeats a request until there is an answer that decides. Then the outcome has to
be one that some order explains, and the ledger proves it: what an invoice took is exactly what its callers were told,
nothing was overspent, and `balanced verify` finds nothing.
"""

import collections
import contextlib
import random
import threading
import time

import grpc
import pytest

import draws
import harness
import reference as ref
import world
from world import CREDIT, PREPAID

SECONDS = 6
CALLERS = 12
DECIDED = ("FAILED_PRECONDITION", "NOT_FOUND")


class Caller(threading.Thread):
    """Sends one request after the other, each with an id of its own, until the time is over."""

    def __init__(self, here, customer, servers, rng, invoices, until):
        super().__init__()
        self.here, self.customer, self.rng, self.invoices, self.until = here, customer, rng, invoices, until
        self.clients = [harness.Client(one.address) for one in servers]  # which outlive them
        self.taken = collections.Counter()  # by invoice, as this caller was told
        self.codes = collections.Counter()
        self.failure = None

    def decided(self, method, **fields):
        """The answer, or the name of a code that says that it had no effect."""
        fields["request_id"] = world.new_id()
        give_up = time.monotonic() + harness.PATIENCE_S
        while time.monotonic() < give_up:
            try:
                return self.rng.choice(self.clients).call(method, customer_id=self.customer.id, timeout_s=5, **fields)
            except grpc.RpcError as error:
                code = error.code().name
                self.codes[code] += 1
                if code in DECIDED:
                    return code
                assert code in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "RESOURCE_EXHAUSTED"), error
                time.sleep(0.02)
        raise AssertionError(f"{method} is never decided")

    def run(self):
        try:
            while time.monotonic() < self.until:
                self.step()
        except Exception as error:
            self.failure = error

    def step(self):
        invoice = self.rng.choice(self.invoices)
        what = self.rng.random()
        if what < 0.02:
            self.decided("FinalizeInvoice", invoice_id=invoice)
        elif what < 0.03:
            self.decided("VoidInvoice", invoice_id=invoice)
        else:
            charges = [draws.charge(ref.amount_text(self.rng.randint(1, 3 * 10**12)))
                       for _ in range(self.rng.randint(1, 3))]
            answer = self.decided("DrawDown", invoice_id=invoice, charges=charges,
                                  service_period_end=world.stamp(self.here.day(1)))
            if not isinstance(answer, str):
                self.codes["drawn"] += 1
                for result in answer.results:
                    self.taken[invoice] += sum(ref.amount_of(a.amount) for a in result.allocations)


@contextlib.contextmanager
def killed_again_and_again(server):
    stop = threading.Event()

    def run():
        while not stop.wait(1.2):
            server.kill()
            server.start()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    stop.set()
    thread.join()


@pytest.fixture
def pair(postgres, redis):
    with world.served(postgres, redis_url=redis.url, workers=2) as here:
        other = harness.Server(database_url=here.url, redis_url=redis.url)
        try:
            yield here, other
        finally:
            if other.process.poll() is None:
                other.stop()


def test_whatever_races_the_ledger_is_what_callers_were_told(pair):
    here, other = pair
    rng = world.seeded()
    customer = here.customer()
    segments = [customer.balance(kind, priority=nr).segment("1500", here.day(-1), here.day(2))
                for nr, kind in enumerate([CREDIT, PREPAID])]
    here.flush()
    invoices = [world.new_id() for _ in range(40)]
    until = time.monotonic() + SECONDS
    callers = [Caller(here, customer, (here.server, other), random.Random(rng.random()), invoices, until)
               for _ in range(CALLERS)]
    with killed_again_and_again(other):
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(SECONDS + 2 * harness.PATIENCE_S)
    assert not [caller.failure for caller in callers if caller.failure]

    told = sum((caller.taken for caller in callers), collections.Counter())
    print(sum((caller.codes for caller in callers), collections.Counter()))
    states = dict(here.run("SELECT id::text, status::text FROM invoice WHERE customer_id = %s", customer.id))
    taken = collections.Counter({invoice: ref.amount_of(str(-amount)) for invoice, amount in here.run(
        "SELECT invoice_id::text, sum(amount) FROM (SELECT invoice_id, amount FROM ledger_entry WHERE customer_id = %s"
        " UNION ALL SELECT invoice_id, amount FROM draft_deduction WHERE customer_id = %s) e GROUP BY invoice_id",
        customer.id, customer.id)})
    for invoice in invoices:
        assert taken[invoice] == (0 if states.get(invoice) == "VOID" else told[invoice]), (invoice, states.get(invoice))
    left = here.run("SELECT amount + total_final + total_draft + total_manual + total_other FROM segment"
                    " WHERE customer_id = %s", customer.id)
    assert len(left) == len(segments) and all(amount >= 0 for amount, in left), left
    assert set(states.values()) >= {"DRAFT", "FINALIZED"} and sum(told.values()) > 0
    assert "0 drifts" in harness.balanced("verify", database_url=here.url).stdout
