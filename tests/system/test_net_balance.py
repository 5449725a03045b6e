"""GetNetBalance: what counts, which balances a filter selects, and whose deductions are taken off.

The random customers are compared with reference.py, under random filters and in both inclusion modes.
"""

import pytest

import harness
import reference as ref
import world
from reference import ACCOUNT, CREDIT, POSTPAID, PREPAID
from world import USD, WIRE_KIND

UNKNOWN = "aaaaaaaa-0000-4000-8000-aaaaaaaaaaaa"
FINALIZED, WITH_DRAFTS = "INVOICE_INCLUSION_MODE_FINALIZED", "INVOICE_INCLUSION_MODE_FINALIZED_AND_DRAFT"


@pytest.fixture(scope="module")
def here(postgres):
    with world.served(postgres) as served:
        yield served


def net(here, customer, filters=(), **fields):
    """The sum, after a look at the rest of the answer."""
    answer = here.call("GetNetBalance", customer, filters=list(filters), **fields)
    assert answer.credit_type_id == fields.get("credit_type_id", USD)
    assert answer.consistency_token
    return answer.balance


def types(*kinds):
    return {"balance_types": [WIRE_KIND[kind] for kind in kinds]}


@pytest.fixture(scope="module")
def ada(here):
    """The customer of domain.md B15, with an account balance besides."""
    ada = here.customer()

    def grant(kind, amount, **columns):
        balance = ada.balance(kind, **columns)
        balance.segment(amount, here.day(-1), here.day(1))
        return balance

    ada.k1 = grant(CREDIT, "100", fields={"campaign": "free-trial"})
    ada.p1 = grant(PREPAID, "500", fields={"campaign": "signup"})
    ada.p2 = grant(PREPAID, "700")
    ada.q = grant(POSTPAID, "1000")
    ada.eur = grant(CREDIT, "40", credit_type=here.euro)
    ada.k2 = grant(CREDIT, "5")
    ada.k2.segments[0].entry("CREDIT_MANUAL", "-25")
    ada.top_up, access, _ = ada.account(here.day(-1), here.day(1), fields={"campaign": "signup", "a": "b"})
    access.entry("ACCOUNT_BALANCE_TRANSACTION", "0.25")
    here.flush()
    return ada


def campaign(name, **more):
    return {"custom_fields": {"campaign": name}, **more}


@pytest.mark.parametrize("filters, expected", [
    ([], "2300.25"),
    ([{}], "2300.25"),  # no condition selects everything
    ([types(PREPAID, CREDIT)], "1300"),
    ([types(POSTPAID)], "1000"),
    ([types(ACCOUNT)], "0.25"),
    ([types(CREDIT)], "100"),
    ([types(CREDIT, CREDIT)], "100"),
    ([types(PREPAID, POSTPAID, CREDIT, ACCOUNT)], "2300.25"),
    ([campaign("free-trial", **types(CREDIT)), campaign("signup", **types(PREPAID))], "600"),
    ([{"ids": ["p1"]}, campaign("signup", **types(PREPAID))], "500"),  # once, though two select it
    ([{"ids": ["p1", "p2"]}], "1200"),
    ([{"ids": ["p1", "p1"]}], "500"),
    ([{"ids": ["p1"], **types(CREDIT)}], "0"),  # AND'd
    ([{"ids": [UNKNOWN]}], "0"),
    ([{"ids": ["eur"]}], "0"),  # of another credit type
    ([{"ids": [UNKNOWN]}, {}], "2300.25"),
    ([campaign("signup")], "500.25"),
    ([{"custom_fields": {"campaign": "signup", "a": "b"}}], "0.25"),  # all pairs
    ([{"custom_fields": {"campaign": "signup", "a": "c"}}], "0"),
    ([campaign("Signup")], "0"),
    ([campaign("sign")], "0"),
    ([campaign("")], "0"),  # a pair that is not there is not an empty one
    ([{"custom_fields": {"": ""}}], "0"),
    ([types(CREDIT)] * 64, "100"),
], ids=str)
def test_filters(here, ada, filters, expected):
    def with_ids(filter):
        ids = [getattr(ada, i).id if hasattr(ada, i) else i for i in filter.get("ids", [])]
        return {**filter, "ids": ids}

    assert net(here, ada, map(with_ids, filters)) == expected


def test_credit_types_are_summed_apart(here, ada):
    assert net(here, ada) == net(here, ada, credit_type_id=USD) == "2300.25"
    assert net(here, ada, credit_type_id=here.euro) == "40"
    assert net(here, ada, [types(PREPAID)], credit_type_id=here.euro) == "0"


@pytest.mark.parametrize("amount, due", [("-300", ("700", "580")), (None, ("1000", "880"))])
def test_inclusion_modes(here, amount, due):  # B14, before and after the invoice is void
    customer = here.customer()
    segment = customer.balance(PREPAID).segment("1000", here.day(-9), here.day(1))
    segment.entry(world.DEDUCTION[PREPAID], "-300")
    if not amount:
        segment.entry("PREPAID_COMMIT_CANCELED", "300")
    segment.draft("-120", here.day(1))
    here.flush()
    finalized, with_drafts = due
    assert net(here, customer, invoice_inclusion_mode=FINALIZED) == finalized
    assert net(here, customer, invoice_inclusion_mode=WITH_DRAFTS) == with_drafts
    assert net(here, customer) == with_drafts


def test_both_modes_agree_where_drafts_concern_expired_segments(here):  # B3
    customer = here.customer()
    commit = customer.balance(PREPAID)
    commit.segment("1000", here.day(-60), here.day(-30)).draft("-300", here.day(-30))
    commit.segment("2000", here.day(-30), here.day(30)).draft("-450", here.day(30))
    here.flush()
    assert net(here, customer, invoice_inclusion_mode=FINALIZED) == "2000"
    assert net(here, customer) == "1550"


def test_drafts_of_the_access_segment_lessen_what_rolls_over(here):
    customer = here.customer()
    _, access, rollover = customer.account(here.day(-60), here.day(-30), here.day(30), cap="90")
    access.entry("ACCOUNT_BALANCE_TRANSACTION", "100")
    access.draft("-40", here.day(-30))
    rollover.draft("-7", here.day(1))
    here.flush()
    assert net(here, customer, invoice_inclusion_mode=FINALIZED) == "90"
    assert net(here, customer) == "53"


def test_contract_level_counts_without_a_flag_and_archived_never(here):
    customer = here.customer()
    live, closed = customer.contract(), customer.contract(archived=True)
    for columns, amount in (({}, "1"), ({"contract": live}, "2"), ({"archived": True}, "4"),
                            ({"contract": live, "archived": True}, "8"),
                            ({"contract": closed, "contract_archived": True}, "16")):
        customer.balance(CREDIT, **columns).segment(amount, here.day(-1), here.day(1))
    here.flush()
    assert net(here, customer) == "3"


def test_only_active_segments_count_each_floored_by_itself(here):
    customer = here.customer()
    for overdraft, due in ((False, "60"), (True, "90")):
        credit = customer.balance(CREDIT, overdraft=overdraft)
        credit.segment("1", here.day(-2), here.day(-1))
        credit.segment("2", here.day(1), here.day(2))
        credit.segment("60", here.day(-1), here.day(1))
        credit.segment("0", here.day(-1), here.day(1)).entry("CREDIT_MANUAL", "-30")
        here.flush()
        assert net(here, customer) == due


def test_overdraft_makes_the_net_balance_negative(here):
    customer = here.customer()
    _, access, _ = customer.account(here.day(-1), here.day(1), overdraft=True)
    access.entry("ACCOUNT_BALANCE_DEDUCTION", "-99999999999999999999999999.999999999999")
    here.flush()
    assert net(here, customer) == "-99999999999999999999999999.999999999999"


def test_sum_beyond_the_digits_of_an_amount_is_out_of_range(here):
    customer = here.customer()
    for _ in range(2):
        customer.balance(CREDIT).segment("99999999999999999999999999.999999999999", here.day(-1), here.day(1))
    here.flush()
    with harness.fails("OUT_OF_RANGE", "OUT_OF_RANGE") as error:
        net(here, customer)
    assert error.message == "the net balance has more digits than an amount may have"
    assert net(here, customer, [{"ids": [customer.balances[0].id]}]) == "9" * 26 + "." + "9" * 12


def test_customer_without_balances_has_nothing(here):
    customer = here.customer()
    here.flush()
    assert net(here, customer) == "0"


@pytest.mark.parametrize("named, request_fields", [
    ("customer", {"customer_id": UNKNOWN}), ("credit_type", {"credit_type_id": UNKNOWN})])
def test_what_does_not_exist_is_not_found(here, ada, named, request_fields):
    with harness.fails("NOT_FOUND", "NOT_FOUND") as error:
        here.client.call("GetNetBalance", **{"customer_id": ada.id, **request_fields})
    assert error.message == f"{named} {UNKNOWN} does not exist"
    resource = error.details["ResourceInfo"]
    assert (resource.resource_type, resource.resource_name) == (named, UNKNOWN)


def test_balance_of_one_customer_is_not_counted_for_another(here, ada):
    stranger = here.customer()
    stranger.balance(CREDIT).segment("3", here.day(-1), here.day(1))
    here.flush()
    assert net(here, stranger, [{"ids": [b.id for b in ada.balances]}]) == "0"
    assert net(here, stranger, [{"ids": [b.id for b in ada.balances]}, types(CREDIT)]) == "3"


def test_largest_filter_that_is_taken(here, ada):
    ids = [here.id() for _ in range(999)] + [ada.p1.id]
    assert net(here, ada, [{"ids": ids}]) == "500"
    with harness.fails("INVALID_ARGUMENT", "INVALID_REQUEST") as error:
        net(here, ada, [{"ids": [*ids, ada.p1.id]}])
    assert [v.field for v in error.details["BadRequest"].field_violations] == ["filters"]
    with harness.fails("INVALID_ARGUMENT", "INVALID_REQUEST"):
        net(here, ada, [{}] * 65)


def random_filter(people, customer):
    """A filter of the reference, and the request that means it."""
    rng = people.rng
    wanted = ref.NetFilter(frozenset(rng.sample(list(world.KIND_NAME), rng.choice([0, 0, 1, 2, 3]))))
    if people.flag(0.3):
        wanted.ids = [people.some_id(customer) for _ in range(rng.choice([1, 2, 4]))]
    if people.flag(0.4):
        wanted.fields = {k: rng.choice(["1", "2", ""])
                         for k in rng.sample(["a", "b", "ä"], rng.choice([1, 1, 2]))}
    return wanted, {**types(*wanted.kinds), "ids": wanted.ids, "custom_fields": wanted.fields}


def test_random_customers_have_the_net_balance_that_the_reference_says(here):
    people = world.Population(here, world.seeded(), 200)
    sums = []
    for customer in people.customers:
        for _ in range(6):
            pairs = [random_filter(people, customer) for _ in range(people.rng.choice([0, 0, 1, 1, 2, 3]))]
            drafts, credit_type = people.flag(0.6), people.rng.choice([USD, USD, here.euro])
            shown = net(here, customer, [fields for _, fields in pairs], credit_type_id=credit_type,
                        invoice_inclusion_mode=WITH_DRAFTS if drafts else FINALIZED)
            balances = [b for b in customer.balances if b.credit_type == credit_type]
            due = ref.net(balances, [wanted for wanted, _ in pairs], here.now, drafts)
            assert shown == ref.amount_text(due), (customer.id, pairs, drafts)
            sums.append(due)
    print(f"{len(sums)} sums compared, {sum(map(bool, sums))} of them not zero")
    assert sum(map(bool, sums)) > len(sums) / 10
