"""grpc.health.v1: Check, Watch and List, while PostgreSQL comes and goes and while the server stops."""

import grpc
import pytest

import harness
import world

# These say whether calls can be served.
READY = ["", "readiness", "balances.v1.BalanceService", "balances.v1.LedgerService", "balances.v1.CatalogService",
         "balances.v1.AccountBalanceService"]
KNOWN = [*READY, "liveness"]
UNKNOWN = ["nothing", "BalanceService", "balances.v1", "LIVENESS", "liveness ", "grpc.health.v1.Health",
           "x" * 60000, "é" * 30000, "\U0001f600" * 200]


@pytest.fixture(scope="module")
def here(postgres):
    with world.served(postgres, stop_grace="1s") as served:
        yield served


class Watching:
    """One Watch, read status by status."""

    def __init__(self, client, service):
        self.stream = client.stream("grpc.health.v1.Health/Watch", service=service)

    def next(self):
        return name_of(next(self.stream))

    def end(self):
        self.stream.cancel()


def name_of(answer):
    return answer.DESCRIPTOR.fields_by_name["status"].enum_type.values_by_number[answer.status].name


@pytest.fixture
def watch():
    open_ones = []

    def start(client, service):
        open_ones.append(Watching(client, service))
        return open_ones[-1]

    yield start
    for one in open_ones:
        one.end()


def health(server):
    """What List says, by service."""
    answer = server.client().call("grpc.health.v1.Health/List")
    return {name: name_of(status) for name, status in answer.statuses.items()}


def becomes(server, status):
    """Waits until all that depends on the database has this status."""
    harness.wait_until(lambda: health(server)["readiness"] == status, f"readiness to be {status}")


# Check and List --------------------------------------------------------------------------------------


def test_services_that_are_there(here):
    for service in KNOWN:
        assert here.server.health(service) == "SERVING"
    assert health(here.server) == {service: "SERVING" for service in KNOWN}


def test_service_that_is_not_there(here):
    for service in UNKNOWN:
        with harness.fails("NOT_FOUND", "NOT_FOUND") as error:
            here.client.call("grpc.health.v1.Health/Check", service=service)
        assert error.details["ErrorInfo"].domain == "balances"
        resource = error.details["ResourceInfo"]
        assert resource.resource_type == "service"
        assert resource.resource_name and service.startswith(resource.resource_name.rstrip("…"))
        assert len(error.message.encode()) <= 512


def test_malformed_requests(here):
    for method in ("Check", "List"):
        for payload in (b"\xff", b"\x0a\x01\xff", b"\x0a\x01\0"):
            if method == "List" and payload != b"\xff":
                continue
            with harness.fails("INVALID_ARGUMENT", "INVALID_REQUEST"):
                here.client.raw(f"/grpc.health.v1.Health/{method}", payload)


def test_healthcheck_command_asks_the_server(here):
    assert harness.balanced("healthcheck", "--listen", here.server.address).returncode == 0
    nobody = f"127.0.0.1:{harness.free_port()}"
    assert harness.balanced("healthcheck", "--listen", nobody, check=False).returncode != 0


# Watch -----------------------------------------------------------------------------------------------


def test_watch_says_at_once_what_is(here, watch):
    for service in KNOWN:
        assert watch(here.client, service).next() == "SERVING"


def test_watch_of_an_unknown_service_stays_open(here, watch):
    watches = [watch(here.client, service) for service in UNKNOWN[:5]]
    assert [w.next() for w in watches] == ["SERVICE_UNKNOWN"] * len(watches)
    assert all(w.stream.is_active() for w in watches)


def test_watch_with_a_malformed_request_is_refused(here):
    watching = here.client.channel.unary_stream("/grpc.health.v1.Health/Watch")
    for payload in (b"\xff", b"\x0a\x01\xff"):
        with harness.fails("INVALID_ARGUMENT", "INVALID_REQUEST"):
            watching(payload, timeout=harness.PATIENCE_S).next()


def test_watch_without_a_request_is_refused(here):
    watching = here.client.channel.stream_stream("/grpc.health.v1.Health/Watch")
    with harness.fails("INVALID_ARGUMENT", "INVALID_REQUEST"):
        next(watching(iter(()), timeout=harness.PATIENCE_S))


def test_watchers_that_leave_are_forgotten(here, watch):
    """More of them, one after the other, than may be open at once."""
    for _ in range(600):
        one = watch(here.client, "")
        assert one.next() == "SERVING"
        one.end()
    assert watch(here.client, "").next() == "SERVING"


def test_more_watches_than_the_server_takes_on_are_refused(here, watch):
    clients = [here.server.client() for _ in range(4)]
    open_ones, refused = [], 0
    for n in range(300):
        one = watch(clients[n % 4], "")
        try:
            assert one.next() == "SERVING"
            open_ones.append(one)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            refused += 1
    assert refused and len(open_ones) >= 200
    assert here.server.health() == "SERVING"
    for one in open_ones:
        one.end()
    harness.wait_until(lambda: reopens(here, watch), "room for a watch")


def reopens(here, watch):
    try:
        return watch(here.client, "").next() == "SERVING"
    except grpc.RpcError:
        return False


# PostgreSQL comes and goes ---------------------------------------------------------------------------


def test_watchers_see_the_database_go_and_come_back(here, watch, postgres):
    watches = {service: watch(here.client, service) for service in [*KNOWN, "nothing"]}
    assert {s: w.next() for s, w in watches.items()} == {
        **{s: "SERVING" for s in KNOWN}, "nothing": "SERVICE_UNKNOWN"}
    for _ in range(2):
        postgres.stop()
        assert [watches[s].next() for s in READY] == ["NOT_SERVING"] * len(READY)
        assert health(here.server) == {**{s: "NOT_SERVING" for s in READY}, "liveness": "SERVING"}
        assert harness.balanced("healthcheck", "--listen", here.server.address, check=False).returncode != 0
        postgres.start()
        assert [watches[s].next() for s in READY] == ["SERVING"] * len(READY)
        assert health(here.server) == {s: "SERVING" for s in KNOWN}
    # Only changes are told: the last two heard of none.
    assert all(watches[s].stream.is_active() for s in ("liveness", "nothing"))


def test_server_that_starts_without_a_database_lives_and_becomes_ready(postgres, database, server):
    postgres.stop()
    one = server(database_url=database, ready="live")
    assert health(one) == {**{s: "NOT_SERVING" for s in READY}, "liveness": "SERVING"}
    postgres.start()
    becomes(one, "SERVING")
    assert health(one) == {s: "SERVING" for s in KNOWN}


# The stop --------------------------------------------------------------------------------------------


def test_stopping_server_says_so_before_it_stops_serving(server, watch):
    one = server(stop_delay="2s")
    client = one.client()
    watches = {service: watch(client, service) for service in KNOWN}
    assert [w.next() for w in watches.values()] == ["SERVING"] * len(KNOWN)
    one.terminate()
    assert [watches[s].next() for s in READY] == ["NOT_SERVING"] * len(READY)
    answer = client.call("grpc.health.v1.Health/List")  # still there, for a while
    assert {s: name_of(v) for s, v in answer.statuses.items()} == {
        **{s: "NOT_SERVING" for s in READY}, "liveness": "SERVING"}
    for watching in watches.values():
        with pytest.raises(grpc.RpcError) as ended:
            watching.next()
        assert ended.value.code() == grpc.StatusCode.UNAVAILABLE
    assert one.wait() == 0
