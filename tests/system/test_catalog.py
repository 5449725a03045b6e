"""CatalogService: customers, contracts, products and credit types, made, replaced and put again."""

import contextlib
import threading

import psycopg2
import pytest

import harness
import world
import writes
from faults import execute
from writes import version


@pytest.fixture(scope="module")
def here(postgres):
    with world.served(postgres) as served:
        yield served
        assert "0 drifts" in harness.balanced("verify", database_url=served.url).stdout


@pytest.fixture
def ada(here):
    made = here.customer()
    here.flush()
    return made


def put(here, method, **fields):
    return here.client.call(method, **fields)


def test_customer_is_made_and_renamed(here):
    ada = world.new_id()
    with harness.fails("NOT_FOUND"):
        here.call("GetNetBalance", ada)
    first = put(here, "PutCustomer", id=ada, name="Ada")
    answer = here.call("GetNetBalance", ada, consistency={"at_least_as_fresh": first.consistency_token})
    assert answer.balance == "0" and answer.consistency_token == first.consistency_token
    assert here.run("SELECT name FROM customer WHERE customer_id = %s", ada) == [("Ada",)]
    put(here, "PutCustomer", id=ada, name="Ä" * 1000)
    assert here.run("SELECT name FROM customer WHERE customer_id = %s", ada) == [("Ä" * 1000,)]
    assert version(here, ada) == 2


def test_customer_who_was_removed_is_made_again(here):
    """Its version goes on where it was, so that nobody's token is of another state."""
    ada = world.new_id()
    put(here, "PutCustomer", id=ada, name="Ada")
    here.run("DELETE FROM customer WHERE customer_id = %s", ada)
    with harness.fails("NOT_FOUND", "NOT_FOUND"):
        put(here, "PutContract", customer_id=ada, id=world.new_id(), name="C")
    put(here, "PutCustomer", id=ada, name="Ada")
    assert version(here, ada) == 3


def test_putting_again_changes_nothing(here, ada):
    contract = world.new_id()
    puts = [("PutCustomer", {"id": ada.id, "name": "Ada"}),
            ("PutContract", {"customer_id": ada.id, "id": contract, "name": "One"}),
            ("ArchiveContract", {"customer_id": ada.id, "id": contract}),
            ("PutContract", {"customer_id": ada.id, "id": contract, "name": "One"}),
            ("PutProduct", {"id": here.product, "name": "Compute", "tags": ["a"]}),
            ("PutCreditType", {"id": here.euro, "name": "EUR"})]
    for method, fields in puts:
        put(here, method, **fields)
        before = writes.everything(here)
        answer = put(here, method, **fields)
        assert writes.everything(here) == before
        if answer.DESCRIPTOR.fields:
            assert answer == put(here, method, **fields)
            here.call("GetNetBalance", ada, consistency={"at_least_as_fresh": answer.consistency_token})


def test_contract_is_made_renamed_and_archived_with_its_balances(here, ada):
    contract, other = world.new_id(), world.new_id()
    for one in (contract, other):
        put(here, "PutContract", customer_id=ada.id, id=one, name="One")
    put(here, "PutContract", customer_id=ada.id, id=contract, name="Two")
    assert here.run("SELECT name FROM contract WHERE id = %s", contract) == [("Two",)]
    inside = writes.made(here, ada, contract_id=contract)
    beside = writes.made(here, ada, contract_id=other)
    put(here, "ArchiveContract", customer_id=ada.id, id=contract)
    assert writes.shown(here, ada, inside.id).HasField("archived_at")
    assert writes.shown(here, ada, inside.id).balance == "0"
    assert writes.shown(here, ada, beside.id).balance == "100"
    put(here, "PutContract", customer_id=ada.id, id=contract, name="Three")  # it stays archived
    assert here.run("SELECT name, archived_at IS NULL FROM contract WHERE id = %s", contract) == [("Three", False)]


def test_what_does_not_exist_is_named(here, ada):
    unknown = world.new_id()
    for method, customer, kind in (("PutContract", unknown, "customer"), ("ArchiveContract", unknown, "customer"),
                                   ("ArchiveContract", ada.id, "contract")):
        fields = {"name": "C"} if method == "PutContract" else {}
        with harness.fails("NOT_FOUND", "NOT_FOUND") as error:
            put(here, method, customer_id=customer, id=unknown, **fields)
        info = error.details["ResourceInfo"]
        assert (info.resource_type, info.resource_name) == (kind, unknown)


def test_contract_of_another_customer_is_not_found(here, ada):
    bea = here.customer()
    contract = bea.contract()
    here.flush()
    with harness.fails("NOT_FOUND", "NOT_FOUND"):
        put(here, "ArchiveContract", customer_id=ada.id, id=contract)


def test_product_and_credit_type_are_made_and_shown(here, ada):
    product, points = world.new_id(), world.new_id()
    put(here, "PutProduct", id=product, name="Storage", tags=["a", "ä", "a"])
    assert here.run("SELECT name, tags FROM product WHERE id = %s", product) == [("Storage", ["a", "ä", "a"])]
    put(here, "PutCreditType", id=points, name="Points")
    made = writes.made(here, ada, product_id=product,
                       access_schedule=writes.access(here, credit_type_id=points))
    assert made.product.name == "Storage" and made.access_schedule.credit_type.name == "Points"
    before = version(here, ada)
    put(here, "PutProduct", id=product, name="Storage", tags=[])
    assert here.run("SELECT tags FROM product WHERE id = %s", product) == [([],)]
    assert version(here, ada) == before  # no answer shows tags
    put(here, "PutProduct", id=product, name="Space")
    put(here, "PutCreditType", id=points, name="Credits")
    assert version(here, ada) == before + 2
    made = writes.shown(here, ada, made.id)
    assert made.product.name == "Space" and made.access_schedule.credit_type.name == "Credits"


def test_tags_have_their_bounds(here):
    put(here, "PutProduct", id=here.product, name="Compute", tags=[str(n) for n in range(1000)])
    for tags, field in (([str(n) for n in range(1001)], "tags"), (["a", ""], "tags[1]")):
        with harness.fails("INVALID_ARGUMENT", "INVALID_REQUEST") as error:
            put(here, "PutProduct", id=here.product, name="Compute", tags=tags)
        assert [v.field for v in error.details["BadRequest"].field_violations] == [field]


def test_many_customers_of_a_renamed_product_all_move(here):
    product = world.new_id()
    put(here, "PutProduct", id=product, name="Old")
    customers = [here.customer() for _ in range(300)]  # more than one answer of the database names
    for customer in customers:
        customer.balance(world.CREDIT, product_id=product)
    here.flush()
    before = [version(here, c) for c in customers]
    put(here, "PutProduct", id=product, name="New")
    assert [version(here, c) for c in customers] == [v + 1 for v in before]


def test_callers_at_once_make_one_customer(here):
    ada = world.new_id()
    calls = [here.client.future("PutCustomer", id=ada, name=f"Ada {n % 4}") for n in range(40)]
    for call in calls:
        call.result()
    name, = here.run("SELECT name FROM customer WHERE customer_id = %s", ada)[0]
    assert name.startswith("Ada ")
    tokens = {call.result().consistency_token for call in calls}
    assert len(tokens) == version(here, ada)


def test_renaming_and_creating_at_once_never_deadlock(here):
    """Both lock names first and customers after them: a deadlock would show as a wait of a second."""
    product = world.new_id()
    put(here, "PutProduct", id=product, name="Product")
    customers = [here.customer() for _ in range(4)]
    here.flush()
    for customer in customers:
        writes.made(here, customer, product_id=product)
    deadlocks = here.run("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    failures = []

    def run(method, fields):
        client = here.server.client()
        try:
            for n in range(15):
                client.call(method, **fields(n))
        except Exception as error:  # pylint: disable=broad-except
            failures.append(error)

    threads = [threading.Thread(target=run, args=("PutProduct", lambda n: {"id": product, "name": f"P {n}"}))]
    threads += [threading.Thread(target=run, args=(
        "CreateCredit", lambda n, c=c: {**writes.credit(here, product_id=product), "customer_id": c.id}))
        for c in customers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(harness.PATIENCE_S)
    assert not failures, failures
    here.run("SELECT pg_stat_clear_snapshot()")
    assert here.run("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == deadlocks


def test_connection_that_breaks_under_a_put_is_no_error(here):
    """What may be repeated at will, the server repeats itself."""
    ada = world.new_id()
    put(here, "PutCustomer", id=ada, name="Ada")
    with contextlib.closing(psycopg2.connect(here.url)) as session, session.cursor() as cursor:
        cursor.execute("SELECT FROM balances.ledger_version WHERE customer_id = %s FOR UPDATE", [ada])
        call = here.client.future("PutCustomer", id=ada, name="Bea")
        harness.wait_until(lambda: execute(here.url, KILL), "the commit to wait, and to be ended")
    call.result()
    assert here.run("SELECT name FROM customer WHERE customer_id = %s", ada) == [("Bea",)]
    assert version(here, ada) == 2


KILL = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE wait_event_type = 'Lock' AND application_name = 'balanced' AND datname = current_database()"""
