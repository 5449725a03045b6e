"""The stop: SIGTERM finishes what is in flight, takes nothing new, and ends with 0 in time, whatever the database
and the clients do meanwhile.
"""

import contextlib
import signal
import socket
import subprocess
import threading
import time

import grpc
import pytest

import harness
from faults import (CANCELLED, LOAD_CALLERS, NET, OK, UNAVAILABLE, Load, ask, assert_log_is_ours, execute, locked,
                    new_customer, outcomes, wait_connected, waiting)
from prometheus import scrape, value

CHECK = "grpc.health.v1.Health/Check"
WATCH = "grpc.health.v1.Health/Watch"
REFLECTION = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
SERVING, NOT_SERVING = 1, 2


@pytest.fixture
def customer(database):
    return new_customer(database)


def ends(one, signal_number=signal.SIGTERM):
    """Stops the server, expecting 0, and prints how long it took."""
    since = time.monotonic()
    one.process.send_signal(signal_number)
    code = one.wait()
    print(f"stopped after {time.monotonic() - since:.3f} s")
    assert code == 0, one.log
    assert one.log.rstrip().endswith("main: stopped"), one.log
    assert_log_is_ours(one)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_server_stops(server, customer, number):
    one = server()
    assert ask(one.client(), customer) == OK
    ends(one, number)


def test_server_stops_that_never_saw_its_database(postgres, server):
    one = server(database_url=postgres.url_of("nowhere"), ready="live")
    ends(one)


@pytest.mark.parametrize("moment", range(7))
def test_server_stops_at_any_moment_of_its_start(database, server, moment):
    one = server(ready=False)
    # From its first line on, which says how it is set.
    harness.wait_until(lambda: ("listening" if moment > 1 else "listen=") in one.log, "the start")
    time.sleep(max(0, moment - 2) * 0.005)
    one.terminate()
    one.terminate()
    assert one.wait() == 0


@pytest.mark.parametrize("workers", [1, 4])
def test_calls_in_flight_are_finished(database, customer, server, workers):
    one = server(workers=workers)
    wait_connected(database, 4 * workers)
    client = one.client()
    assert ask(client, customer) == OK
    with locked(database):
        calls = [client.future(NET, customer_id=customer) for _ in range(200)]
        harness.wait_until(lambda: value(scrape(one), "balanced_calls_in_flight") == 200, "all calls to arrive")
        one.terminate()
        harness.wait_until(lambda: "taking no new calls" in one.log, "the stop to begin")
        assert not any(call.done() for call in calls)
    assert outcomes(calls) == {OK: 200}
    assert one.wait() == 0
    assert_log_is_ours(one)


@pytest.mark.parametrize("workers", [1, 4])
def test_stop_under_load_answers_rightly_or_not_at_all(database, customer, server, workers):
    """Callers call without a pause while the server stops. What comes after the stop began is refused: with
    UNAVAILABLE, or, where it crosses the news on the wire, by gRPC itself with CANCELLED (grpc/grpc#41785)."""
    for _ in range(3):
        one = server(workers=workers)
        with Load(one, customer) as load:
            load.wait_for(OK, 100)
            ends(one)
        counts = load.counts()
        assert set(counts) <= {OK, UNAVAILABLE, CANCELLED}, counts
        assert counts[CANCELLED] <= 4 * LOAD_CALLERS, counts


def test_calls_that_hang_are_cancelled_after_the_grace_period(database, customer, server):
    one = server(stop_grace="300ms", request_timeout="60s")
    wait_connected(database)
    client = one.client()
    with locked(database):
        calls = [client.future(NET, customer_id=customer) for _ in range(100)]
        harness.wait_until(lambda: waiting(database) == 4, "the statements to wait")
        ends(one)
        counts = outcomes(calls)
        assert sum(counts.values()) == 100 and set(counts) <= {UNAVAILABLE, CANCELLED}, counts
        assert "cancelling them" in one.log
        # The statements have ended with their sessions, though the lock is still held.
        harness.wait_until(lambda: waiting(database) == 0, "the statements to end")


def test_stop_without_grace_is_immediate(database, customer, server):
    one = server(stop_grace="0s", request_timeout="60s")
    wait_connected(database)
    with locked(database):
        call = one.client().future(NET, customer_id=customer)
        harness.wait_until(lambda: waiting(database) == 1, "the statement to wait")
        ends(one)
        assert set(outcomes([call])) <= {UNAVAILABLE, CANCELLED}


@pytest.mark.parametrize("leave", [False, True], ids=["calls wait", "calls cancelled"])
def test_server_stops_while_its_database_is_frozen(postgres, database, customer, server, leave):
    """Where calls were cancelled, the server has asked the database to end their statements, which hangs too."""
    one = server(stop_grace="300ms", request_timeout="60s")
    wait_connected(database)
    client = one.client()
    assert ask(client, customer) == OK
    postgres.pause()
    try:
        calls = [client.future(NET, customer_id=customer) for _ in range(50)]
        if leave:
            time.sleep(0.1)  # into the database, and long enough to be worth a cancel
            for call in calls:
                call.cancel()
            time.sleep(0.1)
        ends(one)
        outcomes(calls)
    finally:
        postgres.resume()


def test_server_stops_while_its_database_is_away(postgres, database, customer, server):
    one = server()
    postgres.stop()
    try:
        assert ask(one.client(), customer) == UNAVAILABLE
        ends(one)
    finally:
        postgres.start()


def test_streams_end_when_the_server_stops(server, customer):
    one = server()
    client = one.client()
    watches = [client.stream(WATCH, service=name) for name in ["", "liveness", "readiness", "unknown"] * 5]
    for watch in watches:
        next(watch)
    hold = threading.Event()

    def requests():
        yield harness.messages()["grpc.reflection.v1.ServerReflectionRequest"](list_services="*")
        hold.wait(harness.PATIENCE_S)

    talk = client.converse(REFLECTION, requests())
    next(talk)
    silent = client.converse(REFLECTION, iter(lambda: hold.wait(harness.PATIENCE_S), True))
    one.terminate()
    for stream in [*watches, talk, silent]:
        with pytest.raises(grpc.RpcError) as ended:
            for _ in stream:
                pass
        assert ended.value.code() == grpc.StatusCode.UNAVAILABLE
    hold.set()
    assert one.wait() == 0


def test_watches_see_the_stop(server, customer):
    one = server(stop_delay="60s")
    client = one.client()
    watch, liveness = client.stream(WATCH, service="readiness"), client.stream(WATCH, service="liveness")
    assert next(watch).status == SERVING
    assert next(liveness).status == SERVING
    one.terminate()
    assert next(watch).status == NOT_SERVING
    # Liveness does not change: the process is well, and is not to be killed for stopping.
    assert client.call(CHECK, service="liveness").status == SERVING
    one.kill()


def test_stop_delay_serves_while_health_says_no(database, customer, server):
    one = server(stop_delay="1s")
    client = one.client()
    one.terminate()
    harness.wait_until(lambda: one.health("readiness") == "NOT_SERVING", "health to say no")
    served = 0
    while "taking no new calls" not in one.log:
        # A call that ends in an error was sent when the delay was over.
        code = ask(client, customer)
        assert code == OK or "taking no new calls" in one.log, code
        served += code == OK
    print(f"{served} calls served meanwhile")
    assert served > 0
    assert one.wait() == 0


def test_second_signal_changes_nothing(database, customer, server):
    one = server()
    wait_connected(database)
    with locked(database):
        call = one.client().future(NET, customer_id=customer)
        harness.wait_until(lambda: waiting(database) == 1, "the statement to wait")
        for number in [signal.SIGTERM, signal.SIGTERM, signal.SIGINT]:
            one.process.send_signal(number)
        harness.wait_until(lambda: "taking no new calls" in one.log, "the stop to begin")
        one.terminate()
    assert outcomes([call]) == {OK: 1}
    assert one.wait() == 0


def test_database_that_returns_during_the_stop_is_let_go(postgres, database, customer, server):
    one = server(stop_delay="500ms")
    postgres.stop()
    one.terminate()
    postgres.start()
    assert one.wait() == 0


def test_client_that_never_reads_does_not_hold_up_the_stop(server, customer):
    one = server(stop_grace="300ms")
    with contextlib.ExitStack() as stack:
        for greeting in [b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"]:
            silent = stack.enter_context(socket.create_connection(("127.0.0.1", one.port)))
            silent.sendall(greeting)
        ends(one)


def test_taken_port_is_one_clear_line(server, database):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = harness.balanced("serve", check=False, database_url=database, listen=f"127.0.0.1:{port}",
                                log_level="warn")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith(f"balanced: cannot listen on 127.0.0.1:{port}: "), done.stderr


@pytest.mark.parametrize("address", ["192.0.2.1:50051", "nonsense", "127.0.0.1:99999", "/no/such/path"])
def test_impossible_address_is_one_clear_line(server, database, address):
    done = harness.balanced("serve", check=False, database_url=database, listen=address, log_level="warn")
    assert done.returncode in (1, 2)
    assert done.stderr.count("\n") == 1, done.stderr
    assert address in done.stderr


def test_two_servers_do_not_share_a_port(server, database):
    one = server()
    done = harness.balanced("serve", check=False, database_url=database, listen=one.address, log_level="warn")
    assert done.returncode == 1
    assert one.health() == "SERVING"


def test_stopped_server_leaves_no_session_behind(postgres, database, customer, server):
    one = server()
    wait_connected(database)
    ends(one)
    harness.wait_until(
        lambda: not execute(database, "SELECT 1 FROM pg_stat_activity WHERE application_name = 'balanced'"),
        "the sessions to end")


def test_broken_pipe_of_the_log_is_no_reason_to_end(database, server):
    one = harness.free_port()
    process = subprocess.Popen(
        harness.dying_with_us("KILL") + [harness.BUILD / "server/balanced", "serve"], stderr=subprocess.PIPE,
        env=harness.clean_environment(database_url=database, listen=f"127.0.0.1:{one}"))
    process.stderr.readline()
    process.stderr.close()
    client = harness.Client(f"127.0.0.1:{one}")
    try:
        harness.wait_until(lambda: healthy(client), "the server")
        process.terminate()
        assert process.wait(harness.PATIENCE_S) == 0
    finally:
        client.close()
        process.kill()
        process.wait()


def healthy(client):
    try:
        return client.call(CHECK).status == SERVING
    except grpc.RpcError:
        return False
