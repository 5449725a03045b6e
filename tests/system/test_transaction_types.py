"""Transaction types: made, shown, changed by version, archived and deleted (domain.md A13).

They belong to no customer, so each test tells its own apart by their codes.
"""

import threading

import grpc
import pytest

import harness
import world
import writes
from world import new_id
from writes import refused

CODE = iter(f"code_{n}" for n in range(10**6))
REPLAYED = ("idempotent-replayed", "true")


@pytest.fixture(scope="module")
def here(postgres):
    with world.served(postgres) as served:
        yield served


def create(here, name="Top-up", code=None, **more):
    return here.client.call("CreateTransactionType", name=name, code=next(CODE) if code is None else code,
                            **more).transaction_type


def update(here, type_, **changes):
    fields = {"id": type_.id, "name": type_.name, "code": type_.code, "archived": type_.archived,
              "version": type_.version, **changes}
    return here.client.call("UpdateTransactionType", **fields).transaction_type


def delete(here, type_, **more):
    return here.client.call("DeleteTransactionType", id=getattr(type_, "id", type_), **more).transaction_type


def get(here, type_):
    return here.client.call("GetTransactionType", id=getattr(type_, "id", type_)).transaction_type


def listed(here, **fields):
    found = []
    while True:
        answer = here.client.call("ListTransactionTypes", **fields)
        found += answer.data
        if not answer.next_page:
            return found
        fields["next_page"] = answer.next_page


def use(here, type_):
    customer = here.customer()
    balance, *_ = customer.account(here.day(-1), here.day(1))
    here.flush()
    return here.call("CreateTransaction", customer, balance_id=balance.id, amount="1", transaction_type_id=type_.id)


def test_type_is_answered_as_it_is_read(here):
    made = create(here, "Größe", "größe_$1")
    assert (made.name, made.code, made.archived, made.version) == ("Größe", "größe_$1", False, 1)
    assert get(here, made) == made
    assert listed(here, codes=["größe_$1"]) == [made]
    changed = update(here, made, name="x", code="", archived=True)
    assert (changed.name, changed.code, changed.archived, changed.version) == ("x", "", True, 2)
    assert get(here, made) == changed
    assert delete(here, made) == changed
    with harness.fails("NOT_FOUND", "NOT_FOUND") as error:
        get(here, made)
    assert error.details["ResourceInfo"].resource_type == "transaction_type"


def test_type_needs_no_code(here):
    first, second = create(here, code=""), create(here, code="")
    assert (first.code, second.code) == ("", "") and first.id != second.id


@pytest.mark.parametrize("code", ["0", "a-b", " a", "a b", "a.", "\u0661", "a\u0301", "\U0001f600", "é" * 81])
def test_code_that_is_none_is_refused(here, code):
    made = create(here)
    for write in (lambda: create(here, code=code), lambda: update(here, made, code=code)):
        with refused(here, "INVALID_ARGUMENT", "INVALID_REQUEST") as error:
            write()
        assert [v.field for v in error.details["BadRequest"].field_violations] == ["code"]


@pytest.mark.parametrize("code", ["_", "$", "Z9", "é" * 80, "\u0434\u04301", "\u4e2d\u6587", "\U00010400"])
def test_code_of_any_letters_is_taken(here, code):
    assert get(here, create(here, code=code)).code == code


def test_code_is_used_once(here):
    made = create(here, code="once")
    other = create(here)
    for write in (lambda: create(here, code="once"), lambda: update(here, other, code="once")):
        with refused(here, "ALREADY_EXISTS", "CODE_USED"):
            write()
    made = update(here, made, code="once")  # its own
    update(here, made, archived=True)
    with refused(here, "ALREADY_EXISTS", "CODE_USED"):
        create(here, code="once")
    delete(here, made)
    create(here, code="once")


def test_code_is_used_once_by_callers_at_once(here):
    calls = [here.server.client().future("CreateTransactionType", name="n", code="race") for _ in range(16)]
    outcomes = []
    for call in calls:
        try:
            call.result()
            outcomes.append("OK")
        except grpc.RpcError as error:
            outcomes.append(harness.error_of(error).details["ErrorInfo"].reason)
    assert sorted(outcomes) == ["CODE_USED"] * 15 + ["OK"]


def test_update_wants_the_stored_version(here):
    made = create(here)
    update(here, made, name="x")
    for version in (1, 3):
        with refused(here, "ABORTED", "VERSION_MISMATCH"):
            update(here, made, version=version)
    with refused(here, "INVALID_ARGUMENT") as error:
        update(here, made, version=0, name="é" * 201)
    assert sorted(v.field for v in error.details["BadRequest"].field_violations) == ["name", "version"]


def test_what_is_not_there_is_not_found(here):
    ghost = create(here)
    delete(here, ghost)
    for write in (lambda: update(here, ghost), lambda: delete(here, ghost), lambda: delete(here, new_id())):
        with refused(here, "NOT_FOUND", "NOT_FOUND"):
            write()


def test_archived_type_takes_no_transactions(here):
    made = create(here)
    use(here, made)
    made = update(here, made, archived=True)
    with harness.fails("FAILED_PRECONDITION", "TRANSACTION_TYPE_ARCHIVED"):
        use(here, made)
    use(here, update(here, made, archived=False))


def test_used_type_is_not_deleted(here):
    made = create(here)
    use(here, made)
    with refused(here, "FAILED_PRECONDITION", "TRANSACTION_TYPE_IN_USE") as error:
        delete(here, made)
    assert "archive it" in error.message


def test_use_and_end_of_a_type_at_once(here):
    """Each type is used, or archived, or deleted by callers at once; whoever comes second hears of the first."""
    customer = here.customer()
    balance, *_ = customer.account(here.day(-1), here.day(1))
    here.flush()
    for _ in range(10):
        made = create(here)
        client = here.server.client()
        calls = {
            "use": client.future("CreateTransaction", customer_id=customer.id, balance_id=balance.id, amount="1",
                                 transaction_type_id=made.id),
            "delete": here.client.future("DeleteTransactionType", id=made.id),
            "archive": client.future("UpdateTransactionType", id=made.id, name="n", version=1, archived=True)}
        done = set()
        for name, call in calls.items():
            try:
                call.result()
                done.add(name)
            except grpc.RpcError as error:
                assert error.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION), error
        used = here.run("SELECT id FROM ledger_entry WHERE transaction_type_id = %s", made.id)
        left = here.run("SELECT archived FROM transaction_type WHERE id = %s", made.id)
        assert bool(used) == ("use" in done)
        assert bool(left) != ("delete" in done)
        assert not (used and not left)
        assert not left or left[0][0] == ("archive" in done)


def test_list_filters_and_pages(here):
    made = [create(here, code=f"page_{n}") for n in range(5)]
    codes = [m.code for m in made]
    assert listed(here, codes=codes) == made
    assert listed(here, codes=codes, limit=1) == made
    assert listed(here, codes=codes, limit=5) == made
    assert listed(here, codes=codes, ids=[made[3].id, made[1].id, new_id()]) == [made[1], made[3]]
    assert listed(here, codes=["nothing"]) == []
    made[2] = update(here, made[2], archived=True)
    assert listed(here, codes=codes) == made[:2] + made[3:]
    assert listed(here, codes=codes, include_archived=True) == made
    assert set(codes) - {m.code for m in listed(here)} == {"page_2"}
    first = here.client.call("ListTransactionTypes", codes=codes, limit=1)
    with harness.fails("INVALID_ARGUMENT", "INVALID_REQUEST"):
        here.client.call("ListTransactionTypes", codes=codes, limit=2, next_page=first.next_page)
    with harness.fails("INVALID_ARGUMENT") as error:
        here.client.call("ListTransactionTypes", ids=["x"], limit=101, next_page="x")
    assert sorted(v.field for v in error.details["BadRequest"].field_violations) == ["ids[0]", "limit", "next_page"]


@pytest.mark.parametrize("method", ["CreateTransactionType", "UpdateTransactionType", "DeleteTransactionType"])
def test_same_request_is_answered_as_the_first_time(here, method):
    made = create(here)
    fields = {"request_id": new_id(), **{
        "CreateTransactionType": {"name": "n", "code": next(CODE)},
        "UpdateTransactionType": {"id": made.id, "name": "n", "version": 1},
        "DeleteTransactionType": {"id": made.id}}[method]}
    first, call = here.client.call_with_metadata(method, **fields)
    assert REPLAYED not in [tuple(item) for item in call.initial_metadata()]
    create(here)
    before = writes.everything(here)
    for _ in range(2):
        again, call = here.client.call_with_metadata(method, **fields)
        assert again == first
        assert REPLAYED in [tuple(item) for item in call.initial_metadata()]
    other = {"id": new_id()} if method == "DeleteTransactionType" else {"name": "other"}
    with harness.fails("ALREADY_EXISTS", "REQUEST_ID_REUSED"):
        here.client.call(method, **{**fields, **other})
    assert writes.everything(here) == before


def test_request_ids_are_not_those_of_customers(here):
    customer, once = here.customer(), new_id()
    here.flush()
    create(here, request_id=once)
    here.call("CreateCredit", customer, **writes.credit(here, request_id=once))


def test_every_change_ends_cached_answers(postgres, redis):
    """Those made by SQL, too, as soon as the feed has told of them."""
    with world.served(postgres, redis_url=redis.url) as here:
        made = create(here, code="c")
        assert listed(here, codes=["c"]) == listed(here, codes=["c"]) == [made] and get(here, made) == made
        changed = update(here, made, name="x")
        assert listed(here, codes=["c"]) == [changed] and get(here, made) == changed
        assert redis.keys("*:type:*") and redis.keys("*:typs:*")
        here.run("UPDATE transaction_type SET name = 'by SQL' WHERE id = %s", made.id)
        harness.wait_until(lambda: get(here, made).name == "by SQL", "the feed to tell of it")
        assert (get(here, made).version, listed(here, codes=["c"])[0].name) == (3, "by SQL")
        delete(here, made)
        assert listed(here, codes=["c"]) == []


def test_types_of_many_writers(here):
    """Writers of types take their turns; none of them fails or is lost."""
    before = len(listed(here, include_archived=True))

    def run():
        client = here.server.client()
        for _ in range(10):
            client.call("CreateTransactionType", name="n", timeout_s=harness.PATIENCE_S)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(harness.PATIENCE_S)
    assert len(listed(here, include_archived=True)) == before + 80
