"""Whole lives of random customers, step by step against reference.py and reference_draw.py: charges, drafts rated anew,
invoices finalized and voided, rollovers, true-ups, manual entries, ends moved, account balances made, topped up,
changed and deleted, and time that passes. After every step each answer, balance and ledger is what the reference says,
read twice, so that the cache has its say; no segment is below zero that nobody put there, and what left the balances
and what was uncovered is what was charged. At the end `balanced verify` finds nothing.

BALANCED_SEED repeats a run, BALANCED_SCENARIOS sets its length. Scenario n depends on the seed and n alone.
"""

import collections
import contextlib
import os
import random
from dataclasses import replace
from fractions import Fraction

import grpc
import psycopg2.extras
import pytest

import harness
import reference as ref
import reference_draw as draw
import world
from account_life import LINE_TYPES, AccountSteps
from reference import ACCOUNT, CREDIT, POSTPAID, PREPAID
from world import DAY, USD

SCENARIOS = int(os.environ.get("BALANCED_SCENARIOS", "150"))
SEED = os.environ.get("BALANCED_SEED") or str(random.SystemRandom().getrandbits(32))
STEPS = 16

KINDS = {draw.USAGE: "CHARGE_KIND_USAGE", draw.SUBSCRIPTION: "CHARGE_KIND_SUBSCRIPTION",
         draw.COMPOSITE: "CHARGE_KIND_COMPOSITE"}
DRAFT, FINALIZED, VOID = "DRAFT", "FINALIZED", "VOID"


class Invoice:
    def __init__(self, id_, contract, period_end):
        self.id, self.contract, self.period_end, self.status = id_, contract, period_end, None


class Life(AccountSteps):
    """One customer, as the service and as the reference have it."""

    def __init__(self, here, rng, products):
        self.here, self.rng, self.products = here, rng, products
        self.customer = here.customer()
        self.contracts = [self.customer.contract() for _ in range(2)]
        self.terms, self.invoices, self.fractions, self.overdrafts = {}, [], {}, set()
        self._set_clock(here.now)
        self.days = [here.day(d) for d in (-40, -20, -1, 1, 20, 40)]
        self.order = [draw.PREPAYMENT, draw.BALANCE]
        for _ in range(rng.randint(1, 6)):
            self._balance()
        self._set_order()
        here.flush()

    # What there is.

    def _set_clock(self, now):
        """`now` is the hour that has begun; the server's clock is some minutes on."""
        self.now = now
        self.here.clock.set(now - self.here.now)

    def flag(self, probability):
        return self.rng.random() < probability

    def amount(self):
        """Amounts that meet each other, and amounts with digits down to the last."""
        rng = self.rng
        return rng.choice([rng.randint(1, 20) * 10**ref.SCALE, rng.randint(1, 20) * 10**ref.SCALE,
                           rng.randint(1, 10**14), rng.randint(1, 9)])

    def _set_order(self):
        if self.flag(0.3):
            self.order = self.rng.choice([[draw.BALANCE, draw.PREPAYMENT], [draw.BALANCE], [draw.PREPAYMENT]])
            self.here.later("UPDATE customer SET credit_application_order = %s WHERE customer_id = %s",
                            "{" + ",".join(self.order) + "}", self.customer.id)

    def _balance(self):
        rng = self.rng
        kind = rng.choice([PREPAID, PREPAID, CREDIT, CREDIT, POSTPAID, ACCOUNT, ACCOUNT, ACCOUNT])
        contract = rng.choice(self.contracts) if self.flag(0.25) else None
        credit_type = rng.choice([USD, USD, USD, self.here.euro])
        terms = draw.Terms(credit_type, contract)
        common = {"contract": contract, "credit_type": credit_type, "overdraft": self.flag(0.1)}
        if kind == ACCOUNT:
            balance = self._account(terms, common)
        else:
            balance = self._commit_or_credit(kind, terms, common)
        self.terms[balance.id] = terms
        self._note_overdraft(balance)

    def _account(self, terms, common):
        rng = self.rng
        if self.flag(0.3):
            terms.products = rng.sample(list(self.products), 1)
            common["product_ids"] = world.array(terms.products)
        if self.flag(0.3):
            terms.line_item_types = rng.sample(LINE_TYPES, rng.randint(1, 2))
            common["line_item_types"] = world.array(terms.line_item_types)
        if self.flag(0.4):
            terms.surcharge_percent = rng.choice(["10", "0.5", "33.333333333333"])
            common["overage_surcharge_percent"] = terms.surcharge_percent
        start, end, rollover_end = sorted(rng.sample(self.days, 3))
        rolls = self.flag(0.6)
        cap = ref.amount_text(self.amount()) if rolls and self.flag(0.6) else None
        balance, access, _ = self.customer.account(start, end, rollover_end if rolls else None, cap=cap, **common)
        access.entry("ACCOUNT_BALANCE_TRANSACTION", ref.amount_text(self.amount()), start)
        return balance

    def _commit_or_credit(self, kind, terms, common):
        rng = self.rng
        if self.flag(0.8):
            terms.priority = rng.choice([1, 1, 2, 1.5])
        terms.commit_rate = self.flag(0.4)
        which = rng.choice(["all", "all", "products", "tags", "specifiers"])
        if which == "products":
            terms.products = rng.sample(list(self.products), rng.randint(1, 2))
        elif which == "tags":
            terms.tags = rng.sample(sorted({t for tags in self.products.values() for t in tags}), 1)
        elif which == "specifiers":
            terms.specifiers = [self._specifier() for _ in range(rng.randint(1, 2))]
        if self.flag(0.2):
            terms.contracts = rng.sample(self.contracts, rng.randint(1, 2))
        if self.flag(0.15):
            terms.rolled_over_from = kind
            common["rolled_over_from_balance_id"] = self.here.id()
            common["rolled_over_from_contract_id"] = self.here.id()
        fraction = rng.choice([None, "0.5", "1", "0.333333333333"]) if kind != CREDIT else None
        common["rollover_fraction"] = fraction
        specifiers = [{k: v for k, v in (("product_id", s.product_id), ("product_tags", s.product_tags),
                                         ("pricing_group_values", s.pricing),
                                         ("presentation_group_values", s.presentation)) if v}
                      for s in terms.specifiers]
        balance = self.customer.balance(
            kind, **common, priority=terms.priority, rate_type="COMMIT_RATE" if terms.commit_rate else "LIST_RATE",
            applicable_product_ids=world.array(terms.products), applicable_product_tags=world.array(terms.tags),
            applicable_contract_ids=world.array(terms.contracts),
            specifiers=psycopg2.extras.Json(specifiers) if specifiers else None)
        if fraction is not None:
            self.fractions[balance.id] = ref.amount_of(fraction)
        for _ in range(1 if kind == POSTPAID else rng.choice([1, 1, 2])):
            start, end = sorted(rng.sample(self.days, 2))
            balance.segment(ref.amount_text(self.amount()), start, end)
        if kind == PREPAID and self.flag(0.4):
            terms.paid = True
            self.here.insert("invoice_schedule_item", customer_id=self.customer.id, balance_id=balance.id,
                             timestamp=world.when(self.here.now), amount="5")
        return balance

    def _specifier(self):
        rng = self.rng
        made = draw.Specifier()
        while made == draw.Specifier():
            if self.flag(0.4):
                made.product_id = rng.choice(list(self.products))
            if self.flag(0.2):
                made.product_tags = [rng.choice(sorted({t for tags in self.products.values() for t in tags}))]
            if self.flag(0.4):
                made.pricing = {"region": rng.choice(["eu", "us"])}
            if self.flag(0.2):
                made.presentation = {"team": rng.choice(["a", "b"])}
        return made

    # What happens.

    def call(self, method, **fields):
        """The answer, or the name of the code of an error."""
        try:
            return self.here.call(method, self.customer, request_id=world.new_id(), **fields)
        except grpc.RpcError as error:
            return error.code().name

    def some_invoice(self, *statuses):
        able = [i for i in self.invoices if i.status in statuses]
        return self.rng.choice(able) if able else None

    def _charge(self):
        rng = self.rng
        product = rng.choice([*self.products, ""])
        amount = self.amount()
        charge = draw.Charge(
            amount, amount, rng.choice([USD, USD, self.here.euro]), product, self.products.get(product, []),
            kind=rng.choice(list(KINDS)), line_item_type=rng.choice([None, *LINE_TYPES]),
            at=rng.choice([self.now, self.now, *self.days]), name=rng.choice("abc"),
            unit_price=rng.choice([0, 10**ref.SCALE, 5]))
        if self.flag(0.4):
            charge.commit_rate_amount = self.amount()
        if self.flag(0.6):
            charge.pricing = {"region": rng.choice(["eu", "us"])}
        if self.flag(0.4):
            charge.presentation = {"team": rng.choice(["a", "b"])}
        return charge

    @staticmethod
    def _request(charge):
        fields = {"amount": ref.amount_text(charge.amount), "credit_type_id": charge.credit_type,
                  "pricing_group_values": charge.pricing, "presentation_group_values": charge.presentation,
                  "kind": KINDS[charge.kind], "starting_at": world.stamp(charge.at), "name": charge.name}
        if charge.product:
            fields["product_id"] = charge.product
        if charge.commit_rate_amount != charge.amount:
            fields["commit_rate_amount"] = ref.amount_text(charge.commit_rate_amount)
        if charge.line_item_type:
            fields["line_item_type"] = f"LINE_ITEM_TYPE_{charge.line_item_type}"
        if charge.unit_price:
            fields["unit_price"] = ref.amount_text(charge.unit_price)
        return fields

    def drafts_of(self, invoice):
        return [(s, e) for b in self.customer.balances for s in b.segments for e in s.entries
                if e.draft and e.columns["invoice_id"] == invoice.id]

    def draw(self):
        rng = self.rng
        invoice = self.some_invoice(DRAFT) if self.flag(0.5) else None
        if self.flag(0.05):
            invoice = self.some_invoice(FINALIZED, VOID) or invoice
        invoice = invoice or Invoice(world.new_id(), rng.choice([None, *self.contracts]), rng.choice(self.days))
        charges = [self._charge() for _ in range(rng.randint(1, 4))]
        anew, dry_run = self.flag(0.2), self.flag(0.15)
        answer = self.call("DrawDown", invoice_id=invoice.id, charges=[self._request(c) for c in charges],
                           service_period_end=world.stamp(invoice.period_end), replace=anew, dry_run=dry_run,
                           **({"contract_id": invoice.contract} if invoice.contract else {}))
        if invoice.status in (FINALIZED, VOID):
            assert answer == "FAILED_PRECONDITION", answer
            return "refused"
        kept = [(s, list(s.entries), [(e, e.value) for e in s.entries])
                for b in self.customer.balances for s in b.segments]
        if anew:
            for segment, entry in self.drafts_of(invoice):
                segment.entries.remove(entry)
        expected = draw.draw(self.customer.balances, self.terms, charges, invoice.contract, self.order, self.products,
                             lambda b, s, amount: self._take(invoice, b, s, amount))
        shown = [([(a.balance_id, a.segment_id, ref.amount_of(a.amount), ref.amount_of(a.remaining))
                   for a in r.allocations], ref.amount_of(r.uncovered), ref.amount_of(r.overage))
                 for r in answer.results]
        assert shown == [(r.allocations, r.uncovered, r.overage) for r in expected]
        for charge, result in zip(charges, expected):
            if charge.amount == charge.commit_rate_amount:
                assert sum(a[2] for a in result.allocations) + result.uncovered == charge.amount
        if dry_run:
            for segment, entries, values in kept:
                segment.entries[:] = entries
                for entry, value in values:
                    entry.value = value
            return "dry run"
        if invoice.status is None:
            self.invoices.append(invoice)
        invoice.status = DRAFT
        return "replaced" if anew else "drawn"

    def _take(self, invoice, balance, segment, amount):
        for entry in segment.entries:
            if entry.draft and entry.columns["invoice_id"] == invoice.id:
                entry.value -= amount
                break
        else:
            columns = {"invoice_id": invoice.id, **({"contract_id": invoice.contract} if invoice.contract else {})}
            segment.entries.append(world.Entry("", world.DEDUCTION[balance.kind], True, -amount, invoice.period_end,
                                               segment.id, columns))
        return ref.remaining(balance, segment, True)

    def finalize(self):
        invoice = self.some_invoice(DRAFT, DRAFT, FINALIZED, VOID)
        if not invoice:
            return None
        answer = self.call("FinalizeInvoice", invoice_id=invoice.id)
        if invoice.status != DRAFT:
            assert answer == "FAILED_PRECONDITION", answer
            return "refused"
        assert answer.consistency_token
        for _, entry in self.drafts_of(invoice):
            entry.draft = False
        invoice.status = FINALIZED
        return "finalized"

    def void(self):
        invoice = self.some_invoice(DRAFT, FINALIZED, VOID)
        if not invoice:
            return None
        answer = self.call("VoidInvoice", invoice_id=invoice.id)
        if invoice.status == VOID:
            assert answer == "FAILED_PRECONDITION", answer
            return "refused"
        assert answer.consistency_token
        was, invoice.status = invoice.status, VOID
        for balance in self.customer.balances:
            canceled = f"{world.KIND_NAME[balance.kind]}_CANCELED"
            for segment in balance.segments:
                mine = [e for e in segment.entries if e.columns.get("invoice_id") == invoice.id]
                if was == DRAFT:
                    segment.entries[:] = [e for e in segment.entries if e not in mine]
                elif mine:
                    columns = dict(mine[0].columns)
                    segment.entries.append(world.Entry("", canceled, False, -sum(e.value for e in mine), None,
                                                       segment.id, columns))
        return f"voided, {was}"

    def adjust(self):
        able = [(b, s) for b in self.customer.balances if b.kind != ACCOUNT for s in b.segments
                if s.ending_before > self.now]
        if not able:
            return None
        balance, segment = self.rng.choice(able)
        value = self.amount() * self.rng.choice([1, -1])
        contract = self.terms[balance.id].contract
        answer = self.call("AddManualLedgerEntry", id=balance.id, segment_id=segment.id, reason="goodwill",
                           amount=ref.amount_text(value), **({"contract_id": contract} if contract else {}))
        assert answer.entry_id
        segment.entries.append(world.Entry(answer.entry_id, f"{world.KIND_NAME[balance.kind]}_MANUAL", False, value,
                                           segment.starting_at, segment.id, {"reason": "goodwill"}))
        return "adjusted"

    def end_earlier(self):
        able = [b for b in self.customer.balances
                if b.kind in (PREPAID, CREDIT) and self.terms[b.id].rolled_over_from is None]
        if not able:
            return None
        balance, end = self.rng.choice(able), self.rng.choice(self.days)
        answer = self.call("UpdateEndDate", id=balance.id, access_ending_before=world.stamp(end))
        if isinstance(answer, str):
            assert answer in ("FAILED_PRECONDITION", "INVALID_ARGUMENT"), answer
            return "end refused"
        for segment in balance.segments:
            segment.ending_before = min(segment.ending_before, end)
        gone = [s for s in balance.segments if s.starting_at >= s.ending_before]
        assert not any(e.type == world.DEDUCTION[balance.kind] for s in gone for e in s.entries)
        balance.segments[:] = [s for s in balance.segments if s not in gone]
        return "ended earlier"

    def roll_over(self):
        rng, now = self.rng, self.now
        able = [b for b in self.customer.balances if self.terms[b.id].contract and b.kind != ACCOUNT]
        if not able:
            return None
        old = rng.choice(able)
        contract, = set(self.contracts) - {self.terms[old.id].contract}
        start, end = sorted(rng.sample(self.days, 2))
        answer = self.call("RolloverBalance", id=old.id, new_contract_id=contract, starting_at=world.stamp(start),
                           ending_before=world.stamp(end))
        if old.id not in self.fractions:
            assert answer == "FAILED_PRECONDITION", answer
            return "rollover refused"
        type_ = f"{world.KIND_NAME[old.kind]}_ROLLOVER"
        before = -sum(e.value for s in old.segments for e in s.entries if e.type == type_)
        original = sum(s.granted for s in old.segments)
        left = cap = draw.rounded(Fraction(original * self.fractions[old.id], 10**ref.SCALE)) - before
        for segment in sorted(old.segments, key=lambda s: (s.ending_before, s.starting_at, s.id)):
            first, last = min(now, start), max(now, start)
            usable = segment.starting_at <= last and (segment.ending_before > first or segment.ending_before == start)
            part = min(left, max(0, ref.remaining(old, segment, True))) if usable else 0
            if part > 0:
                left -= part
                at = min(max(start, segment.starting_at), segment.ending_before)
                segment.entries.append(world.Entry("", type_, False, -part, at, segment.id,
                                                   {"new_contract_id": contract}))
        assert ref.amount_of(answer.amount) == cap - left
        if cap == left:
            assert not answer.id
            return "nothing to roll over"
        new = world.Balance(answer.id, old.kind, contract_level=True, true_up_disabled=old.true_up_disabled,
                            customer=self.customer, credit_type=old.credit_type)
        item, = self.shown(id=new.id).values()
        granted, = item.access_schedule.schedule_items
        new.segments.append(world.Segment(granted.id, ref.ACCESS, start, end, cap - left, balance=new))
        terms = self.terms[old.id]
        self.terms[new.id] = replace(
            terms, contract=contract, rolled_over_from=old.kind, paid=False,
            contracts=[contract if c == terms.contract else c for c in terms.contracts])
        self.customer.balances.append(new)
        return "rolled over"

    def true_up(self):
        able = [b for b in self.customer.balances if b.kind == POSTPAID]
        if not able:
            return None
        balance = self.rng.choice(able)
        segment, = balance.segments
        invoice = Invoice(world.new_id(), None, self.now)
        left = ref.remaining(balance, segment, True)
        answer = self.call("TrueUpCommit", id=balance.id, invoice_id=invoice.id)
        if (balance.true_up_disabled or segment.starting_at > self.now or left <= 0
                or any(e.draft for e in segment.entries)):
            assert answer == "FAILED_PRECONDITION", answer
            return "true-up refused"
        assert ref.amount_of(answer.amount) == left
        invoice.status = FINALIZED
        self.invoices.append(invoice)
        segment.entries.append(world.Entry("", "POSTPAID_COMMIT_TRUEUP", False, -left, None, segment.id,
                                           {"invoice_id": invoice.id}))
        return "trued up"

    # What is then.

    def shown(self, **filters):
        first, again = ([item for answer in self.here.pages(
            "ListBalances", self.customer, include_balance=True, include_ledgers=True, include_contract_balances=True,
            **filters) for item in world.items_of(answer)] for _ in range(2))
        assert first == again
        return {item.id: item for item in first}

    def check(self):
        now = self.now
        shown = self.shown()
        live = [b for b in self.customer.balances if not b.archived]
        assert shown.keys() == {b.id for b in live}
        net = collections.Counter()
        for balance in live:
            net[self.terms[balance.id].credit_type] += ref.balance_now(balance, now, True)
            item = shown[balance.id]
            assert ref.amount_of(item.balance) == ref.balance_now(balance, now, True), (balance.id, item.balance)
            # Ids are the service's, and so is the moment of a cancellation and of a true-up.
            ledger = collections.Counter(
                (world.entry_name(e.type), e.amount, e.draft, e.segment_id, e.invoice_id,
                 None if world.entry_name(e.type).endswith(("_CANCELED", "_TRUEUP")) else world.micros(e.timestamp))
                for e in item.ledger)
            entries = [e for s in balance.segments for e in s.entries + ref.derived(balance, s, now)]
            expected = collections.Counter(
                (e.type, ref.amount_text(e.value), e.draft, e.segment_id,
                 getattr(e, "columns", {}).get("invoice_id", ""), e.at) for e in entries)
            assert ledger == expected, balance.id
            self._nobody_is_overdrawn(balance)
        for credit_type in (USD, self.here.euro):
            answer = self.here.call("GetNetBalance", self.customer, credit_type_id=credit_type)
            assert ref.amount_of(answer.balance) == net[credit_type]

    def _nobody_is_overdrawn(self, balance):
        for segment in balance.segments:
            by_hand = sum(e.value for e in segment.entries if e.value < 0 and "reason" in e.columns)
            assert balance.id in self.overdrafts or ref.remaining(balance, segment, True) >= min(0, by_hand)

    def wait(self):
        """Time passes, to the next day on which something begins or ends, or past it."""
        self._set_clock(self.now + self.rng.randint(1, 21) * DAY)
        return "time passed"

    STEPS = [draw, draw, draw, draw, draw, draw, finalize, finalize, void, adjust, end_earlier, roll_over, true_up,
             AccountSteps.new_account, AccountSteps.top_up, AccountSteps.top_up, AccountSteps.change_account,
             AccountSteps.change_account, AccountSteps.change_account, AccountSteps.delete_account,
             AccountSteps.set_order, wait, wait]

    def live(self, seen):
        self.check()
        for _ in range(STEPS):
            what = None
            while what is None:  # what cannot be done
                what = self.rng.choice(self.STEPS)(self)
            seen[what] += 1
            self.check()


@pytest.fixture(scope="module")
def here(postgres):
    with contextlib.ExitStack() as stack:
        clock, redis = harness.MovedClock(), harness.Redis()
        stack.callback(clock.close)
        stack.callback(redis.remove)
        redis.start()
        served = stack.enter_context(world.served(postgres, redis_url=redis.url, **clock.settings))
        served.clock = clock
        yield served
        assert "0 drifts" in harness.balanced("verify", database_url=served.url).stdout


def test_lives_of_random_customers_are_what_the_reference_says(here):
    print(f"BALANCED_SEED={SEED} BALANCED_SCENARIOS={SCENARIOS}")
    products = {world.new_id(): tags for tags in (["t1"], ["t2"], [])}
    for id_, tags in products.items():
        here.insert("product", id=id_, name="Product", tags=world.array(tags))
    here.flush()
    seen = collections.Counter()
    for nr in range(SCENARIOS):
        try:
            Life(here, random.Random(f"{SEED}/{nr}"), products).live(seen)
        except AssertionError as error:
            raise AssertionError(f"BALANCED_SEED={SEED}, scenario {nr}: {error}") from error
    print(dict(seen))
    assert {"drawn", "replaced", "dry run", "finalized", "voided, DRAFT", "voided, FINALIZED", "adjusted",
            "ended earlier", "rolled over", "trued up", "account made", "credited", "debited", "debit refused",
            "transaction refused", "account changed", "account change refused", "account deleted",
            "deletion refused", "order set", "time passed"} <= set(seen)
