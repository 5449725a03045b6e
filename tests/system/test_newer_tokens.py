"""Page tokens that another release made: it has the same key, and while replicas are replaced one by one
its tokens come to this release too. What this one does not understand it refuses, and lives on.
"""

import base64
import hashlib
import hmac
import struct
import uuid

import pytest

import harness

PATH = b"/balances.v1.BalanceService/ListLedgerEntries\0"


def seal(key, purpose, bound, payload):
    """server/base/seal.c, once more."""
    mac = hmac.new(key, hashlib.sha256(purpose).digest() + hashlib.sha256(bound).digest() + payload, "sha256")
    return base64.urlsafe_b64encode(payload + mac.digest()[:16]).rstrip(b"=").decode()


@pytest.fixture
def customer(postgres, database):
    """A customer's id and the key of the tokens."""
    with postgres.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT token_key FROM balances.installation")
        key = bytes(cursor.fetchone()[0])
        cursor.execute("INSERT INTO balances.customer (customer_id, name) VALUES (%s, 'Ada')",
                       [customer_id := str(uuid.uuid4())])
    return customer_id, key


def page(client, customer, rank):
    """Asks for the page after an entry of the type of this number in the ledger's order."""
    customer_id, key = customer
    request = harness.messages().ListLedgerEntriesRequest(customer_id=customer_id)
    payload = struct.pack(">qB", 1726790400000000, rank) + bytes(16)
    token = seal(key, b"page", PATH + request.SerializeToString(), payload)
    return client.call("ListLedgerEntries", customer_id=customer_id, next_page=token)


@pytest.mark.parametrize("rank", [0, 28])
def test_token_of_a_known_type_is_good(server, customer, rank):
    assert not page(server().client(), customer, rank).data


@pytest.mark.parametrize("rank", [29, 30, 255])
def test_token_of_an_unknown_type_is_refused(server, customer, rank):
    client = server().client()
    with harness.fails("INVALID_ARGUMENT") as error:
        page(client, customer, rank)
    [violation] = error.details["BadRequest"].field_violations
    assert violation.field == "next_page"
    assert not page(client, customer, 0).data  # it is alive
