"""Pages: every list and the ledger, with every limit, give the whole exactly once and in order, whatever is
written meanwhile; and pages that end early because an answer would be too large.
"""

import pytest

import harness
import reference as ref
import world
from reference import ACCOUNT, CREDIT, PREPAID
from world import LISTS, ids_of, shown_entry

ANSWER_BYTES_MAX = 3 * 1024 * 1024


@pytest.fixture(scope="module")
def here(postgres):
    with world.served(postgres) as served:
        yield served


@pytest.fixture(params=LISTS, ids=lambda method: method.name)
def method(request):
    return request.param


def balance_of_kind(customer, kind, **columns):
    balance = customer.balance(kind, **columns)
    balance.segment("0" if kind == ACCOUNT else "5", customer.world.day(-1), customer.world.day(1))
    return balance


def assert_pages(pages, show, due, limit):
    """The pages have `due` between them, and as much on each as the limit allows."""
    assert [item for page in pages for item in show(page)] == due
    for page in pages:
        assert len(page.data) <= limit
        if page.next_page and len(page.data) < limit:
            pytest.fail("a page is shorter than its limit and not the last")


# Lists -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crowd(here):
    """A customer with 26 balances of each kind that a page can be full of, many of the same age."""
    ada = here.customer()
    kinds = [kind for kind in world.KIND_NAME for _ in range(26)]
    here_rng = world.seeded()
    here_rng.shuffle(kinds)
    for n, kind in enumerate(kinds):
        balance_of_kind(ada, kind, created_at=here.day(-50) + n // 7)
    here.flush()
    return ada


def test_every_limit_gives_the_whole_list_once(here, crowd, method):
    due = [b.id for b in crowd.listed if b.kind in method.kinds]
    for limit in range(26):
        pages = list(here.pages(method.name, crowd, limit=limit, include_balance=True))
        assert_pages(pages, ids_of, due, limit or 25)
        assert {len(p.data) for p in pages[:-1]} == ({limit or 25} if len(pages) > 1 else set())


def test_full_page_that_ends_the_list_has_no_next(here):
    ada = here.customer()
    for _ in range(25):
        balance_of_kind(ada, CREDIT)
    here.flush()
    for limit, due in ((0, [25]), (25, [25]), (5, [5] * 5), (24, [24, 1])):
        assert [len(p.data) for p in here.pages("ListCredits", ada, limit=limit)] == due


def test_rows_written_meanwhile_shift_no_page(here, method):
    ada = here.customer()
    kind = min(method.kinds)
    old = [balance_of_kind(ada, kind, created_at=here.day(-50) + 100 * n).id for n in range(12)]
    here.flush()
    seen = []
    for page in here.pages(method.name, ada, limit=2):
        seen += ids_of(page)
        # One before all, one behind all, one in the middle, one between the last shown and the next.
        last = next(b.created_at for b in ada.balances if b.id == seen[-1])
        for created_at in (here.day(-60), here.day(-50) + 555, last + 1, here.day(-40)):
            if len(ada.balances) < 40:
                balance_of_kind(ada, kind, created_at=created_at)
        here.flush()
    assert [id_ for id_ in seen if id_ in old] == old
    assert len(set(seen)) == len(seen) > len(old)


def test_rows_that_vanish_meanwhile_shift_no_page(here):
    ada = here.customer()
    made = [balance_of_kind(ada, CREDIT).id for _ in range(8)]
    here.flush()
    seen = []
    for page in here.pages("ListCredits", ada, limit=2):
        seen += ids_of(page)
        # The one that the next page starts after goes, and the one that it would have started with.
        at = made.index(seen[-1])
        here.run("UPDATE balance SET archived_at = now() WHERE id = ANY (%s::uuid[])",
                 world.array(made[at:at + 2]))
    assert seen == [made[0], made[1], made[3], made[4], made[6], made[7]]


def test_filtered_list_is_whole_where_whole_pages_are_refused(here):
    """A debt is no zero to the database's preselection, and is a balance of zero nevertheless."""
    ada = here.customer()
    due = []
    for n in range(70):
        balance = balance_of_kind(ada, CREDIT)
        if n in (0, 33, 69):
            due.append(balance.id)
        else:
            balance.segments[0].entry("CREDIT_MANUAL", "-6")
    here.flush()
    for limit in (1, 2, 25):
        pages = here.pages("ListBalances", ada, limit=limit, exclude_zero_balances=True)
        assert [id_ for page in pages for id_ in ids_of(page)] == due


def test_random_lists_page_by_page(here):
    people = world.Population(here, world.seeded(), 60)
    for customer in people.customers:
        for method in LISTS:
            wanted = ref.ListFilter(kinds=method.kinds, contract_level=True, archived=True)
            due = [b.id for b in customer.listed if ref.list_selects(wanted, b, here.now)]
            limit = people.rng.choice([1, 2, 3, 5])
            pages = list(here.pages(method.name, customer, limit=limit, include_archived=True,
                                    **{method.contract: True}))
            assert_pages(pages, ids_of, due, limit)


# The ledger ------------------------------------------------------------------------------------------


def entries_of(page):
    return [shown_entry(e) for e in page.data]


@pytest.fixture(scope="module")
def tied(here):
    """A customer whose entries nearly all share two instants, in many segments of every kind: starts,
    stored entries, drafts, expirations and rollovers, each more than fit on a page."""
    ada = here.customer()
    start, end = here.day(-20), here.day(-10)
    for n in range(9):
        for kind in world.KIND_NAME:
            if kind == ACCOUNT:
                _, segment, rollover = ada.account(start, end, here.day(-5) if n % 2 else here.day(5))
                rollover.entry("ACCOUNT_BALANCE_TRANSACTION", "1", end)
            else:
                segment = ada.balance(kind, true_up_disabled=kind == ref.POSTPAID).segment("50", start, end)
            for sign, type_, _ in world.STORED[kind][:3]:
                segment.entry(type_, f"{sign or 1}.5", start if n % 2 else end)
            segment.draft("-0.25", end)
            segment.draft("-0.125", start)
    here.flush()
    return ada


@pytest.mark.parametrize("descending", [False, True])
def test_every_limit_gives_the_whole_ledger_once(here, tied, descending):
    due = world.expected_ledger(tied.balances, here.now)[::-1 if descending else 1]
    assert len(due) > 230
    for limit in [*range(1, 40), 41, 64, 99, 100, 101, 150, 199, 200, len(due) - 1, len(due), len(due) + 1, 1000]:
        pages = list(here.pages("ListLedgerEntries", tied, limit=limit, descending=descending))
        shown = [e for page in pages for e in entries_of(page)]
        assert shown == due, f"limit {limit}"
        assert all(len(p.data) <= limit for p in pages)


@pytest.mark.parametrize("descending", [False, True])
def test_every_limit_gives_the_whole_of_a_filtered_ledger(here, tied, descending):
    whole = world.expected_ledger(tied.balances, here.now)[::-1 if descending else 1]
    for types in (["CREDIT_SEGMENT_START"], ["ACCOUNT_BALANCE_ROLLOVER"],
                  [world.DEDUCTION[CREDIT], "CREDIT_EXPIRATION"], ["PREPAID_COMMIT_MANUAL"]):
        due = [e for e in whole if e[1] in types]
        for limit in (1, 2, 3, 5, 8, 9, 10, 100):
            pages = here.pages("ListLedgerEntries", tied, limit=limit, descending=descending,
                               types=list(map(world.entry_number, types)))
            assert [e for page in pages for e in entries_of(page)] == due, (types, limit)
    one = tied.balances[7]
    due = [e for e in whole if e[5] == one.id]
    for limit in range(1, len(due) + 2):
        pages = here.pages("ListLedgerEntries", tied, limit=limit, descending=descending, balance_id=one.id)
        assert [e for page in pages for e in entries_of(page)] == due


def test_default_page_of_the_ledger_has_a_hundred_entries(here, tied):
    assert len(here.call("ListLedgerEntries", tied).data) == 100


def test_random_ledgers_page_by_page(here):
    people = world.Population(here, world.seeded(), 60)
    for customer in people.customers:
        whole = world.expected_ledger(customer.balances, here.now)
        for descending in (False, True):
            due = whole[::-1] if descending else whole
            for limit in (1, 2, 3, 7, len(due) + 1):
                pages = here.pages("ListLedgerEntries", customer, limit=limit, descending=descending)
                assert [e for page in pages for e in entries_of(page)] == due, (customer.id, limit)


@pytest.mark.parametrize("descending", [False, True])
def test_entries_written_meanwhile_shift_no_page(here, descending):
    ada = here.customer()
    segment = ada.balance(CREDIT).segment("5", here.day(-30), here.day(30))
    for n in range(12):
        segment.entry("CREDIT_MANUAL", "1", here.day(-20) + n // 3)
    here.flush()
    old = world.expected_ledger(ada.balances, here.now)[::-1 if descending else 1]
    seen = []
    for page in here.pages("ListLedgerEntries", ada, limit=2, descending=descending):
        seen += entries_of(page)
        if len(segment.entries) < 40:
            for at in (here.day(-25), here.day(-15), here.day(-20), seen[-1][0]):
                segment.entry("CREDIT_MANUAL", "2", at)
            segment.draft("-1", here.day(-20) + 1)
            here.flush()
    assert [e for e in seen if e in old] == old
    assert len(set(seen)) == len(seen)


# Answers that would be too large (ruling 15) ---------------------------------------------------------


def fill(here, balance, count, character="x", type_="CREDIT_MANUAL", characters=10000):
    """Gives a balance `count` entries with reasons as long as may be; they are not mirrored."""
    here.run("INSERT INTO ledger_entry (customer_id, balance_id, segment_id, type, amount, reason, timestamp)"
             " SELECT %s, %s, %s, %s, 1, repeat(%s, %s), timestamptz '2024-01-01Z' + n * interval '1 s'"
             " FROM generate_series(1, %s) n", *balance.key.values(), balance.segments[0].id, type_,
             character, characters, count)


def all_entries(here, balance, **fields):
    """How many entries the ledger of one balance has, looked at page by page."""
    seen = []
    for page in here.pages("ListLedgerEntries", balance.customer, balance_id=balance.id, **fields):
        assert page.ByteSize() <= ANSWER_BYTES_MAX
        assert page.data
        seen += [e.id for e in page.data]
    assert len(set(seen)) == len(seen)
    return len(seen)


def test_page_with_ledgers_is_cut_before_it_is_too_large(here):
    ada = here.customer()
    made = [balance_of_kind(ada, kind) for _ in range(3) for kind in (CREDIT, PREPAID)]
    here.flush()
    for balance in made:
        fill(here, balance, 120, type_=f"{world.KIND_NAME[balance.kind]}_MANUAL")
    for method in LISTS:
        due = [b.id for b in made if b.kind in method.kinds]
        pages = list(here.pages(method.name, ada, include_ledgers=True))
        assert [id_ for page in pages for id_ in ids_of(page)] == due
        assert all(len(item.ledger) == 121 for page in pages for item in world.items_of(page))
        assert all(page.ByteSize() <= ANSWER_BYTES_MAX for page in pages)
        assert [len(p.data) for p in pages] == ([2, 2, 2] if len(due) == 6 else [2, 1])
        assert ids_of(here.call(method.name, ada)) == due


def test_page_of_large_balances_is_cut_without_ledgers_too(here):
    ada = here.customer()
    made = []
    for _ in range(25):
        made.append(balance_of_kind(ada, CREDIT, description="\U0001f600" * 10000, fields={
            f"{n}": "x" * 600 for n in range(100)}).id)
    here.flush()
    here.run("UPDATE balance SET specifiers = jsonb_build_array(jsonb_build_object('product_tags',"
             " jsonb_build_array(repeat('y', 65000)))) WHERE customer_id = %s", ada.id)
    pages = list(here.pages("ListCredits", ada))
    assert [id_ for page in pages for id_ in ids_of(page)] == made
    assert len(pages) == 2 and all(page.ByteSize() <= ANSWER_BYTES_MAX for page in pages)


@pytest.mark.parametrize("count, character, characters", [
    (320, "x", 10000), (90, "\U0001f600", 10000), (7000, "x", 10000), (24001, "x", 1)],
    ids=["large", "wide", "beyond memory", "many"])
def test_ledger_that_alone_is_too_large_is_refused_and_can_be_paged_through(here, count, character, characters):
    ada = here.customer()
    first, large, last = (balance_of_kind(ada, CREDIT) for _ in range(3))
    here.flush()
    fill(here, large, count, character, characters=characters)
    answer = here.call("ListCredits", ada, include_ledgers=True)
    assert ids_of(answer) == [first.id] and answer.next_page
    for fields in ({"next_page": answer.next_page}, {"credit_id": large.id}):
        with harness.fails("RESOURCE_EXHAUSTED", "TOO_LARGE") as error:
            here.call("ListCredits", ada, include_ledgers=True, **fields)
        assert large.id in error.message and "ListLedgerEntries" in error.message
        assert "RetryInfo" not in error.details  # trying again does not help
    assert ids_of(here.call("ListCredits", ada, include_balance=True)) == [first.id, large.id, last.id]
    assert ids_of(here.call("ListCredits", ada, include_ledgers=True, credit_id=last.id)) == [last.id]
    if count <= 320:
        for fields in ({}, {"limit": 1000}, {"limit": 1000, "descending": True}, {"limit": 7}):
            assert all_entries(here, large, **fields) == count + 1


def test_many_ledgers_of_many_entries_are_cut_between_balances(here):
    ada = here.customer()
    made = [balance_of_kind(ada, CREDIT) for _ in range(3)]
    here.flush()
    for balance in made:
        fill(here, balance, 9000, characters=1)
    pages = list(here.pages("ListCredits", ada, include_ledgers=True))
    assert [id_ for page in pages for id_ in ids_of(page)] == [b.id for b in made]
    assert all(len(item.ledger) == 9001 for page in pages for item in world.items_of(page))
