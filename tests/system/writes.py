"""What the tests of writes share: requests that are right, to be made wrong in one place, and what became of them.

A request is the dictionary of its fields. `days` are counted from the hour of the test, so whatever begins in
the past and ends in the future is active now.
"""

import contextlib

import psycopg2

import harness
from faults import execute, waiting
from world import stamp

PREPAID_TYPE, POSTPAID_TYPE = 1, 2
GRANTS = ["CreateCommit", "CreateCredit"]
ENTRIES = ["AddManualLedgerEntry", "AdjustSeats"]
# Those of a customer whose retries are safe by their request_id; those that belong to no customer, too; and
# those that may be repeated at will.
ONCE = [*GRANTS, "UpdateEndDate", "ArchiveBalance", *ENTRIES, "DrawDown", "FinalizeInvoice", "VoidInvoice",
        "RolloverBalance", "TrueUpCommit", "CreateTransaction", "CreateAccountBalance", "UpdateAccountBalance",
        "DeleteAccountBalance"]
OF_NO_CUSTOMER = ["CreateTransactionType", "UpdateTransactionType", "DeleteTransactionType",
                  "SetCreditApplicationOrder"]
WRITES = [*ONCE, *OF_NO_CUSTOMER, "PutCustomer", "PutContract", "ArchiveContract", "PutProduct", "PutCreditType"]


def item(here, amount="100", start=-1, end=30):
    """An access segment, with its dates in days."""
    return {"amount": amount, "starting_at": stamp(here.day(start)), "ending_before": stamp(here.day(end))}


def access(here, *items, **more):
    return {"schedule_items": list(items) or [item(here)], **more}


def invoice(here, day=1, amount=None, **more):
    """An invoice item."""
    return {"timestamp": stamp(here.day(day)), **({} if amount is None else {"amount": amount}), **more}


def credit(here, **more):
    """A request for a credit."""
    return {"product_id": here.product, "priority": {"value": 1}, "access_schedule": access(here), **more}


def prepaid(here, **more):
    return credit(here, type=PREPAID_TYPE, **more)


def postpaid(here, contract, amount="100", **more):
    """A request for a postpaid commit: one segment, and one invoice item of the same amount."""
    fields = {"type": POSTPAID_TYPE, "access_schedule": access(here, item(here, amount)),
              "invoice_schedule": {"schedule_items": [invoice(here, 31, amount)]}, "invoice_contract_id": contract}
    return credit(here, **{**fields, **more})


def made(here, customer, method="CreateCredit", **fields):
    """Creates a balance and returns it as ListBalances shows it."""
    defaults = {"CreateCredit": credit, "CreateCommit": prepaid}[method](here)
    answer = here.call(method, customer, **{**defaults, **fields})
    return shown(here, customer, answer.id)


def shown(here, customer, balance):
    """A balance as ListBalances shows it."""
    answer = here.call("ListBalances", customer, id=balance, include_balance=True, include_ledgers=True,
                       include_archived=True, include_contract_balances=True)
    one, = answer.data
    return getattr(one, one.WhichOneof("kind"))


def draft_invoice(here, customer):
    """A draft invoice without deductions, as another program would make it."""
    return str(here.run("INSERT INTO invoice (customer_id, service_period_end) VALUES (%s, now()) RETURNING id",
                        customer.id)[0][0])


def segments(balance):
    return balance.access_schedule.schedule_items


def version(here, customer):
    """The version of the customer's ledger; None where there is none."""
    rows = here.run("SELECT version FROM ledger_version WHERE customer_id = %s", getattr(customer, "id", customer))
    return rows[0][0] if rows else None


def everything(here):
    """All that is stored, for a test that nothing has changed."""
    return {table: here.run(f"SELECT * FROM {table} AS t ORDER BY t::text") for table in (
        "installation", "customer", "contract", "product", "credit_type", "transaction_type", "balance", "segment",
        "invoice_schedule_item", "ledger_entry", "draft_deduction", "invoice", "ledger_version", "request_log")}


@contextlib.contextmanager
def refused(here, code, reason=None):
    """The block fails so, and nothing that is stored has changed."""
    before = everything(here)
    with harness.fails(code, reason) as error:
        yield error
    assert error.details["ErrorInfo"].domain == "balances"
    assert everything(here) == before


@contextlib.contextmanager
def held(url, customer):
    """The customer's version is locked meanwhile: commits wait. Yields the session that holds it."""
    with contextlib.closing(psycopg2.connect(url, application_name="test")) as session:
        with session.cursor() as cursor:
            cursor.execute("SELECT FROM balances.ledger_version WHERE customer_id = %s FOR UPDATE", [customer])
        yield session


def wait_waiting(url, count=1):
    """Waits until so many of the server's commits wait for a lock."""
    harness.wait_until(lambda: waiting(url) == count, f"{count} commits to wait for the lock")


def end_waiting(url):
    """Ends the sessions that wait for the lock, as an administrator or a network would."""
    wait_waiting(url)
    execute(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                 " AND datname = current_database()")


def balances(url, customer):
    """How many balances a customer has."""
    return execute(url, f"SELECT count(*) FROM balances.balance WHERE customer_id = '{customer}'")[0][0]
