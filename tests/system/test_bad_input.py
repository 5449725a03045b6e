"""What no well-behaved client sends, to every method: wrong values, wrong bytes, wrong calls.

Every refusal has the exact code, an ErrorInfo and, where fields are wrong, a BadRequest that names all of
them; its trailers stay below the 8 KiB that clients may refuse; and the server serves on. The descriptors
of the protocol say which fields there are, so a new method or field is tested by being there.
"""

import contextlib
import gzip
import random
import re
import socket
import struct

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor

import draws
import harness
import http2
import world
import writes
from world import CREDIT, USD
from writes import ENTRIES, GRANTS, WRITES

# Of a customer, as fresh as is asked for.
READS = ["ListBalances", "ListCredits", "ListCommits", "GetNetBalance", "ListLedgerEntries", "GetAccountBalance",
         "ListAccountBalances", "ListTransactions", "GetTransactionSummary"]
OTHER_READS = ["GetTransactionType", "ListTransactionTypes", "GetCreditApplicationOrder"]
METHODS = [*READS, *OTHER_READS, *WRITES]
PAGE_MAX = {"ListLedgerEntries": 1000, "ListTransactions": 200, "ListAccountBalances": 100,
            "ListTransactionTypes": 100}  # others: 25
TRAILERS_MAX = 8 * 1024
REQUEST_BYTES_MAX = 64 * 1024
FIRST_SECOND, LAST_SECOND = -62135596800, 253402300799


@pytest.fixture(scope="module")
def here(postgres):
    with world.served(postgres) as served:
        served.ada = served.customer()
        served.credit = served.ada.balance(CREDIT, fields={"a": "ä"})
        served.credit.segment("5", served.day(-1), served.day(1))
        served.top_up, *_ = served.ada.account(served.day(1), served.day(2))
        # Another customer, for the writes.
        served.bea = served.customer()
        served.updated, *_ = served.bea.account(served.day(-1), served.day(1))
        served.deleted, *_ = served.bea.account(served.day(-1), served.day(1))
        served.contract, served.leaving = served.bea.contract(), served.bea.contract()
        served.topped_up, *_ = served.bea.account(served.day(-1), served.day(1), overdraft=True)
        served.flush()
        served.kept = writes.made(served, served.bea, "CreateCommit", access_schedule=writes.access(
            served, writes.item(served), writes.item(served, start=40, end=50)))
        served.rolling = writes.made(served, served.bea, "CreateCommit", contract_id=served.leaving,
                                     rollover_fraction="0.5")
        served.owed = writes.made(served, served.bea, "CreateCommit", **writes.postpaid(served, served.contract))
        served.ended = writes.made(served, served.bea)
        served.call("ArchiveBalance", served.bea, id=served.ended.id)
        served.type, served.unused = (served.client.call("CreateTransactionType", name="n").transaction_type.id
                                      for _ in range(2))
        served.requests = {}
        yield served


@pytest.fixture(autouse=True)
def alive(here):
    """After every test the server answers as it did before."""
    yield
    assert here.call("GetNetBalance", here.ada).balance == "5"
    assert here.server.process.poll() is None


@pytest.fixture(params=METHODS)
def method(request):
    return request.param


@pytest.fixture(params=READS)
def read(request):
    return request.param


@pytest.fixture(params=WRITES)
def write(request):
    return request.param


def request_of(method):
    return harness.messages().method(method).input_type


def path_of(method):
    return f"/{harness.messages().method(method).containing_service.full_name}/{method}"


@contextlib.contextmanager
def refused(code, reason):
    """The block fails so, with trailers that any client takes."""
    trailers = []

    @contextlib.contextmanager
    def watch():
        try:
            yield
        except grpc.RpcError as error:
            trailers.extend(error.trailing_metadata() or ())
            trailers.append(("grpc-message", error.details()))
            raise

    with harness.fails(code, reason) as error, watch():
        yield error
    assert error.details["ErrorInfo"].domain == "balances"
    assert error.message
    # As on the wire: binary values in base64, others perhaps with each byte escaped.
    size = sum(32 + len(key) + (len(value) * 4 // 3 if key.endswith("-bin") else 3 * len(value.encode()))
               for key, value in trailers)
    assert size < TRAILERS_MAX


@contextlib.contextmanager
def invalid(*fields):
    """The block fails because of these fields, all of them and no others."""
    with refused("INVALID_ARGUMENT", "INVALID_REQUEST") as error:
        yield error
    violations = error.details["BadRequest"].field_violations
    assert sorted(v.field for v in violations) == sorted(fields)
    assert all(v.description for v in violations)
    assert violations[0].field in error.message


# What a read needs beside its customer.
OF_BALANCE = {"GetAccountBalance": lambda here: {"id": here.top_up.id},
              "ListTransactions": lambda here: {"balance_id": here.top_up.id},
              "GetTransactionSummary": lambda here: {"balance_id": here.top_up.id}}


def fields_of(here, method):
    """The fields of a request that is right, every one that there is; the same ones each time, so that a write
    which names its request is answered as the first time."""
    if method in OTHER_READS:
        return {"GetTransactionType": {"id": here.type}, "ListTransactionTypes": {},
                "GetCreditApplicationOrder": {"customer_id": here.ada.id}}[method]
    if method in READS:
        return {"customer_id": here.ada.id, **OF_BALANCE.get(method, lambda here: {})(here)}
    if method not in here.requests:
        here.requests[method] = write_request(here, method)
        here.client.call(method, **here.requests[method])
    return here.requests[method]


def write_request(here, method):
    bea = {"customer_id": here.bea.id}
    once = {"request_id": world.new_id()}
    segment = writes.segments(here.kept)[0].id
    texts = {"name": "Näme", "description": "d", "netsuite_sales_order_id": "n", "salesforce_opportunity_id": "s",
             "custom_fields": {"a": "ä", "": ""}, "uniqueness_key": world.new_id(), "rate_type": 1,
             "contract_id": here.contract, "applicable_contract_ids": [here.contract], "specifiers": [
                 {"product_id": here.product, "product_tags": ["t"], "pricing_group_values": {"k": "v"},
                  "presentation_group_values": {"k": "v"}}],
             "hierarchy_configuration": {"child_access": {"type": 3, "contract_ids": [here.contract]}}}
    entry = {**bea, "id": here.kept.id, "segment_id": segment, "amount": "1", "timestamp": world.stamp(here.now)}
    return {
        "CreateCommit": lambda: {
            **writes.prepaid(here), **bea, **texts, **once, "rollover_fraction": "0.5",
            "invoice_contract_id": here.contract, "invoice_schedule": {"credit_type_id": USD, "schedule_items": [
                writes.invoice(here, amount="1"), writes.invoice(here, unit_price="1", quantity="2")]}},
        "CreateCredit": lambda: {**writes.credit(here), **bea, **texts, **once},
        "UpdateEndDate": lambda: {**bea, **once, "id": here.kept.id, "access_ending_before": world.stamp(here.day(45)),
                                  "invoices_ending_before": world.stamp(here.day(45))},
        "ArchiveBalance": lambda: {**bea, **once, "id": here.ended.id},
        "AddManualLedgerEntry": lambda: {**entry, **once, "reason": "because", "uniqueness_key": world.new_id()},
        "AdjustSeats": lambda: {**entry, **once},
        "FinalizeInvoice": lambda: {**bea, **once, "invoice_id": writes.draft_invoice(here, here.bea)},
        "VoidInvoice": lambda: {**bea, **once, "invoice_id": writes.draft_invoice(here, here.bea)},
        "RolloverBalance": lambda: {**bea, **once, "id": here.rolling.id, "new_contract_id": here.contract,
                                    "starting_at": world.stamp(here.now), "ending_before": world.stamp(here.day(9))},
        "TrueUpCommit": lambda: {**bea, **once, "id": here.owed.id, "invoice_id": world.new_id()},
        "PutCustomer": lambda: {"id": here.bea.id, "name": "Bea"},
        "PutContract": lambda: {**bea, "id": here.contract, "name": "Contract"},
        "ArchiveContract": lambda: {**bea, "id": here.leaving},
        "PutProduct": lambda: {"id": here.product, "name": "Compute", "tags": ["a", "ä"]},
        "PutCreditType": lambda: {"id": here.euro, "name": "EUR"},
        "DrawDown": lambda: {**bea, **once, **draws.request(here, in_charge(here)), "contract_id": here.contract},
        "CreateTransaction": lambda: {
            **bea, **once, "balance_id": here.topped_up.id, "amount": "1", "transaction_type_id": here.transaction_type,
            "paid": "1", "currency_paid": "EUR", "description": "d", "applied_date": world.stamp(here.now),
            "transaction_date": world.stamp(here.now)},
        "CreateAccountBalance": lambda: {**bea, **once, "spec": account_spec(here, "new")},
        "UpdateAccountBalance": lambda: {**bea, **once, "id": here.updated.id, "version": 1,
                                         "spec": account_spec(here, "changed")},
        "DeleteAccountBalance": lambda: {**bea, **once, "id": here.deleted.id},
        "CreateTransactionType": lambda: {**once, "name": "Näme", "code": "new"},
        "UpdateTransactionType": lambda: {**once, "id": here.type, "name": "Näme", "code": "changed", "archived": True,
                                          "version": 1},
        "DeleteTransactionType": lambda: {**once, "id": here.unused},
        "SetCreditApplicationOrder": lambda: {**once, "order": [1, 2]},
    }[method]()


def account_spec(here, code):
    at = world.stamp
    return {
        "code": code, "name": "Näme", "description": "d", "credit_type_id": USD, "starting_at": at(here.day(-1)),
        "ending_before": at(here.day(2)), "rollover_amount": "1", "rollover_ending_before": at(here.day(3)),
        "balance_draw_down_description": "b", "overage_surcharge_percent": "1", "overage_description": "o",
        "product_ids": [here.product], "line_item_types": [1], "contract_id": here.contract, "allow_overdraft": True,
        "custom_fields": {"a": "ä", "": ""}, "consumptions_accounting_product_id": here.product,
        "fees_accounting_product_id": here.product}


def call(here, method, **fields):
    return here.client.call(method, **{**fields_of(here, method), **fields})


# Values ----------------------------------------------------------------------------------------------


BAD_IDS = [
    "x", USD.upper(), f"{{{USD}}}", f"urn:uuid:{USD}", USD.replace("-", ""), USD[:-1], USD + "0",
    f" {USD}", f"{USD} ", f"{USD}\n", USD[:-1] + "g", USD[:-1] + "\u0665", USD.replace("-", "_"),
    USD.replace("-", "\u2010"), "2714e4834ff1-48e4-9e25-ac73-2e8f24f2", "-" * 36, "0" * 36, "1", "null",
    "00000000-0000-0000-0000-000000000000",
    "' OR 1=1 --", "é" * 18, "x" * 60000]

# But for those of other systems.
ID_FIELDS = [(method, field.name) for method in METHODS for field in request_of(method).fields
             if re.fullmatch("id|.*_id", field.name) and field.label != FieldDescriptor.LABEL_REPEATED
             and field.name not in ("entity_id", "netsuite_sales_order_id", "salesforce_opportunity_id")]


@pytest.mark.parametrize("method, field", ID_FIELDS)
def test_id_that_is_no_canonical_uuid_is_refused(here, method, field):
    for bad in BAD_IDS:
        with invalid(field):
            call(here, method, **{field: bad})


def test_id_in_a_filter_that_is_no_canonical_uuid_is_refused(here):
    for bad in ["", *BAD_IDS]:
        with invalid("filters[1].ids[2]"):
            call(here, "GetNetBalance", filters=[{}, {"ids": [USD, USD, bad, USD]}])


def test_missing_customer_is_refused(here, read):
    others = {**fields_of(here, read)}
    others.pop("customer_id")
    for request in (others, {**others, "customer_id": ""}):
        with invalid("customer_id") as error:
            here.client.call(read, **request)
        assert error.message == "customer_id is required"


REQUIRED = {
    "CreateCommit": ["customer_id", "type", "product_id", "access_schedule.schedule_items", "priority"],
    "CreateCredit": ["customer_id", "product_id", "access_schedule.schedule_items", "priority"],
    "UpdateEndDate": ["customer_id", "id", "access_ending_before"],
    "ArchiveBalance": ["customer_id", "id"],
    "AddManualLedgerEntry": ["customer_id", "id", "segment_id", "amount", "reason"],
    "AdjustSeats": ["customer_id", "id", "segment_id", "amount"],
    "FinalizeInvoice": ["customer_id", "invoice_id"], "VoidInvoice": ["customer_id", "invoice_id"],
    "RolloverBalance": ["customer_id", "id", "new_contract_id", "starting_at", "ending_before"],
    "TrueUpCommit": ["customer_id", "id", "invoice_id"],
    "PutCustomer": ["id", "name"], "PutContract": ["customer_id", "id", "name"],
    "ArchiveContract": ["customer_id", "id"], "PutProduct": ["id", "name"], "PutCreditType": ["id", "name"],
    "DrawDown": ["customer_id", "invoice_id", "service_period_end"],
    "CreateTransaction": ["customer_id", "balance_id", "amount", "transaction_type_id"],
    "CreateAccountBalance": ["customer_id", "spec"],
    "UpdateAccountBalance": ["customer_id", "id", "spec", "version"],
    "DeleteAccountBalance": ["customer_id", "id"], "CreateTransactionType": ["name"],
    "UpdateTransactionType": ["id", "name", "version"], "DeleteTransactionType": ["id"],
    "SetCreditApplicationOrder": ["order"]}


def test_missing_fields_of_a_write_are_named_all_at_once(here, write):
    with invalid(*REQUIRED[write]):
        here.client.call(write)
    for field in REQUIRED[write]:
        fields = {**fields_of(here, write)}
        if write == "UpdateEndDate":
            fields.pop("invoices_ending_before")
        fields.pop(field.partition(".")[0])
        with invalid(field):
            here.client.call(write, **fields)


def timestamps(method):
    return [f.name for f in request_of(method).fields
            if f.message_type and f.message_type.full_name == "google.protobuf.Timestamp"]


def test_instant_out_of_range_is_refused(here, method):
    for field in timestamps(method):
        for seconds, nanos in ((FIRST_SECOND - 1, 0), (LAST_SECOND + 1, 0), (2**63 - 1, 0), (-2**63, 0), (0, -1),
                               (0, 10**9), (0, 2**31 - 1), (0, -2**31), (LAST_SECOND, 10**9), (2**63 - 1, -1)):
            with invalid(field):
                call(here, method, **{field: {"seconds": seconds, "nanos": nanos}})
        if method in WRITES:
            for nanos in (1, 999, 1001, 999999999):
                with invalid(field):
                    call(here, method, **{field: {"seconds": 10**9, "nanos": nanos}})
            continue
        for seconds, nanos in ((FIRST_SECOND, 0), (LAST_SECOND, 999999999), (0, 1), (-1, 999999999)):
            call(here, method, **{field: {"seconds": seconds, "nanos": nanos}})


BAD_AMOUNTS = ["x", "1e3", "+1", ".5", "1.", " 1", "1 ", "-", "1,5", "NaN", "Infinity", "0x1", "\u0661", "--1",
               "1" * 27, "0.0000000000001", "-" + "9" * 27, "1" * 60000]


def in_access(here, **wrong):
    """The changes to a request for a balance whose second segment is wrong."""
    return {"access_schedule": writes.access(here, writes.item(here), {**writes.item(here), **wrong})}


def in_invoices(here, **wrong):
    items = [writes.invoice(here, amount="1"), {"timestamp": world.stamp(here.now), **wrong}]
    return {"invoice_schedule": {"schedule_items": items}}


def in_charge(here, **wrong):
    """A charge that is right, every field of it, but for what is wrong."""
    return {"amount": "2", "commit_rate_amount": "1", "credit_type_id": USD, "product_id": here.product, "kind": 1,
            "pricing_group_values": {"k": "v"}, "presentation_group_values": {"k": "v"}, "line_item_type": 1,
            "starting_at": world.stamp(here.now), "unit_price": "1", "name": "n", **wrong}


def in_charges(here, **wrong):
    return {"charges": [in_charge(here), in_charge(here, **wrong)]}


AMOUNTS = {
    "access": (GRANTS, "access_schedule.schedule_items[1].amount", lambda h, a: in_access(h, amount=a)),
    "invoice": (["CreateCommit"], "invoice_schedule.schedule_items[1].amount", lambda h, a: in_invoices(h, amount=a)),
    "price": (["CreateCommit"], "invoice_schedule.schedule_items[1].unit_price",
              lambda h, a: in_invoices(h, unit_price=a, quantity="1")),
    "quantity": (["CreateCommit"], "invoice_schedule.schedule_items[1].quantity",
                 lambda h, a: in_invoices(h, unit_price="1", quantity=a)),
    "rollover": (["CreateCommit"], "rollover_fraction", lambda h, a: {"rollover_fraction": a}),
    "entry": ([*ENTRIES, "CreateTransaction"], "amount", lambda h, a: {"amount": a}),
    "paid": (["CreateTransaction"], "paid", lambda h, a: {"paid": a}),
    "charge": (["DrawDown"], "charges[1].amount", lambda h, a: in_charges(h, amount=a)),
    "rate": (["DrawDown"], "charges[1].commit_rate_amount", lambda h, a: in_charges(h, commit_rate_amount=a)),
    "unit": (["DrawDown"], "charges[1].unit_price", lambda h, a: in_charges(h, unit_price=a))}


@pytest.mark.parametrize("place", AMOUNTS)
def test_malformed_amount_is_refused(here, place):
    methods, field, wrong = AMOUNTS[place]
    of_place = {"entry": ["0", "-0.0"], "charge": ["0", "-1"], "rate": ["0.0", "-1"], "paid": [],
                "rollover": ["-0.1", "1.000000000001"]}
    signs = of_place.get(place, ["-1", "-0.000000000001"])
    for method in methods:
        for bad in [*BAD_AMOUNTS, *signs]:
            with invalid(field):
                call(here, method, **wrong(here, bad))
    with invalid("amount"):
        call(here, "AdjustSeats", amount="-1")


@pytest.mark.parametrize("method", GRANTS)
def test_malformed_instant_in_a_schedule_is_refused(here, method):
    for bad in ({"seconds": FIRST_SECOND - 1}, {"seconds": LAST_SECOND + 1}, {"nanos": -1}, {"nanos": 1}, None):
        for name in ("starting_at", "ending_before"):
            with invalid(f"access_schedule.schedule_items[1].{name}"):
                call(here, method, **in_access(here, **{name: bad}))
        if method == "CreateCommit":
            with invalid("invoice_schedule.schedule_items[1].timestamp"):
                call(here, method, **in_invoices(here, amount="1", timestamp=bad))


@pytest.mark.parametrize("method", GRANTS)
@pytest.mark.parametrize("field, changes", [
    ("applicable_contract_ids[1]", lambda bad: {"applicable_contract_ids": [USD, bad]}),
    ("applicable_product_ids[0]", lambda bad: {"applicable_product_ids": [bad], "specifiers": []}),
    ("specifiers[1].product_id", lambda bad: {"specifiers": [{}, {"product_id": bad}]}),
    ("access_schedule.credit_type_id", None),
    ("hierarchy_configuration.child_access.contract_ids[1]",
     lambda bad: {"hierarchy_configuration": {"child_access": {"type": 3, "contract_ids": [USD, bad]}}})])
def test_id_inside_a_new_balance_that_is_no_canonical_uuid_is_refused(here, method, field, changes):
    changes = changes or (lambda bad: {"access_schedule": writes.access(here, credit_type_id=bad)})
    for bad in BAD_IDS:
        with invalid(field):
            call(here, method, **changes(bad))


def test_values_inside_a_charge_that_are_none_are_refused(here):
    for field in ("credit_type_id", "product_id"):
        for bad in BAD_IDS:
            with invalid(f"charges[1].{field}"):
                call(here, "DrawDown", **in_charges(here, **{field: bad}))
    for field, numbers in (("kind", (4, 99, -1, 2**31 - 1)), ("line_item_type", (7, 99, -1, -2**31))):
        for bad in numbers:
            with invalid(f"charges[1].{field}"):
                call(here, "DrawDown", **in_charges(here, **{field: bad}))
    for bad in ({"seconds": FIRST_SECOND - 1}, {"seconds": LAST_SECOND + 1}, {"nanos": -1}, {"nanos": 1}):
        with invalid("charges[1].starting_at"):
            call(here, "DrawDown", **in_charges(here, starting_at=bad))
    with invalid("charges[1].name"):
        call(here, "DrawDown", **in_charges(here, name=LONG))
    with invalid("charges"):
        call(here, "DrawDown", charges=[{"amount": "1"}] * 251)


LONG = "é" * 1001
TEXTS = {
    **{(m, f): LONG for m in GRANTS for f in ("name", "netsuite_sales_order_id", "salesforce_opportunity_id")},
    **{(m, "description"): "é" * 10001 for m in GRANTS},
    **{(m, "uniqueness_key"): "é" * 129 for m in (*GRANTS, "AddManualLedgerEntry")},
    ("AddManualLedgerEntry", "reason"): "é" * 10001,
    ("CreateTransaction", "description"): "é" * 10001, ("CreateTransaction", "currency_paid"): LONG,
    ("ListTransactions", "entity_id"): LONG,
    ("CreateTransactionType", "name"): "é" * 201,
    **{(m, "name"): LONG for m in ("PutCustomer", "PutContract", "PutProduct", "PutCreditType")}}


@pytest.mark.parametrize("method, field", TEXTS)
def test_text_that_is_too_long_is_refused_and_the_longest_is_not(here, method, field):
    text = TEXTS[method, field]
    with invalid(field):
        call(here, method, **{field: text})
    fresh = {name: world.new_id() for name in ("request_id", "uniqueness_key") if name in fields_of(here, method)}
    if "code" in fields_of(here, method):
        fresh["code"] = "fresh"
    call(here, method, **{**fresh, field: world.new_id() + text[37:]})


def test_limit_out_of_range_is_refused(here, method):
    most = PAGE_MAX.get(method, 25)
    if "limit" not in request_of(method).fields_by_name:
        return
    for limit in (-1, most + 1, 2**31 - 1, -2**31):
        with invalid("limit"):
            call(here, method, limit=limit)
    for limit in (0, 1, most):
        call(here, method, limit=limit)


@pytest.mark.parametrize("method, field, fields, bad", [
    ("GetNetBalance", "filters[0].balance_types[1]", lambda n: {"filters": [{"balance_types": [1, n]}]},
     (0, 5, 99, -1, 2**31 - 1, -2**31)),
    ("GetNetBalance", "invoice_inclusion_mode", lambda n: {"invoice_inclusion_mode": n},
     (3, 99, -1, 2**31 - 1)),
    *[(method, "rate_type", lambda n: {"rate_type": n}, (3, 99, -1, 2**31 - 1)) for method in GRANTS],
    ("CreateCommit", "type", lambda n: {"type": n}, (0, 3, 99, -1, 2**31 - 1)),
    *[(method, "hierarchy_configuration.child_access.type",
       lambda n: {"hierarchy_configuration": {"child_access": {"type": n}}}, (0, 4, 99, -1)) for method in GRANTS],
    ("ListTransactions", "entity_type", lambda n: {"entity_type": n}, (6, 99, -1, -2**31)),
    ("ListLedgerEntries", "types[1]", lambda n: {"types": [1, n]}, (0, 9, 10, 19, 20, 29, 30, 36, 99, -1, -2**31)),
])
def test_unknown_number_of_an_enum_is_refused(here, method, field, fields, bad):
    for number in bad:
        with invalid(field):
            call(here, method, **fields(number))


def test_too_many_filters_and_types_are_refused(here):
    for filters in ([{}] * 65, [{}] * 5000, [{"ids": [USD] * 600}, {"ids": [USD] * 401}],
                    [{"balance_types": [1] * 1001}], [{"custom_fields": {str(n): "" for n in range(1001)}}]):
        with invalid("filters"):
            call(here, "GetNetBalance", filters=filters)
    with invalid("types"):
        call(here, "ListLedgerEntries", types=[1] * 30)


def test_foreign_tokens_are_refused(here, read):
    with invalid("consistency.at_least_as_fresh"):
        call(here, read, consistency={"at_least_as_fresh": "x"})
    if "next_page" in request_of(read).fields_by_name:
        with invalid("next_page"):
            call(here, read, next_page="x")


def test_all_wrong_fields_are_named_at_once(here, read):
    names = request_of(read).fields_by_name
    wrong = {"customer_id": "x", "consistency": {"at_least_as_fresh": "x"}}
    for name, value in {"id": "x", "credit_id": "x", "commit_id": "x", "balance_id": "x", "credit_type_id": "x",
                        "limit": -1, "next_page": "x", "invoice_inclusion_mode": 9}.items():
        if name in names:
            wrong[name] = value
    wrong.update({name: {"nanos": -1} for name in timestamps(read)})
    due = {*wrong} - {"consistency"} | {"consistency.at_least_as_fresh"}
    if "filters" in names:
        wrong["filters"] = [{"ids": ["x"]}, {"balance_types": [0, 2]}]
        due |= {"filters[0].ids[0]", "filters[1].balance_types[0]"}
    if "types" in names:
        wrong["types"] = [0]
        due.add("types[0]")
    with invalid(*due):
        here.client.call(read, **wrong)


def test_no_more_wrong_fields_are_named_than_trailers_hold(here):
    filters = [{"ids": ["x" * 100] * 500, "balance_types": [-2**31] * 30}]
    with refused("INVALID_ARGUMENT", "INVALID_REQUEST") as error:
        call(here, "GetNetBalance", filters=filters)
    assert len(error.details["BadRequest"].field_violations) == 16


def test_wrong_fields_come_before_what_does_not_exist(here, read):
    with invalid("consistency.at_least_as_fresh"):
        call(here, read, customer_id=USD, consistency={"at_least_as_fresh": "x"})


def test_wrong_fields_of_a_write_come_before_what_does_not_exist(here, write):
    names = request_of(write).fields_by_name
    wrong, bad = ("request_id", "x") if "request_id" in names else ("name", "") if "name" in names else ("id", "x")
    unknown = {name: USD for name in ("customer_id", "id") if name in names}
    with invalid(wrong):
        call(here, write, **{**unknown, wrong: bad})


# Bytes -----------------------------------------------------------------------------------------------


def varint(number):
    out = bytearray()
    number &= 2**64 - 1
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def tag(number, wire_type):
    return varint(number << 3 | wire_type)


def length_delimited(number, payload):
    return tag(number, 2) + varint(len(payload)) + payload


def payload_of(wire_type):
    return {0: b"\x01", 1: b"\0" * 8, 2: b"\x03abc", 3: b"\x08\x01", 4: b"", 5: b"\0" * 4,
            6: b"\x01", 7: b"\x01"}[wire_type]


def raw(here, method, payload):
    return here.client.raw(path_of(method), payload)


def whole(here, method):
    """A request with every field filled in, as bytes."""
    descriptor = request_of(method)
    if method in WRITES:
        return harness.messages()[descriptor.full_name](**fields_of(here, method)).SerializeToString()
    right = fields_of(here, method)
    request = harness.messages()[descriptor.full_name](**right)
    for field in descriptor.fields:
        if field.name in right or field.name == "next_page":
            continue
        if field.name == "consistency":
            request.consistency.fully_consistent = True
        elif field.name == "filters":
            request.filters.add(balance_types=[1, 3], ids=[here.credit.id], custom_fields={"a": "ä", "": ""})
        elif field.name == "types":
            request.types.extend([21, 28])
        elif field.label == FieldDescriptor.LABEL_REPEATED:
            getattr(request, field.name).append(USD)
        elif field.message_type:
            getattr(request, field.name).seconds = 10**9
        elif field.type == FieldDescriptor.TYPE_STRING:
            setattr(request, field.name, USD)
        else:
            setattr(request, field.name, 1)
    return request.SerializeToString()


def strings(descriptor, path=()):
    """The path of every text in a request, those in nested messages included."""
    for field in descriptor.fields:
        if field.type == FieldDescriptor.TYPE_STRING:
            yield (*path, field)
        elif field.message_type:
            yield from strings(field.message_type, (*path, field))


def at_path(path, payload):
    for field in reversed(path):
        payload = length_delimited(field.number, payload)
    return payload


def test_text_that_is_not_utf8_or_has_a_zero_byte_is_refused(here, method):
    texts = list(strings(request_of(method)))
    assert texts
    for path in texts:
        name = ".".join(field.name for field in path)
        for bad in (b"\xff", b"a\x80", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82",
                    b"\xf8\x88\x80\x80\x80", b"\0", b"a\0b", USD.encode() + b"\0"):
            with invalid(name):
                raw(here, method, at_path(path, bad))


def test_few_unknown_fields_are_ignored(here, method):
    known = whole(here, method)
    due = raw(here, method, known)
    extra = b"".join(tag(1000 + n, wire_type) + payload_of(wire_type)
                     for n in range(16) for wire_type in (0, 1, 2, 5))
    assert raw(here, method, known + extra) == due
    assert raw(here, method, extra + known) == due
    assert raw(here, method, known + length_delimited(2**29 - 1, b"\xff\0" * 5000)) == due


def test_many_unknown_fields_are_refused(here, method):
    known = whole(here, method)
    for count in (65, 3000):
        with refused("INVALID_ARGUMENT", "INVALID_REQUEST"):
            raw(here, method, known + (tag(1000, 0) + b"\x01") * count)


def test_many_unknown_fields_in_a_nested_message_are_refused(here):
    inside = (tag(1000, 0) + b"\x01") * 3000
    with refused("INVALID_ARGUMENT", "INVALID_REQUEST"):
        raw(here, "GetNetBalance", whole(here, "GetNetBalance") + length_delimited(3, inside))


def test_groups_are_refused(here, method):
    known = whole(here, method)
    numbers = [f.number for f in request_of(method).fields]
    for number in [*numbers, 1000]:
        for bad in (tag(number, 3) + tag(number, 4), tag(number, 4), tag(number, 3),
                    tag(number, 3) * 20000, (tag(number, 3) + b"\x08\x01") * 1000):
            with refused("INVALID_ARGUMENT", "INVALID_REQUEST"):
                raw(here, method, known + bad)


def test_other_wire_type_of_a_known_field_is_refused(here, method):
    own = {FieldDescriptor.TYPE_STRING: 2, FieldDescriptor.TYPE_MESSAGE: 2}
    for field in request_of(method).fields:
        for wire_type in {0, 1, 2, 5, 6, 7} - {own.get(field.type, 0)}:
            if wire_type == 2 and field.label == FieldDescriptor.LABEL_REPEATED:
                continue  # packed
            with invalid(field.name):
                raw(here, method, tag(field.number, wire_type) + payload_of(wire_type))


@pytest.mark.parametrize("bad", [
    b"\0", b"\0\0", tag(0, 0) + b"\x01", tag(0, 2) + b"\0", varint(2**29 << 3) + b"\x01", b"\xff" * 11, b"\x80",
    b"\xff" * 9 + b"\x7f", b"\x0a", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", b"\x0a" + b"\x80" * 60000, b"{\"customer_id\": \"x\"}",
    b"\x1f\x8b\x08\x00"], ids=lambda bad: bad[:12].hex())
def test_bytes_that_are_no_message_are_refused(here, method, bad):
    with refused("INVALID_ARGUMENT", "INVALID_REQUEST"):
        raw(here, method, bad)


WRITE_REFUSALS = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.ALREADY_EXISTS,
                  grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.OUT_OF_RANGE, grpc.StatusCode.ABORTED}


def test_request_cut_anywhere_is_refused_or_shorter(here, method):
    """A cut between two fields leaves a request; any other must not be taken for one."""
    known = whole(here, method)
    for n in range(len(known)):
        try:
            raw(here, method, known[:n])
        except grpc.RpcError as error:
            # A write without its request_id is another one, and what it asks for may have been done.
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT or (
                method in WRITES and error.code() in WRITE_REFUSALS), (n, error)
            assert harness.error_of(error).details["ErrorInfo"].domain == "balances"


def test_deep_nesting_does_not_matter(here, method):
    """Nothing in a request nests without end, so what is nested is unknown, or the text of a known field."""
    known = whole(here, method)
    nested = b""
    while len(nested) < 30000:
        nested = length_delimited(3, nested)
    assert raw(here, method, known + length_delimited(1000, nested)) == raw(here, method, known)
    for field in request_of(method).fields:
        if field.message_type:
            with contextlib.suppress(grpc.RpcError):
                raw(here, method, length_delimited(field.number, nested))


def test_empty_fields_and_their_repetition(here, method):
    """The last of several values counts, as protocol buffers have it."""
    first = request_of(method).fields_by_number[1].name
    if first not in fields_of(here, method):
        return
    known = whole(here, method)
    twice = length_delimited(1, b"x") + known
    assert raw(here, method, twice) == raw(here, method, known)
    if method != "GetCreditApplicationOrder":  # then it is the organization's
        with invalid(first):
            raw(here, method, known + length_delimited(1, b""))


def test_last_value_of_a_repeated_key_counts(here):
    descriptor = harness.messages().BalanceFilter.DESCRIPTOR.fields_by_name["custom_fields"]

    def net(*values):
        pairs = b"".join(length_delimited(descriptor.number, length_delimited(1, b"a") + length_delimited(2, v))
                         for v in values)
        answer = raw(here, "GetNetBalance", length_delimited(1, here.ada.id.encode()) + length_delimited(3, pairs))
        return harness.messages().GetNetBalanceResponse.FromString(answer).balance

    assert net("ä".encode()) == net(b"b", "ä".encode()) == net(b"", b"b", "ä".encode()) == "5"
    assert net("ä".encode(), b"b") == net("ä".encode(), b"") == "0"


def test_oversized_request_is_refused(here, method):
    def padded(size):
        known = whole(here, method)
        room = size - len(known)
        padding = length_delimited(1000, b"x" * (room - 5))
        return known + padding.ljust(room, b"x") if len(padding) == room else known + length_delimited(
            1000, b"x" * (2 * room - 5 - len(padding)))

    assert len(padded(REQUEST_BYTES_MAX)) == REQUEST_BYTES_MAX
    assert raw(here, method, padded(REQUEST_BYTES_MAX)) is not None
    for size in (REQUEST_BYTES_MAX + 1, 1024 * 1024, 5 * 1024 * 1024):
        with harness.fails("RESOURCE_EXHAUSTED"):  # by gRPC itself, which knows no ErrorInfo
            raw(here, method, padded(size))


def test_random_bytes_are_answered(here, method):
    """Requests with a few bytes changed, moved, doubled or taken out: any answer but a failure of ours."""
    rng = world.seeded()
    known = whole(here, method)
    allowed = WRITE_REFUSALS if method in WRITES else {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}
    answered = 0
    for _ in range(400 if method in WRITES else 1000):
        bad = bytearray(known)
        for _ in range(rng.choice([1, 1, 2, 5])):
            at, to = sorted(rng.randrange(len(bad) + 1) for _ in range(2))
            change = rng.randrange(4)
            if change == 0 and at < len(bad):
                bad[at] = rng.randrange(256)
            elif change == 1:
                bad[at:at] = rng.randbytes(rng.choice([1, 4, 40]))
            elif change == 2:
                bad[at:min(to, at + 20)] = b""
            else:
                bad[to:to] = bad[at:at + 50]
        try:
            raw(here, method, bytes(bad))
            answered += 1
        except grpc.RpcError as error:
            assert error.code() in allowed, (bytes(bad).hex(), error)
            harness.error_of(error)
    print(f"{answered} were valid")


# Calls -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [
    "/balances.v1.BalanceService/Nothing", "/balances.v1.BalanceService/", "/balances.v1.BalanceService/listBalances",
    "/balances.v1.BalanceService/ListBalances/", "/balances.v1.balanceservice/ListBalances",
    "/balances.v2.BalanceService/ListBalances", "/BalanceService/ListBalances", "/balances.v1.LedgerService/Drawdown",
    "/grpc.health.v1.Health/Nothing", "/grpc.health.v1.Health/check", "/x", "/x/y/z", "//", "/",
    "/" + "x" * 3000, "/a b/c", "/\u00e9/\u20ac"])
def test_unknown_method_is_unimplemented(here, path):
    with refused("UNIMPLEMENTED", "UNIMPLEMENTED") as error:
        here.client.raw(path, b"")
    assert error.message.startswith("there is no method /")
    with refused("UNIMPLEMENTED", "UNIMPLEMENTED"):
        here.client.raw(path, b"\xff" * 1000)


def test_every_other_service_of_the_contract_is_unimplemented_or_served(here):
    """None of them hangs or crashes, whatever is there by now."""
    for name, service in harness.messages().services.items():
        for rpc in service.methods:
            try:
                here.client.channel.unary_stream(f"/{name}/{rpc.name}")(b"\xff", timeout=10).next()
            except (grpc.RpcError, StopIteration) as error:
                assert error.code() in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.INVALID_ARGUMENT), name


def test_call_without_a_message_is_refused(here, method):
    call = here.client.channel.stream_unary(path_of(method))
    with refused("INVALID_ARGUMENT", "INVALID_REQUEST"):
        call(iter(()), timeout=harness.PATIENCE_S)


def test_second_message_of_a_call_changes_nothing(here, method):
    known = whole(here, method)
    call = here.client.channel.stream_unary(path_of(method))
    assert call(iter([known, b"\xff" * 100]), timeout=harness.PATIENCE_S) == raw(here, method, known)


def test_metadata_beyond_its_limit_is_refused(here):
    for metadata in ([("x-large", "x" * 9000)], [(f"x-{n}", "x" * 100) for n in range(100)]):
        client = here.server.client()  # gRPC may close a connection that brought this
        with harness.fails("RESOURCE_EXHAUSTED"):
            client.call("GetNetBalance", customer_id=here.ada.id, metadata=metadata)


def test_metadata_that_nobody_asked_for_is_ignored(here):
    metadata = [("x-bin", b"\0\xff"), ("authorization", "Bearer x"), ("x-empty", ""), ("traceparent", "x")]
    assert here.client.call("GetNetBalance", customer_id=here.ada.id, metadata=metadata).balance == "5"


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_request_is_refused(here, method, compression):
    known = whole(here, method) + length_delimited(1000, b"x" * 20000)
    call = here.client.channel.unary_unary(path_of(method))
    with harness.fails("UNIMPLEMENTED"):
        call(known, timeout=harness.PATIENCE_S, compression=compression)


# Frames ----------------------------------------------------------------------------------------------


class Frames:
    """One HTTP/2 connection, by hand: several calls, and each frame of them as the test wants it."""

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=harness.PATIENCE_S)
        self.socket.sendall(http2.PREFACE)
        self.send(http2.SETTINGS, 0, 0, b"")
        self.received = self.seen = b""

    def send(self, *frame):
        self.socket.sendall(http2.frame(*frame))

    def headers(self, path, *more, stream=1, end=False):
        fields = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x"),
                  ("te", "trailers"), ("content-type", "application/grpc"), *more]
        self.send(http2.HEADERS, http2.END_HEADERS | (http2.END_STREAM if end else 0), stream,
                  b"".join(http2.field(*field) for field in fields))

    def data(self, payload, stream=1):
        for at in range(0, max(len(payload), 1), 16384):
            last = at + 16384 >= len(payload)
            self.send(http2.DATA, http2.END_STREAM if last else 0, stream, payload[at:at + 16384])

    def _read(self, count):
        while len(self.received) < count:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError
            self.received += more
        taken, self.received = self.received[:count], self.received[count:]
        return taken

    def status(self, stream=1):
        """The number of the status that a stream ends with: None where it, or the connection, is cut off.

        The library writes its headers in plain text, with the name where it comes for the first time."""
        self.seen = b""
        try:
            while True:
                head = self._read(9)
                payload = self._read(int.from_bytes(head[:3], "big"))
                kind, flags, number = head[3], head[4], int.from_bytes(head[5:], "big")
                if kind == http2.SETTINGS and not flags & http2.ACK:
                    self.send(http2.SETTINGS, http2.ACK, 0, b"")
                elif kind == http2.PING and not flags & http2.ACK:
                    self.send(http2.PING, http2.ACK, 0, payload)
                elif kind == http2.GOAWAY or (kind == http2.RST_STREAM and number == stream):
                    return None
                elif kind == http2.HEADERS and number == stream:
                    self.seen += payload
                    if flags & http2.END_STREAM:
                        return int(re.search(rb"grpc-status[\x01\x02](\d+)", self.seen).group(1))
        except (EOFError, ConnectionError):
            return None

    def close(self):
        self.socket.close()


@pytest.fixture
def frames(here):
    connection = Frames(here.server)
    yield connection
    connection.close()


def message(payload, flag=0, length=None):
    return bytes([flag]) + struct.pack(">I", len(payload) if length is None else length) + payload




def test_frames_written_by_hand_are_answered(here, frames):
    """The control for the tests below."""
    frames.headers(path_of("GetNetBalance").encode())
    frames.data(message(whole(here, "GetNetBalance")))
    assert frames.status() == 0


def test_call_that_ends_before_its_message_does(here, frames, method):
    known = whole(here, method)
    frames.headers(path_of(method).encode())
    frames.data(message(known, length=len(known) + 1))
    assert frames.status() != 0


@pytest.mark.parametrize("body", [b"", b"\0", b"\0\0\0\0", b"\0\0\0\0\x05"])
def test_call_without_a_whole_message(frames, method, body):
    frames.headers(path_of(method).encode())
    frames.data(body)
    assert frames.status() != 0


def test_headers_that_end_the_call(frames, method):
    frames.headers(path_of(method).encode(), end=True)
    assert frames.status() == grpc.StatusCode.INVALID_ARGUMENT.value[0]


@pytest.fixture(scope="module")
def bomb(here):
    """A request that would be 20 MiB long."""
    return gzip.compress(whole(here, "ListBalances") + length_delimited(1000, bytes(20 * 2**20)), 1)


@pytest.mark.parametrize("headers", [[], *([(b"grpc-encoding", e)] for e in (
    b"identity", b"gzip", b"deflate", b"snappy", b""))], ids=str)
@pytest.mark.parametrize("flag", [1, 2, 0x80, 0xFF])
def test_nothing_is_decompressed(here, frames, bomb, flag, headers):
    """Where the library does not refuse the flag, the bytes are what they are: no request."""
    before = here.server.resident_kib
    frames.headers(path_of("ListBalances").encode(), *headers)
    frames.data(message(bomb, flag))
    assert frames.status() != 0
    assert here.server.resident_kib - before < 16 * 1024


@pytest.mark.parametrize("length", [REQUEST_BYTES_MAX + 1, 2**31, 2**32 - 1])
def test_message_that_announces_too_much(frames, method, length):
    frames.headers(path_of(method).encode())
    frames.data(message(b"x", length=length))
    assert frames.status() != 0


@pytest.mark.parametrize("path", [b"/\xff\xfe/x", b"/x\xe2\x82", b"", b"x", b"*", b"/" + b"\xc3\xa9" * 1000])
def test_path_that_is_no_text(frames, path):
    frames.headers(path)
    frames.data(message(b""))
    assert frames.status() == grpc.StatusCode.UNIMPLEMENTED.value[0]
    # The message is text all the same: nothing in it had to be escaped.
    assert re.search(rb"grpc-message.[^%]*there is no method [^%]*$", frames.seen.split(b"grpc-status-details")[0],
                     re.DOTALL)


@pytest.mark.parametrize("header", [
    (b"content-type", b"text/html"), (b"content-type", b"application/json"), (b"grpc-timeout", b"soon"),
    (b"grpc-timeout", b"999999999S"), (b"grpc-timeout", b"-1S"), (b"grpc-encoding", b""), (b"x-bin", b"!!!")])
def test_header_that_means_nothing_is_answered(here, frames, header):
    frames.headers(path_of("GetNetBalance").encode(), header)
    with contextlib.suppress(ConnectionError):
        frames.data(message(whole(here, "GetNetBalance")))
    frames.status()


def test_stream_that_is_reset_in_the_middle(here, frames, method):
    for stream in range(1, 99, 2):
        frames.headers(path_of(method).encode(), stream=stream)
        frames.send(http2.DATA, 0, stream, message(whole(here, method))[:7])
        frames.send(http2.RST_STREAM, 0, stream, struct.pack(">I", 8))
    frames.headers(path_of(method).encode(), stream=101)
    frames.data(message(whole(here, method)), stream=101)
    assert frames.status(101) == 0


def test_random_frames_are_survived(here):
    rng = world.seeded()
    for _ in range(60):
        connection = Frames(here.server)
        with contextlib.suppress(ConnectionError):
            connection.headers(path_of(rng.choice(METHODS)).encode())
            for _ in range(rng.randrange(4)):
                payload = random.Random(rng.random()).randbytes(rng.choice([0, 4, 5, 8, 100]))
                connection.send(rng.randrange(12), rng.randrange(256), rng.choice([0, 1, 2, 3]), payload)
        connection.close()
