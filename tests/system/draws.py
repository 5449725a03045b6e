"""What the tests of draw-downs share: the customers of its examples, requests, and answers in short.

    draw(here, ada, "130")                       # one charge, on an invoice of its own
    [([("r", "20", "0")], "110", "110")]         # covered by what leaving what, uncovered, overage
"""

import world

from world import stamp

COMMIT_RATE, LIST_RATE = "COMMIT_RATE", "LIST_RATE"


def charge(amount, **more):
    return {"amount": amount, **more}


def request(here, *charges, **more):
    """The fields of a draw-down; an amount is a charge of it."""
    return {"invoice_id": world.new_id(), "service_period_end": stamp(here.day(20)),
            "charges": [c if isinstance(c, dict) else charge(c) for c in charges], **more}


def balance(customer, kind, amount, start=-10, end=30, **columns):
    """A balance with one segment, active now."""
    here = customer.world
    made = customer.balance(kind, **columns)
    made.segment(amount, here.day(start), here.day(end))
    return made


def account(customer, amount, start=-10, end=30, rollover_end=None, **columns):
    """An account balance with this much in it."""
    here = customer.world
    made, access, _ = customer.account(here.day(start), here.day(end),
                                       None if rollover_end is None else here.day(rollover_end), **columns)
    if amount != "0":
        access.entry("ACCOUNT_BALANCE_TRANSACTION", amount)
    return made


def short(answer, **names):
    """The answer as lists of texts; `names` are those of balances."""
    known = {made.id: name for name, made in names.items()}
    return [([(known[a.balance_id], a.amount, a.remaining) for a in result.allocations],
             result.uncovered, result.overage) for result in answer.results]


def drafts(here, invoice):
    """What is stored of an invoice: (balance, amount), and of how much the totals of segments are."""
    return here.run("SELECT balance_id::text, trim_scale(amount)::text FROM draft_deduction WHERE invoice_id = %s"
                    " ORDER BY amount, balance_id", invoice)


def net(here, customer):
    return here.call("GetNetBalance", customer).balance


