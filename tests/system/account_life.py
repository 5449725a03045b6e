"""What happens to a customer's account balances in test_scenarios.py: they are made, topped up, changed and deleted,
and the customer's order of credit is set. Each step says what the rules of the domain make of it, from all entries and
not from totals, and compares the answer with that."""

import reference as ref
import reference_draw as draw
import world
from reference import ACCOUNT
from world import DAY, USD

LINE_TYPES = ["USAGE", "STANDING_CHARGE", "AD_HOC"]
ORDERS = {draw.PREPAYMENT: 1, draw.BALANCE: 2}


def standing_deductions(segment):
    """Deductions of final invoices that were not given back."""
    canceled = {e.columns["invoice_id"] for e in segment.entries if e.type == "ACCOUNT_BALANCE_CANCELED"}
    return [e for e in segment.entries if e.type == "ACCOUNT_BALANCE_DEDUCTION" and not e.draft
            and e.columns["invoice_id"] not in canceled]


def overdrawn(balance, before):
    """Whether some segment has less than nothing, and less than it had."""
    return any(left < 0 and left < had for left, had in zip(lefts(balance), before))


def lefts(balance):
    return [ref.remaining(balance, s, True) for s in balance.segments]


class AccountSteps:
    """Part of a Life, which has the customer, its random numbers and its clock."""

    def accounts(self):
        return [b for b in self.customer.balances if b.kind == ACCOUNT and not b.archived]

    def _some_account(self):
        """Rather one that final invoices drew on, because those refuse more; None where there is none."""
        drawn = [b for b in self.accounts() if any(standing_deductions(s) for s in b.segments)]
        able = drawn if drawn and self.flag(0.9) else self.accounts()
        return self.rng.choice(able) if able else None

    def _spec(self, balance, start, end, rollover_end):
        terms = self.terms[balance.id]
        spec = {"code": f"code {balance.id}", "name": "Top-up", "credit_type_id": terms.credit_type,
                "starting_at": world.stamp(start), "ending_before": world.stamp(end),
                "product_ids": terms.products, "allow_overdraft": balance.allow_overdraft,
                "line_item_types": [f"LINE_ITEM_TYPE_{t}" for t in terms.line_item_types]}
        if terms.contract:
            spec["contract_id"] = terms.contract
        if terms.surcharge_percent:
            spec["overage_surcharge_percent"] = terms.surcharge_percent
        if rollover_end is not None:
            spec["rollover_ending_before"] = world.stamp(rollover_end)
            if balance.rollover_cap is not None:
                spec["rollover_amount"] = ref.amount_text(balance.rollover_cap)
        return spec

    def _learn_segments(self, balance, dates):
        """Takes over which segments the service has made, and that they are as they should be."""
        kept = {s.id: s.entries for s in balance.segments}
        rows = self.here.run("SELECT id::text, role FROM segment WHERE balance_id = %s ORDER BY starting_at",
                             balance.id)
        start, end, rollover_end = dates
        due = [(ref.ACCESS, start, end)] + ([(ref.ROLLOVER, end, rollover_end)] if rollover_end is not None else [])
        assert [role for _, role in rows] == ["ACCESS", "ROLLOVER"][:len(due)]
        balance.segments[:] = [world.Segment(id_, *a, 0, balance=balance) for (id_, _), a in zip(rows, due)]
        for segment in balance.segments:
            segment.entries[:] = kept.get(segment.id, [])

    def new_account(self):
        rng = self.rng
        contract = rng.choice(self.contracts) if self.flag(0.2) else None
        terms = draw.Terms(rng.choice([USD, USD, self.here.euro]), contract)
        if self.flag(0.3):
            terms.products = rng.sample(list(self.products), 1)
        if self.flag(0.3):
            terms.line_item_types = rng.sample(LINE_TYPES, rng.randint(1, 2))
        if self.flag(0.4):
            terms.surcharge_percent = rng.choice(["10", "0.5"])
        balance = world.Balance(world.new_id(), ACCOUNT, contract_level=bool(terms.contract),
                                allow_overdraft=self.flag(0.2), rollover_cap=self.amount() if self.flag(0.5) else None,
                                customer=self.customer, credit_type=terms.credit_type)
        self.terms[balance.id] = terms
        dates = self._dates()
        answer = self.call("CreateAccountBalance", spec=self._spec(balance, *dates))
        del self.terms[balance.id]
        balance.id = answer.account_balance.id
        self.terms[balance.id] = terms
        if dates[2] is None:
            balance.rollover_cap = None
        self._learn_segments(balance, dates)
        self.customer.balances.append(balance)
        self._note_overdraft(balance)
        return "account made"

    def _dates(self):
        start, end, rollover_end = sorted(self.rng.sample(self.days, 3))
        return start, end, rollover_end if self.flag(0.6) else None

    def top_up(self):
        rng = self.rng
        balance, value = self._some_account(), self.amount() * rng.choice([1, -1])
        if not balance:
            return None
        applied = rng.choice([None, *self.days])
        answer = self.call("CreateTransaction", balance_id=balance.id, amount=ref.amount_text(value),
                           transaction_type_id=self.here.transaction_type,
                           **({} if applied is None else {"applied_date": world.stamp(applied)}))
        at = self.now if applied is None else applied
        access = balance.segments[0]
        segment = next((s for s in balance.segments if ref.is_active(s, at)),
                       access if at < access.starting_at else None)
        if segment is None or segment.ending_before <= self.now:
            assert answer == "FAILED_PRECONDITION", answer
            return "transaction refused"
        if not balance.allow_overdraft and value < 0 and -value > max(0, draw.available(balance, segment)):
            assert answer == "FAILED_PRECONDITION", answer
            return "debit refused"
        entry = world.Entry("", "ACCOUNT_BALANCE_TRANSACTION", False, value, applied, segment.id)
        segment.entries.append(entry)
        made = answer.transaction
        entry.at = world.micros(made.applied_date)  # to the microsecond, where it is now
        running = sum(e.value for s in balance.segments for e in s.entries if not e.draft)
        assert ref.amount_of(made.running_amount) == running
        return "credited" if value > 0 else "debited"

    def change_account(self):
        rng = self.rng
        balance, dates = self._some_account(), self._dates()
        if not balance:
            return None
        access, rollover = balance.segments[0], (balance.segments[1:] or [None])[0]
        rollover_end = rollover and rollover.ending_before
        if self.flag(0.5):
            dates = access.starting_at, access.ending_before, rollover_end
        elif self.flag(0.5):  # before what most invoices deduct
            dates = access.starting_at, access.starting_at + DAY, rollover_end
        had, was = lefts(balance), (balance.allow_overdraft, balance.rollover_cap)
        balance.allow_overdraft = self.flag(0.2)
        balance.rollover_cap = self.amount() if dates[2] is not None and self.flag(0.5) else None
        answer = self._update(balance, dates)
        ends = [(access, dates[1])] + ([(rollover, dates[2])] if rollover else [])
        moved = rollover and rollover.entries and (dates[2] is None or dates[1] != rollover.starting_at)
        early = any(end is not None and e.at > end for s, end in ends for e in standing_deductions(s))
        if moved or early or (not balance.allow_overdraft and rollover and dates[2] is not None
                              and overdrawn(balance, had)):
            assert answer == "FAILED_PRECONDITION", answer
            balance.allow_overdraft, balance.rollover_cap = was
            return "account change refused"
        assert not isinstance(answer, str), answer
        self._learn_segments(balance, dates)
        self._note_overdraft(balance)
        return "account changed"

    def _update(self, balance, dates):
        now = self.here.call("GetAccountBalance", self.customer, id=balance.id).account_balance
        return self.call("UpdateAccountBalance", id=balance.id, version=now.version, spec=self._spec(balance, *dates))

    def delete_account(self):
        balance = self._some_account()
        if not balance:
            return None
        answer = self.call("DeleteAccountBalance", id=balance.id)
        if any(standing_deductions(s) or any(e.draft for e in s.entries) for s in balance.segments):
            assert answer == "FAILED_PRECONDITION", answer
            return "deletion refused"
        assert answer.account_balance.id == balance.id
        balance.archived = True
        return "account deleted"

    def set_order(self):
        self.order = self.rng.choice([[draw.PREPAYMENT, draw.BALANCE], [draw.BALANCE, draw.PREPAYMENT],
                                      [draw.BALANCE], [draw.PREPAYMENT]])
        answer = self.call("SetCreditApplicationOrder", order=[ORDERS[o] for o in self.order])
        assert answer.consistency_token
        return "order set"

    def _note_overdraft(self, balance):
        if balance.allow_overdraft:
            self.overdrafts.add(balance.id)
