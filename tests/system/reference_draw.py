"""Draw-downs a second time, for comparison with server/ledger, on the objects of reference.py.

Written from the rules of the domain (burn order, what applies to what, rate types, overage) and not from the other
implementation: a charge looks at every segment of the customer anew, and fractions are fractions until they are
rounded.
"""

from dataclasses import dataclass, field
from fractions import Fraction

import reference as ref
from reference import ACCOUNT, POSTPAID, SCALE

PREPAYMENT, BALANCE = "PREPAYMENT", "BALANCE"
USAGE, SUBSCRIPTION, COMPOSITE = range(3)
INFINITY = float("inf")


@dataclass
class Specifier:
    product_id: str = ""
    product_tags: list = field(default_factory=list)
    pricing: dict = field(default_factory=dict)
    presentation: dict = field(default_factory=dict)


@dataclass
class Terms:
    """What decides about a balance beside its segments."""

    credit_type: str
    contract: str = None
    priority: float = None
    commit_rate: bool = False
    contracts: list = field(default_factory=list)
    products: list = field(default_factory=list)
    tags: list = field(default_factory=list)
    specifiers: list = field(default_factory=list)
    paid: bool = False
    rolled_over_from: int = None  # the kind
    line_item_types: list = field(default_factory=list)
    surcharge_percent: str = None


@dataclass
class Charge:
    amount: int
    commit_rate_amount: int
    credit_type: str
    product: str = ""
    tags: list = field(default_factory=list)  # of the product
    pricing: dict = field(default_factory=dict)
    presentation: dict = field(default_factory=dict)
    kind: int = USAGE
    line_item_type: str = None
    at: int = 0
    unit_price: int = 0
    name: str = ""


@dataclass
class Result:
    allocations: list = field(default_factory=list)  # (balance, segment, amount, remaining)
    uncovered: int = 0
    overage: int = 0


def rounded(value):
    """To a whole number, half to even."""
    return round(Fraction(value))


def matches(specifier, charge):
    return ((not specifier.product_id or specifier.product_id == charge.product)
            and all(tag in charge.tags for tag in specifier.product_tags)
            and all(charge.pricing.get(k) == v for k, v in specifier.pricing.items())
            and all(charge.presentation.get(k) == v for k, v in specifier.presentation.items()))


def applies(balance, terms, charge, contract):
    if balance.archived or terms.credit_type != charge.credit_type:
        return False
    if terms.contract is not None and terms.contract != contract:
        return False
    if terms.contracts and contract not in terms.contracts:
        return False
    if balance.kind == ACCOUNT:
        return ((not terms.products or charge.product in terms.products)
                and (not terms.line_item_types or charge.line_item_type in terms.line_item_types))
    if terms.specifiers:
        return any(matches(s, charge) for s in terms.specifiers)
    if terms.products or terms.tags:
        return charge.product in terms.products or any(tag in terms.tags for tag in charge.tags)
    return True


def stage(balance, terms):
    if terms.rolled_over_from is not None:
        return 0
    return 2 if balance.kind == POSTPAID else 1


def product_count(terms, catalog):
    """How many products it names, by themselves or by their tags; one that names none is for all."""
    if not (terms.products or terms.tags or any(s.product_id or s.product_tags for s in terms.specifiers)):
        return INFINITY
    named = set(terms.products)
    named |= {product for product, tags in catalog.items() if set(tags) & set(terms.tags)}
    for specifier in terms.specifiers:
        if specifier.product_id:
            named.add(specifier.product_id)
        elif specifier.product_tags:
            named |= {product for product, tags in catalog.items() if set(specifier.product_tags) <= set(tags)}
    return len(named)


def group_only_count(terms):
    return sum(not s.product_id and not s.product_tags and bool(s.pricing or s.presentation)
               for s in terms.specifiers)


def contract_count(terms):
    if terms.contract is not None:
        return 1
    return len(set(terms.contracts)) or INFINITY


def burn_key(balance, terms, segment, catalog):
    """Commits and credits: what burns first is least."""
    rollover = stage(balance, terms) == 0
    postpaid = stage(balance, terms) == 2
    return (stage(balance, terms),
            0 if rollover and terms.rolled_over_from == POSTPAID else 1,
            INFINITY if terms.priority is None else terms.priority,
            terms.paid and not rollover,
            product_count(terms, catalog),
            0 if postpaid else group_only_count(terms),
            segment.ending_before,
            0 if rollover else segment.starting_at,
            0 if rollover else contract_count(terms),
            terms.contract is None,
            balance.id, segment.id)


def account_key(balance, segment):
    end = max(s.ending_before for s in balance.segments)
    return (end, min(s.starting_at for s in balance.segments), balance.id, segment.id)


def in_burn_order(balances, terms, charge, contract, order, catalog):
    """The (balance, segment) that may cover a charge."""
    able = [(b, s) for b in balances if applies(b, terms[b.id], charge, contract)
            for s in b.segments if ref.is_active(s, charge.at)]
    found = []
    for which in order:
        if which == PREPAYMENT:
            found += sorted(((b, s) for b, s in able if b.kind != ACCOUNT),
                            key=lambda pair: burn_key(pair[0], terms[pair[0].id], pair[1], catalog))
        else:
            found += sorted(((b, s) for b, s in able if b.kind == ACCOUNT), key=lambda pair: account_key(*pair))
    return found


def line_order(charge):
    return (charge.kind, charge.at, -charge.unit_price, charge.name)


def available(balance, segment):
    """What may be taken: what was used of a rollover has to stay in the segment that it came from."""
    used = -sum(e.value for s in balance.segments for e in s.entries
                if s.role == ref.ROLLOVER and segment.role == ref.ACCESS)
    return ref.remaining(balance, segment, True) - max(0, used)


def cover(charge, candidates, terms, take):
    """`take(balance, segment, amount)` notes a draw and returns what remains in the segment."""
    result = Result()
    list_left, commit_left = charge.amount, charge.commit_rate_amount
    for balance, segment in candidates:
        if list_left == 0:
            break
        at_commit_rate = terms[balance.id].commit_rate and balance.kind != ACCOUNT
        wanted = commit_left if at_commit_rate else list_left
        drawn = wanted if balance.allow_overdraft else min(wanted, max(0, available(balance, segment)))
        if drawn == 0:
            continue
        if drawn == wanted:
            list_left = commit_left = 0
        elif at_commit_rate:
            commit_left -= drawn
            list_left = rounded(Fraction(charge.amount * commit_left, charge.commit_rate_amount))
        else:
            list_left -= drawn
            commit_left = rounded(Fraction(charge.commit_rate_amount * list_left, charge.amount))
        result.allocations.append((balance.id, segment.id, drawn, take(balance, segment, drawn)))
    result.uncovered = result.overage = list_left
    surcharges = [terms[b.id].surcharge_percent for b, _ in candidates
                  if b.kind == ACCOUNT and terms[b.id].surcharge_percent]
    if surcharges:
        percent = Fraction(ref.amount_of(surcharges[0]), 10**SCALE)
        result.overage += rounded(list_left * percent / 100)
    return result


def draw(balances, terms, charges, contract, order, catalog, take):
    """The results in the order of the charges, which are covered in the order of an invoice's lines."""
    results = [None] * len(charges)
    for nr in sorted(range(len(charges)), key=lambda nr: (*line_order(charges[nr]), nr)):
        candidates = in_burn_order(balances, terms, charges[nr], contract, order, catalog)
        results[nr] = cover(charges[nr], candidates, terms, take)
    return results

