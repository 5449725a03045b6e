"""/livez and /readyz, and what the HTTP listener does with everything else that it is sent."""

import contextlib
import ctypes
import os
import re
import socket
import time

import pytest

import harness

PAGES = ["/livez", "/readyz"]
CONNECTIONS_MAX = 64
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 17, 0x4206, 0x4207, 0x40000000


def get(one, *arguments, **options):
    return harness.get(one.http_address, *arguments, **options)


def status(one, path):
    return get(one, path)[0]


def connect(one):
    host, port = one.http_address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=harness.PATIENCE_S)


def test_server_that_serves_is_alive_and_ready(server):
    one = server(workers=3)
    harness.wait_until(lambda: status(one, "/readyz") == 200, "every worker's database")
    for path in PAGES:
        code, headers, body = get(one, path)
        assert (code, body) == (200, "ok\n")
        assert headers["Content-Type"] == "text/plain; charset=utf-8"
        assert headers["Cache-Control"] == "no-store"


def test_readyz_follows_health_while_the_database_comes_and_goes(postgres, server):
    url = harness.migrated(postgres)
    one = server(database_url=url, workers=2)
    postgres.kill()
    try:
        harness.wait_until(lambda: one.health() == "NOT_SERVING", "the server to notice")
        harness.wait_until(lambda: get(one, "/readyz")[2].count("the database does not answer") == 2, "/readyz")
        assert status(one, "/readyz") == 503
        assert status(one, "/livez") == 200
    finally:
        postgres.start()
    one.wait_serving()
    harness.wait_until(lambda: status(one, "/readyz") == 200, "/readyz")


def test_server_without_a_database_is_alive_but_not_ready(postgres, server):
    one = server(database_url=postgres.url_of("nowhere"), ready="live")
    assert status(one, "/livez") == 200
    code, _, body = get(one, "/readyz")
    assert (code, body) == (503, "worker 0: the database does not answer\n")


def test_redis_that_is_away_does_not_matter(server, redis):
    one = server(redis_url=redis.url)
    redis.kill()
    assert [status(one, path) for path in PAGES] == [200, 200]


def test_stopping_server_is_alive_but_not_ready(server):
    one = server(stop_delay="2s")
    one.terminate()
    harness.wait_until(lambda: one.health() == "NOT_SERVING", "the stop")
    code, _, body = get(one, "/readyz")
    assert (code, body) == (503, "the server is stopping\n")
    assert status(one, "/livez") == 200
    assert one.wait() == 0


def thread_of(one, name):
    for task in os.listdir(f"/proc/{one.pid}/task"):
        with open(f"/proc/{one.pid}/task/{task}/comm", encoding="ascii") as file:
            if file.read().strip() == name:
                return int(task)
    raise AssertionError(f"no thread {name}")


@contextlib.contextmanager
def standing_still(one, thread):
    """One thread of the server stands still while the others go on, as if it hung."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    task = thread_of(one, thread)
    for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
        assert libc.ptrace(request, task, None, None) == 0, os.strerror(ctypes.get_errno())
    assert os.waitpid(task, WALL)[0] == task
    try:
        yield
    finally:
        libc.ptrace(PTRACE_DETACH, task, None, None)


def test_loop_that_stands_still_is_told_of(server):
    one = server(workers=2)
    with standing_still(one, "loop 1"):
        harness.wait_until(lambda: status(one, "/livez") == 503, "/livez to notice")
        assert re.fullmatch(r"worker 1 has not moved for \d+ s\n", get(one, "/livez")[2])
    harness.wait_until(lambda: status(one, "/livez") == 200, "the loop to turn")


def test_idle_server_stays_alive(server):
    one = server(redis_url="")
    time.sleep(11)  # longer than a loop may stand still
    assert status(one, "/livez") == 200


@pytest.mark.parametrize("path", ["/", "/livez/", "/LIVEZ", "/live", "/../livez", "/" + "x" * 5000])
def test_other_paths_are_not_found(server, path):
    code, _, body = get(server(), path)
    assert code == 404
    assert body.startswith("there is no such page; there are: /livez /readyz")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"])
def test_other_methods_are_not_allowed(server, method):
    one = server()
    code, headers, body = get(one, "/livez", method, body=b"x" * 100)
    assert (code, headers["Allow"], body) == (405, "GET, HEAD", "use GET or HEAD\n")
    assert status(one, "/livez") == 200


def test_head_has_no_body(server):
    code, headers, body = get(server(), "/livez", "HEAD")
    assert (code, headers["Content-Length"], body) == (200, "3", "")


def test_query_is_ignored(server):
    assert status(server(), "/livez?verbose=1") == 200


@pytest.mark.parametrize("sent", [
    b"\x00" * 1000, b"GET\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /livez HTTP/9.9\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nX: " + b"y" * 20000 + b"\r\n\r\n",
    b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n" + b"z" * 100000,
], ids=lambda sent: sent[:20].hex())
def test_garbage_is_refused_and_harms_nobody(server, sent):
    one = server()
    with connect(one) as bad:
        try:
            bad.sendall(sent)
            bad.shutdown(socket.SHUT_WR)
            answer = bad.recv(100)
        except OSError:  # it is closed already
            answer = b""
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4") or answer.startswith(b"HTTP/1.1 505"), answer
    assert status(one, "/livez") == 200


def test_connections_are_bounded_and_the_calls_do_not_mind(server):
    one = server()
    before = one.open_files
    held = [connect(one) for _ in range(3 * CONNECTIONS_MAX)]
    try:
        harness.wait_until(lambda: one.open_files >= before + CONNECTIONS_MAX - 1, "the connections")
        assert one.open_files <= before + CONNECTIONS_MAX + 10
        assert one.health() == "SERVING"
    finally:
        for connection in held:
            connection.close()

    def answers():
        try:
            return status(one, "/livez") == 200
        except OSError:
            return False

    harness.wait_until(answers, "room for a connection")


def test_empty_address_means_none(server):
    one = server(http_listen="")
    with pytest.raises(ConnectionRefusedError):
        connect(one)
    assert "http_listen=(none)" in one.log


@pytest.mark.parametrize("address", ["9090", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", ":9090",
                                     "127.0.0.1:80x", "nowhere.invalid:9090", "unix:/tmp/x"])
def test_address_that_is_none_stops_the_start(database, address):
    done = harness.balanced("serve", check=False, database_url=database, http_listen=address,
                            listen=f"127.0.0.1:{harness.free_port()}")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last == f"balanced: cannot listen for HTTP on {address}: it must be like host:port or [::1]:port"


def test_port_that_is_taken_stops_the_start(server, database):
    one = server()
    done = harness.balanced("serve", check=False, database_url=database, http_listen=one.http_address,
                            listen=f"127.0.0.1:{harness.free_port()}")
    assert done.returncode == 1
    assert "another program has the port; choose another BALANCED_HTTP_LISTEN" in done.stderr.splitlines()[-1]
