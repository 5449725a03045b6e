"""RolloverBalance: what is left of a commit goes to a new contract, and counts there and nowhere else.

Numbers are those of domain.md B12.
"""

import pytest

import harness
import world
import writes
from test_writes import draft, draw, forbidden, invalid, missing
from world import new_id, stamp
from writes import access, invoice, item, made, segments, shown, version


@pytest.fixture(scope="module")
def here(postgres):
    with world.served(postgres) as served:
        yield served
        assert "0 drifts" in harness.balanced("verify", database_url=served.url).stdout


@pytest.fixture
def ada(here):
    customer = here.customer()
    customer.old, customer.new = customer.contract(), customer.contract()
    here.flush()
    return customer


def commit(here, customer, amount="100000", fraction="0.5", **more):
    """A prepaid commit of the old contract, half of which may be carried, in the midst of its time."""
    fields = {"contract_id": customer.old, "rollover_fraction": fraction,
              "access_schedule": access(here, item(here, amount, -30, 30)), **more}
    return made(here, customer, "CreateCommit", **fields)


def roll(here, customer, balance, start=0, end=100, **more):
    return here.call("RolloverBalance", customer, **{
        "id": balance.id, "new_contract_id": customer.new, "starting_at": stamp(here.day(start)),
        "ending_before": stamp(here.day(end)), **more})


def net(here, customer, finalized=False):
    return here.call("GetNetBalance", customer, invoice_inclusion_mode=1 + (not finalized)).balance


def entries(balance):
    return [(world.entry_name(e.type), e.amount) for e in balance.ledger]


# What is carried -------------------------------------------------------------------------------------


@pytest.mark.parametrize("used, carried, rest", [("90000", "10000", "0"), ("20000", "50000", "30000"),
                                                 ("0", "50000", "50000"), ("50000", "50000", "0")])
def test_rollover_carries_what_is_left_up_to_the_fraction(here, ada, used, carried, rest):
    old = commit(here, ada)
    if used != "0":
        draw(here, ada, old, f"-{used}", here.day(-1))
    before = net(here, ada)
    answer = roll(here, ada, old)
    assert answer.amount == carried
    assert shown(here, ada, old.id).balance == rest
    new = shown(here, ada, answer.id)
    assert new.balance == carried and entries(new) == [("PREPAID_COMMIT_SEGMENT_START", carried)]
    assert net(here, ada) == net(here, ada, finalized=True) == before  # both never count
    entry = shown(here, ada, old.id).ledger[-1]
    assert (world.entry_name(entry.type), entry.amount, entry.new_contract_id, entry.segment_id) == (
        "PREPAID_COMMIT_ROLLOVER", f"-{carried}", ada.new, segments(old)[0].id)
    assert world.micros(entry.timestamp) == here.day(0)


def test_ledger_of_an_ended_commit_is_as_in_b12(here, ada):
    """At its very end, or any time later: what the new balance takes on does not expire."""
    old = commit(here, ada, access_schedule=access(here, item(here, "100000", -30, -1)))
    draw(here, ada, old, "-20000", here.day(-10))
    answer = roll(here, ada, old, start=-1)
    assert answer.amount == "50000" and net(here, ada) == "50000"
    got = shown(here, ada, old.id)
    assert entries(got) == [
        ("PREPAID_COMMIT_SEGMENT_START", "100000"), ("PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION", "-20000"),
        ("PREPAID_COMMIT_ROLLOVER", "-50000"), ("PREPAID_COMMIT_EXPIRATION", "-30000")]
    assert got.balance == "0" and world.micros(got.ledger[2].timestamp) == here.day(-1)


def test_new_balance_takes_over_what_says_how_it_burns(here, ada):
    product, other = new_id(), new_id()
    taken = {"priority": {"value": 7.5}, "rate_type": 1, "name": "Näme", "description": "d",
             "applicable_contract_ids": [ada.old, other], "applicable_product_ids": [product],
             "applicable_product_tags": ["t"], "custom_fields": {"a": "ä"}, "netsuite_sales_order_id": "n",
             "salesforce_opportunity_id": "s",
             "hierarchy_configuration": {"child_access": {"type": 3, "contract_ids": [other]}}}
    old = commit(here, ada, **taken, uniqueness_key=new_id(), invoice_contract_id=ada.old,
                 invoice_schedule={"schedule_items": [invoice(here, amount="1")]},
                 access_schedule=access(here, item(here, "10.000000000003", -30, 30), credit_type_id=here.euro))
    answer = roll(here, ada, old, start=1, end=2)
    new = shown(here, ada, answer.id)
    assert answer.amount == "5.000000000002" and new.balance == "0"  # it has not started
    for name in ("priority", "rate_type", "name", "description", "applicable_product_ids", "applicable_product_tags",
                 "custom_fields", "netsuite_sales_order_id", "salesforce_opportunity_id", "hierarchy_configuration",
                 "product"):
        assert getattr(new, name) == getattr(old, name), name
    assert list(new.applicable_contract_ids) == [ada.new, other]
    assert (new.contract.id, new.rolled_over_from.balance_id, new.rolled_over_from.contract_id) == (
        ada.new, old.id, ada.old)
    assert new.access_schedule.credit_type.id == here.euro and new.type == old.type
    one, = segments(new)
    assert (one.amount, world.micros(one.starting_at), world.micros(one.ending_before)) == (
        "5.000000000002", here.day(1), here.day(2))
    assert not (new.uniqueness_key or new.rollover_fraction or new.invoice_schedule.schedule_items
                or new.invoice_contract.id)


def test_specifiers_are_taken_over(here, ada):
    specifiers = [{"product_id": here.product, "product_tags": ["t"], "pricing_group_values": {"k": "v"}}]
    old = commit(here, ada, specifiers=specifiers)
    assert shown(here, ada, roll(here, ada, old).id).specifiers == old.specifiers


def test_postpaid_commit_stays_one(here, ada):
    """The obligation goes on, and is trued up there."""
    old = made(here, ada, "CreateCommit", **writes.postpaid(here, ada.old, rollover_fraction="1"))
    here.run("UPDATE balance SET true_up_disabled = true WHERE id = %s", old.id)
    answer = roll(here, ada, old)  # it belongs to the contract that it is invoiced on
    new = shown(here, ada, answer.id)
    assert (new.type, new.balance, new.rolled_over_from.contract_id) == (writes.POSTPAID_TYPE, "100", ada.old)
    assert entries(new) == [("POSTPAID_COMMIT_INITIAL_BALANCE", "100")]
    assert entries(shown(here, ada, old.id))[-1] == ("POSTPAID_COMMIT_ROLLOVER", "-100")
    assert here.run("SELECT true_up_disabled FROM balance WHERE id = %s", answer.id) == [(True,)]


def test_what_ends_first_is_carried_first(here, ada):
    schedule = access(here, item(here, "40", -30, 60), item(here, "50", -30, 20), item(here, "7", -30, -10),
                      item(here, "10", 70, 80))
    old = commit(here, ada, fraction="0.75", access_schedule=schedule)  # 80.25
    assert roll(here, ada, old).amount == "80.25"
    got = shown(here, ada, old.id)
    by_amount = {s.amount: s.id for s in segments(got)}
    assert {e.segment_id: e.amount for e in got.ledger if "ROLLOVER" in world.entry_name(e.type)} == {
        by_amount["50"]: "-50", by_amount["40"]: "-30.25"}
    assert got.balance == "9.75"


def test_drafts_count_as_used(here, ada):
    old = commit(here, ada, "100", "1")
    draft(here, ada, old, "-30", here.day(5))
    assert roll(here, ada, old).amount == "70"
    assert (net(here, ada), net(here, ada, finalized=True)) == ("70", "100")


def test_rolled_twice_carries_only_what_is_left_of_the_fraction(here, ada):
    old = commit(here, ada, "100")
    draw(here, ada, old, "-80", here.day(-1))
    assert roll(here, ada, old).amount == "20"
    before = writes.everything(here)
    for _ in range(2):
        answer = roll(here, ada, old)
        assert (answer.id, answer.amount) == ("", "0") and answer.consistency_token
    assert writes.everything(here) == before
    here.call("AddManualLedgerEntry", ada, id=old.id, segment_id=segments(old)[0].id, amount="60", reason="r",
              contract_id=ada.old)
    assert roll(here, ada, old).amount == "30"  # of the 50
    assert roll(here, ada, old).amount == "0"
    assert shown(here, ada, old.id).balance == "30"


@pytest.mark.parametrize("reason", ["used", "expired", "fraction"])
def test_nothing_left_writes_nothing(here, ada, reason):
    old = commit(here, ada, "100", "0" if reason == "fraction" else "1", access_schedule=access(
        here, item(here, "100", -30, -5 if reason == "expired" else 30)))
    if reason == "used":
        draw(here, ada, old, "-100", here.day(-1))
    before = writes.everything(here)
    answer = roll(here, ada, old)
    assert (answer.id, answer.amount) == ("", "0")
    assert writes.everything(here) == before
    once = new_id()
    first = roll(here, ada, old, request_id=once)
    moved = version(here, ada)
    assert roll(here, ada, old, request_id=once) == first and version(here, ada) == moved


def test_largest_amount_rolls_over(here, ada):
    largest = "99999999999999999999999999.999999999999"
    old = commit(here, ada, largest, "1")
    assert roll(here, ada, old).amount == largest
    assert shown(here, ada, old.id).balance == "0" and net(here, ada) == largest


# What is refused -------------------------------------------------------------------------------------


def test_account_balance_rolls_over_by_itself(here, ada):
    account, *_ = ada.account(here.day(-1), here.day(1))
    here.flush()
    with forbidden(here, "WRONG_KIND", f"balance/{account.id}"):
        roll(here, ada, account)


def test_balance_without_a_fraction_does_not_roll_over(here, ada):
    for balance in (made(here, ada, contract_id=ada.old), commit(here, ada, fraction="")):
        with forbidden(here, "NO_ROLLOVER_FRACTION", f"balance/{balance.id}"):
            roll(here, ada, balance)
    new = roll(here, ada, commit(here, ada))
    with forbidden(here, "NO_ROLLOVER_FRACTION", f"balance/{new.id}"):  # what was carried is carried once
        roll(here, ada, new, new_contract_id=ada.old)


def test_archived_balance_does_not_roll_over(here, ada):
    old = commit(here, ada)
    here.call("ArchiveBalance", ada, id=old.id)
    with forbidden(here, "BALANCE_ARCHIVED", f"balance/{old.id}"):
        roll(here, ada, old)


def test_new_contract_has_to_be_there_and_another_one(here, ada):
    old = commit(here, ada)
    other = here.customer()
    foreign = other.contract()
    gone = ada.contract(archived=True)
    here.flush()
    for wrong in (new_id(), foreign):
        with missing(here, "contract", wrong):
            roll(here, ada, old, new_contract_id=wrong)
    with forbidden(here, "CONTRACT_ARCHIVED", f"contract/{gone}"):
        roll(here, ada, old, new_contract_id=gone)
    with forbidden(here, "SAME_CONTRACT", f"contract/{ada.old}"):
        roll(here, ada, old, new_contract_id=ada.old)
    loose = commit(here, ada, contract_id="")
    with forbidden(here, "NO_CONTRACT", f"balance/{loose.id}"):
        roll(here, ada, loose)
    for wrong in (new_id(), made(here, other).id):
        with missing(here, "balance", wrong):
            here.call("RolloverBalance", ada, id=wrong, new_contract_id=ada.new, starting_at=stamp(here.day(0)),
                      ending_before=stamp(here.day(1)))
    unknown = new_id()
    with missing(here, "customer", unknown):
        here.call("RolloverBalance", unknown, id=old.id, new_contract_id=ada.new, starting_at=stamp(here.day(0)),
                  ending_before=stamp(here.day(1)))


def test_new_balance_has_to_end_after_its_start(here, ada):
    old = commit(here, ada)
    for end in (0, -1):
        with invalid(here, "ending_before"):
            roll(here, ada, old, start=0, end=end)


def test_rolled_over_balance_is_not_edited(here, ada):
    new = roll(here, ada, commit(here, ada))
    segment = segments(shown(here, ada, new.id))[0].id
    with forbidden(here, "ROLLED_OVER", f"balance/{new.id}"):
        here.call("UpdateEndDate", ada, id=new.id, access_ending_before=stamp(here.day(50)))
    with forbidden(here, "ROLLED_OVER", f"balance/{new.id}"):
        here.call("AdjustSeats", ada, id=new.id, segment_id=segment, amount="1")


# At once ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 3])
def test_of_many_rollovers_at_once_one_carries(postgres, workers):
    with world.served(postgres, workers=workers) as here:
        ada = here.customer()
        ada.old, ada.new = ada.contract(), ada.contract()
        here.flush()
        old = commit(here, ada, "100", "0.4")
        clients = [here.server.client() for _ in range(8)]
        fields = {"customer_id": ada.id, "id": old.id, "new_contract_id": ada.new,
                  "starting_at": stamp(here.day(0)), "ending_before": stamp(here.day(9))}
        calls = [clients[n % 8].future("RolloverBalance", **fields) for n in range(32)]
        assert sorted(c.result().amount for c in calls) == ["0"] * 31 + ["40"]
        assert net(here, ada) == "100"
        again = commit(here, ada, "100", "0.4")
        fields.update(id=again.id, request_id=new_id())
        calls = [clients[n % 8].future("RolloverBalance", **fields) for n in range(32)]
        assert len({c.result().SerializeToString() for c in calls}) == 1 and calls[0].result().amount == "40"
        assert net(here, ada) == "200"
        assert "0 drifts" in harness.balanced("verify", database_url=here.url).stdout


def test_cached_answers_end_with_a_rollover(postgres, redis):
    with world.served(postgres, redis_url=redis.url) as here:
        ada = here.customer()
        ada.old, ada.new = ada.contract(), ada.contract()
        here.flush()
        old = commit(here, ada, "100", "0.4")
        for _ in range(3):
            assert net(here, ada) == "100" and shown(here, ada, old.id).balance == "100"
        new = roll(here, ada, old, start=1)  # from tomorrow on
        assert net(here, ada) == "60" and shown(here, ada, old.id).balance == "60"
        assert shown(here, ada, new.id).balance == "0"
