"""libbalances as another program uses it: installed, found by pkg-config, and tried when servers fail.

The example is built against the installed library and asks the real server. What it does when calls fail is seen with
a scripted server, through balancectl, which stands on the same library.
"""

import concurrent.futures
import contextlib
import os
import re
import shutil
import subprocess
import types

import grpc
import pytest

import harness
import world
from test_balancectl import run
from world import CREDIT, new_id

SPENDABLE = "balances.v1.BalanceService/GetNetBalance"
GRANT = "balances.v1.LedgerService/AddManualLedgerEntry"


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The program of client/example.c, built with the installed library, and the environment that it runs in."""
    home = tmp_path_factory.mktemp("installed")
    subprocess.run(["cmake", "--install", harness.BUILD, "--prefix", home], check=True, capture_output=True)
    config, = home.rglob("balances.pc")
    environment = {**os.environ, "PKG_CONFIG_PATH": str(config.parent)}
    flags = subprocess.run(["pkg-config", f"--define-variable=prefix={home}", "--cflags", "--libs", "balances"],
                           env=environment, check=True, capture_output=True, text=True).stdout.split()
    cache = (harness.BUILD / "CMakeCache.txt").read_text()
    sanitize = re.search(r"^SANITIZE:STRING=(.*)$", cache, re.MULTILINE)[1]
    compiler = re.search(r"^CMAKE_C_COMPILER:\w+=(.*)$", cache, re.MULTILINE)[1]
    source = home / "example.c"  # away from the project's own headers
    shutil.copy(harness.SOURCE / "client/example.c", source)
    subprocess.run([compiler, "-Wall", "-Wextra", "-Werror", *([f"-fsanitize={sanitize}"] if sanitize else []), source,
                    "-pthread", *flags, "-o", home / "example"], check=True, cwd=home)
    libraries = str(config.parent.parent)
    # c-ares, by which gRPC looks names up, loses the text of one.
    (home / "leaks").write_text("leak:libcares.so\n")
    return home / "example", harness.clean_environment(
        LD_LIBRARY_PATH=libraries, LSAN_OPTIONS=f"print_suppressions=0:suppressions={home / 'leaks'}")


def ask(example, *arguments):
    program, environment = example
    done = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True,
                          timeout=harness.PATIENCE_S, check=False)
    assert not harness.SANITIZER_REPORT.search(done.stderr), done.stderr
    return done


def test_example_asks_the_server(postgres, example):
    with world.served(postgres) as here:
        ada = here.customer()
        credit = ada.balance(CREDIT)
        segment = credit.segment("100", here.day(-1), here.day(1))
        segment.draft("-30", here.day(1))
        here.flush()
        done = ask(example, here.server.address, ada.id)
        assert done.returncode == 0, done.stderr
        first, *others = done.stdout.splitlines()
        assert first == "now 70" and sorted(others) == ["all 70", "finalized 100"]
        # A name is looked up, and whoever answers is asked.
        again = ask(example, f"dns:///localhost:{here.server.port}", ada.id)
        assert sorted(again.stdout.splitlines()) == sorted(done.stdout.splitlines())
        failed = ask(example, here.server.address, new_id())
        assert failed.returncode == 1 and failed.stderr.count("error 5: customer ") == 3


def test_example_says_what_is_wrong(example):
    assert "visible ASCII" in ask(example, "127.0.0.1:1", new_id(), "a b").stderr
    assert ask(example, "127.0.0.1:1").returncode == 2
    nobody = ask(example, f"127.0.0.1:{harness.free_port()}", new_id())
    assert nobody.returncode == 1 and "error 14: " in nobody.stderr


def test_header_is_of_cpp_too(example):
    header, = example[0].parent.rglob("balances.h")
    text = header.read_text()
    assert 'extern "C"' in text and '#include "' not in text


# Servers that fail ----------------------------------------------------------------------------------


@contextlib.contextmanager
def scripted(*script):
    """A server that ends one call after the other so, the last one's way from then on: a code, or "OK", and trailers.
    Yields what it was asked."""
    asked = []

    def serve(request, context):
        code, trailers = script[min(len(asked), len(script) - 1)]
        asked.append(types.SimpleNamespace(
            request=request, attempts=dict(context.invocation_metadata()).get("grpc-previous-rpc-attempts", "0")))
        if code != "OK":
            context.set_trailing_metadata(trailers)
            context.abort(getattr(grpc.StatusCode, code), "scripted")
        return b""

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    for path in (SPENDABLE, GRANT):
        service, method = path.split("/")
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
            service, {method: grpc.unary_unary_rpc_method_handler(serve)}),))
    here = types.SimpleNamespace(server=types.SimpleNamespace(
        address=f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"), asked=asked)
    server.start()
    try:
        yield here
    finally:
        server.stop(0).wait()


def net(here, **more):
    return run(here, "net", "--customer", new_id(), **more)


SOON = [("grpc-retry-pushback-ms", "20")]


def test_what_a_server_could_not_do_is_tried_again():
    for code in ("UNAVAILABLE", "RESOURCE_EXHAUSTED"):
        with scripted((code, []), (code, SOON), ("OK", [])) as here:
            net(here)
            assert [a.attempts for a in here.asked] == ["0", "1", "2"]
            assert len({a.request for a in here.asked}) == 1


def test_it_ends_after_four_times():
    with scripted(("UNAVAILABLE", SOON)) as here:
        assert net(here, check=False).returncode == 64 + 14
        assert len(here.asked) == 4


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "NOT_FOUND", "UNKNOWN", "ABORTED", "DEADLINE_EXCEEDED",
                                  "INTERNAL"])
def test_what_was_done_or_is_wrong_is_not_tried_again(code):
    with scripted((code, []), ("OK", [])) as here:
        assert net(here, check=False).returncode == 64 + getattr(grpc.StatusCode, code).value[0]
        assert len(here.asked) == 1


def test_server_may_say_not_to_try_again():
    with scripted(("UNAVAILABLE", [("grpc-retry-pushback-ms", "-1")]), ("OK", [])) as here:
        assert net(here, check=False).returncode == 64 + 14
        assert len(here.asked) == 1


def test_write_keeps_its_request_id():
    with scripted(("UNAVAILABLE", SOON), ("OK", [])) as here:
        run(here, "adjust", "--customer", new_id(), "--id", new_id(), "--segment", new_id(), "--amount", "1",
            "--reason", "r")
        requests = [harness.messages().AddManualLedgerEntryRequest.FromString(a.request) for a in here.asked]
        assert len(requests) == 2 and requests[0] == requests[1] and requests[0].request_id
