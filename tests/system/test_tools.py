"""What people debug with: grpcurl and buf curl find, describe and call every method, and show why one failed."""

import pytest

import harness

CUSTOMER = "d0000000-0000-4000-8000-0000000000aa"
SERVICE = "balances.v1.BalanceService"
METHODS = ["ListBalances", "ListCredits", "ListCommits", "GetNetBalance", "ListLedgerEntries"]


@pytest.fixture
def call(postgres, server, grpcurl, database):
    with postgres.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO balances.customer (customer_id, name) VALUES (%s, 'Acme')", [CUSTOMER])
    connection.close()
    return grpcurl(server())


def test_grpcurl_lists_services_and_methods(call):
    services = call.run(call.address, "list").stdout.split()
    assert services == sorted(services)
    assert {SERVICE, "balances.v1.CatalogService", "balances.v1.LedgerService", "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"} <= set(services)
    assert call.run(call.address, "list", SERVICE).stdout.split() == sorted(f"{SERVICE}.{m}" for m in METHODS)


@pytest.mark.parametrize("symbol, shown", [
    (SERVICE, "rpc GetNetBalance ( .balances.v1.GetNetBalanceRequest )"),
    (f"{SERVICE}.ListBalances", "returns ( .balances.v1.ListBalancesResponse )"),
    ("balances.v1.ListBalancesRequest", "include_contract_balances"),
    ("balances.v1.ListBalancesRequest.customer_id", "string customer_id = 1"),
    ("google.rpc.BadRequest", "field_violations"),
    ("grpc.health.v1.Health.Watch", "stream .grpc.health.v1.HealthCheckResponse"),
])
def test_grpcurl_describes(call, symbol, shown):
    done = call.run(call.address, "describe", symbol)
    assert done.code == 0, done.stderr
    assert shown in done.stdout


@pytest.mark.parametrize("method", METHODS)
def test_both_call_every_method(call, method):
    answers = [tool(f"{SERVICE}/{method}", {"customer_id": CUSTOMER}) for tool in (call.call, call.buf_curl)]
    for done in answers:
        assert done.code == 0, done.stderr
    assert answers[0].json().keys() == answers[1].json().keys()


def test_grpcurl_shows_error_details_decoded(call):
    done = call.call(f"{SERVICE}/ListBalances", {"customer_id": "no id", "limit": -1})
    assert done.code == 3
    assert "type.googleapis.com/google.rpc.BadRequest" in done.stderr
    assert '"field": "customer_id"' in done.stderr and '"field": "limit"' in done.stderr
    assert "@value" not in done.stderr


def test_buf_curl_shows_the_code_and_the_details(call):
    done = call.buf_curl(f"{SERVICE}/GetNetBalance", {"customer_id": CUSTOMER[:-2] + "bb"})
    assert done.code == 5
    assert '"google.rpc.ErrorInfo"' in done.stderr


def test_unknown_method_is_unimplemented(call):
    client = harness.Client(call.address)
    with harness.fails("UNIMPLEMENTED"):
        client.raw(f"/{SERVICE}/Nothing", b"")
    client.close()
