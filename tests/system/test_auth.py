"""Who may call: tokens of every shape, scopes, tokens that are confined to customers, the file that names them and
is replaced under load, reflection, and the start that refuses to let everyone in by accident.
"""

import hashlib
import subprocess
import threading
import uuid

import grpc
import pytest

import harness
import world
from harness import error_of, fails

ADA, BOB, NOBODY = (f"aaaaaaaa-000{n}-4000-8000-aaaaaaaaaaaa" for n in range(3))
TOKENS = {"root": "read,write,catalog", "reader": "read", "writer": "write", "keeper": "catalog",
          "ada": f"read,write,catalog {ADA}", "both": f"read {BOB},{ADA}"}
SERVICES = ("BalanceService", "LedgerService", "AccountBalanceService", "CatalogService")
READ_ONLY = ("Get", "List")


def line(name, grants):
    return f"{name} {hashlib.sha256(secret(name).encode()).hexdigest()} {grants}\n"


def secret(name):
    return f"s3cret-{name}"


def bearer(name):
    return (("authorization", f"Bearer {secret(name)}"),)


def write_tokens(path, tokens):
    path.write_text("# for the tests\n\n" + "".join(line(*one) for one in tokens.items()))
    path.chmod(0o600)


def methods():
    return [m for s in SERVICES for m in harness.messages().services[f"balances.v1.{s}"].methods]


def is_read(method):
    return method.name.startswith(READ_ONLY)


def customer_field(method):
    """The field by which a request says whose it is; None where it is nobody's."""
    if method.name == "PutCustomer":
        return "id"
    return "customer_id" if "customer_id" in method.input_type.fields_by_name else None


def scope_of(method):
    if is_read(method):
        return "read"
    of_customer = customer_field(method) and method.containing_service.name != "CatalogService"
    return "write" if of_customer else "catalog"


@pytest.fixture(scope="module")
def here(postgres, tmp_path_factory):
    path = tmp_path_factory.mktemp("tokens") / "tokens"
    write_tokens(path, TOKENS)
    with world.served(postgres, tokens_file=path, workers=2) as served:
        served.path = path
        for one in (ADA, BOB):
            served.client.call("PutCustomer", id=one, name="One", metadata=bearer("root"))
        yield served


def outcome(call, *arguments, **fields):
    """Everything that a caller learns of a failure; None of a success."""
    try:
        call(*arguments, **fields)
    except grpc.RpcError as error:
        it = error_of(error)
        return it.code, it.message, {k: v.SerializeToString() for k, v in it.details.items()}
    return None


# The token ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", methods(), ids=lambda m: m.name)
def test_every_method_needs_a_token(here, method):
    full = method.full_name.rpartition(".")
    with fails("UNAUTHENTICATED", "TOKEN_MISSING") as failure:
        here.client.call(f"{full[0]}/{full[2]}")
    assert "authorization: Bearer <token>" in failure.message


@pytest.mark.parametrize("values, reason", [
    (["Bearer nonsense"], "TOKEN_UNKNOWN"), (["Bearer s3cret-root2"], "TOKEN_UNKNOWN"),
    (["Bearer s3cret-roo"], "TOKEN_UNKNOWN"), (["Bearer " + "x" * 4000], "TOKEN_UNKNOWN"),
    (["Bearer " + hashlib.sha256(b"s3cret-root").hexdigest()], "TOKEN_UNKNOWN"),
    (["s3cret-root"], "TOKEN_MALFORMED"), (["Bearer"], "TOKEN_MALFORMED"), (["Bearer "], "TOKEN_MALFORMED"),
    (["Basic s3cret-root"], "TOKEN_MALFORMED"), (["Bearers3cret-root"], "TOKEN_MALFORMED"),
    (["Bearer s3cret-root x"], "TOKEN_MALFORMED"), ([""], "TOKEN_MALFORMED"),
    (["Bearer s3cret-root", "Bearer s3cret-root"], "TOKEN_MALFORMED"),
    (["Bearer s3cret-root", "Basic abc"], "TOKEN_MALFORMED")])
def test_token_of_another_shape_is_refused(here, values, reason):
    with fails("UNAUTHENTICATED", reason) as failure:
        here.client.call("GetNetBalance", customer_id=ADA, metadata=[("authorization", v) for v in values])
    assert "s3cret" not in failure.message


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  "])
def test_scheme_is_of_any_case(here, scheme):
    here.client.call("GetNetBalance", customer_id=ADA, metadata=(("authorization", scheme + secret("root")),))


def test_health_needs_no_token(here):
    assert here.server.health("readiness") == "SERVING"
    watch = here.client.stream("grpc.health.v1.Health/Watch", service="")
    assert next(watch).status == 1
    watch.cancel()


def test_tokens_that_answers_carry_grant_nothing(here):
    answer = here.client.call("GetNetBalance", customer_id=ADA, metadata=bearer("root"))
    with fails("UNAUTHENTICATED", "TOKEN_UNKNOWN"):
        here.client.call("GetNetBalance", customer_id=ADA,
                         metadata=(("authorization", f"Bearer {answer.consistency_token}"),))
    with fails("PERMISSION_DENIED", "TOKEN_CONFINED"):
        here.client.call("GetNetBalance", customer_id=BOB, metadata=bearer("ada"),
                         consistency={"at_least_as_fresh": here.client.call(
                             "GetNetBalance", customer_id=BOB, metadata=bearer("root")).consistency_token})
    for n in range(2):
        here.client.call("CreateTransactionType", name=f"Type {n}", code=f"type_{n}", metadata=bearer("root"))
    page = here.client.call("ListTransactionTypes", limit=1, metadata=bearer("root")).next_page
    assert page
    with fails("UNAUTHENTICATED", "TOKEN_MISSING"):
        here.client.call("ListTransactionTypes", limit=1, next_page=page)
    with fails("UNAUTHENTICATED", "TOKEN_UNKNOWN"):
        here.client.call("ListTransactionTypes", limit=1, metadata=(("authorization", f"Bearer {page}"),))


# Scopes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", methods(), ids=lambda m: m.name)
def test_method_needs_its_scope_before_all_else(here, method):
    name = method.full_name.rpartition(".")
    path = f"{name[0]}/{name[2]}"
    fields = {customer_field(method): ADA} if customer_field(method) else {}
    for token, scope in (("reader", "read"), ("writer", "write"), ("keeper", "catalog")):
        failed = outcome(here.client.call, path, metadata=bearer(token), **fields)
        if scope == scope_of(method):
            assert not failed or failed[0] not in ("PERMISSION_DENIED", "UNAUTHENTICATED"), failed
        else:
            assert failed[0] == "PERMISSION_DENIED", failed
            assert failed[1].startswith(f"the token lacks the scope {scope_of(method)}"), failed
    # Also where the request is wrong all over.
    wrong = next(t for t, s in (("reader", "read"), ("writer", "write"), ("keeper", "catalog")) if s != scope_of(method)
                 and not (method.name == "SetCreditApplicationOrder" and s == "catalog"))
    with pytest.raises(grpc.RpcError) as caught:
        here.client.raw("/" + path, b"\xff\xff", metadata=bearer(wrong))
    assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED


def test_order_of_all_is_catalog_and_of_one_is_write(here):
    order = harness.messages().SetCreditApplicationOrderRequest
    with fails("PERMISSION_DENIED", "SCOPE_MISSING"):
        here.client.call("SetCreditApplicationOrder", order(order=[1, 2]), metadata=bearer("writer"))
    with fails("PERMISSION_DENIED", "SCOPE_MISSING"):
        here.client.call("SetCreditApplicationOrder", order(order=[1, 2], customer_id=ADA), metadata=bearer("keeper"))
    here.client.call("SetCreditApplicationOrder", order(order=[1, 2]), metadata=bearer("keeper"))
    here.client.call("SetCreditApplicationOrder", order(order=[1, 2], customer_id=ADA), metadata=bearer("writer"))


# Confined tokens ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [m for m in methods() if customer_field(m)], ids=lambda m: m.name)
def test_confined_token_learns_nothing_of_others(here, method):
    name = method.full_name.rpartition(".")
    path, field = f"{name[0]}/{name[2]}", customer_field(method)
    there = outcome(here.client.call, path, metadata=bearer("ada"), **{field: BOB})
    not_there = outcome(here.client.call, path, metadata=bearer("ada"), **{field: NOBODY})
    assert there[0] == "PERMISSION_DENIED" and there == not_there
    own = outcome(here.client.call, path, metadata=bearer("ada"), **{field: ADA})
    assert not own or own[0] not in ("PERMISSION_DENIED", "UNAUTHENTICATED"), own
    malformed = outcome(here.client.call, path, metadata=bearer("ada"), **{field: ADA.upper()})
    assert malformed[0] == "INVALID_ARGUMENT" and field in malformed[1]


@pytest.mark.parametrize("method", [m for m in methods() if not is_read(m) and (
    not customer_field(m) or m.name == "SetCreditApplicationOrder")], ids=lambda m: m.name)
def test_confined_token_writes_nothing_of_all(here, method):
    name = method.full_name.rpartition(".")
    with fails("PERMISSION_DENIED", "TOKEN_CONFINED"):
        here.client.call(f"{name[0]}/{name[2]}", metadata=bearer("ada"))


def test_confined_token_reads_what_is_of_all(here):
    here.client.call("ListTransactionTypes", metadata=bearer("ada"))
    here.client.call("GetCreditApplicationOrder", metadata=bearer("ada"))


def test_token_may_be_confined_to_several(here):
    for one in (ADA, BOB):
        here.client.call("GetNetBalance", customer_id=one, metadata=bearer("both"))
    with fails("PERMISSION_DENIED", "TOKEN_CONFINED"):
        here.client.call("GetNetBalance", customer_id=NOBODY, metadata=bearer("both"))


# The file -------------------------------------------------------------------------------------------


def is_known(client, name):
    failed = outcome(client.call, "GetNetBalance", customer_id=NOBODY, metadata=bearer(name))
    return failed[0] == "NOT_FOUND"


def rewrite(path, tokens):
    write_tokens(path, tokens)


def rename(path, tokens):
    fresh = path.with_name("fresh")
    write_tokens(fresh, tokens)
    fresh.rename(path)


def kubernetes_swap(path, tokens):
    """As the kubelet does it: the file is a link through a directory that is itself a link, and is replaced."""
    made = path.parent / f"..{uuid.uuid4()}"
    made.mkdir()
    write_tokens(made / "tokens", tokens)
    link = path.parent / "..fresh"
    link.symlink_to(made.name)
    link.rename(path.parent / "..data")
    if not path.is_symlink():
        path.unlink(missing_ok=True)
        path.symlink_to("..data/tokens")


@pytest.mark.parametrize("replace", [rewrite, rename, kubernetes_swap])
def test_file_is_replaced_under_load_and_no_call_fails(server, tmp_path, replace):
    path = tmp_path / "tokens"
    replace(path, {"old": "read", "stays": "read"})
    one = server(tokens_file=path, workers=2)
    clients = [one.client() for _ in range(4)]
    over, wrong = threading.Event(), []

    def load(client):
        while not over.is_set():
            failed = outcome(client.call, "GetNetBalance", customer_id=NOBODY, metadata=bearer("stays"))
            if failed[0] != "NOT_FOUND":
                wrong.append(failed)

    threads = [threading.Thread(target=load, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    try:
        for n in range(4):
            old, new = ("old", "new") if n % 2 == 0 else ("new", "old")
            replace(path, {new: "read", "stays": "read"})
            harness.wait_until(lambda new=new: all(is_known(c, new) for c in clients), "the new token to count")
            harness.wait_until(lambda old=old: not any(is_known(c, old) for c in clients), "the old one not to")
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not wrong


def test_bad_file_is_logged_once_and_the_old_one_stays(server, tmp_path):
    path = tmp_path / "tokens"
    write_tokens(path, {"one": "read"})
    one = server(tokens_file=path)
    client = one.client()
    path.write_text("# half\none " + secret("one") + " read\n")
    harness.wait_until(lambda: "stay in force" in one.log, "the complaint")
    assert is_known(client, "one")
    path.unlink()
    harness.wait_until(lambda: one.log.count("stay in force") == 2, "the second complaint")
    assert is_known(client, "one")
    write_tokens(path, {"two": "read"})
    harness.wait_until(lambda: is_known(client, "two"), "the good file")
    assert not is_known(client, "one")
    assert one.log.count("stay in force") == 2
    assert "line 2: after the name" in one.log and "s3cret" not in one.log


def test_file_that_all_may_read_is_warned_about(server, tmp_path):
    path = tmp_path / "tokens"
    write_tokens(path, {"one": "read"})
    path.chmod(0o644)
    assert "can be read by every user" in server(tokens_file=path).log


@pytest.mark.parametrize("text, said", [
    (None, "cannot be read: No such file"), ("", "there is no token in it"),
    ("a b read\n", "line 1: after the name"), (line("a", "read,sudo"), "line 1: the scopes")])
def test_bad_file_stops_the_start(database, tmp_path, text, said):
    path = tmp_path / "tokens"
    if text is not None:
        path.write_text(text)
    done = harness.balanced("serve", check=False, database_url=database, tokens_file=path,
                            listen=f"127.0.0.1:{harness.free_port()}")
    last = done.stderr.splitlines()[-1]
    assert done.returncode != 0 and last.startswith(f"balanced: {path}") and said in last


def test_caller_is_named_in_the_log(server, tmp_path):
    path = tmp_path / "tokens"
    write_tokens(path, {"billing": "read"})
    one = server(tokens_file=path, log_level="debug")
    is_known(one.client(), "billing")
    harness.wait_until(lambda: " caller=billing " in one.log, "the call's line")
    assert "s3cret" not in one.log


# Who may call at all --------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "128.0.0.1", "127.0.0.1.example.org", "[::2]"])
def test_start_refuses_to_let_others_in_by_accident(database, host):
    done = harness.balanced("serve", check=False, database_url=database, listen=f"{host}:{harness.free_port()}")
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].startswith(f"balanced: on {host}")
    assert "BALANCED_TOKENS_FILE" in done.stderr and "BALANCED_INSECURE=anyone" in done.stderr


def test_start_says_who_may_call(server, tmp_path):
    path = tmp_path / "tokens"
    write_tokens(path, {"one": "read", "two": "write"})
    every = f"0.0.0.0:{harness.free_port()}"
    assert "may call: everyone on this machine" in server().log
    harness.wait_until(lambda one=server(ready=False, listen=every, insecure="anyone"):
                       f"may call: everyone who reaches {every}" in one.log, "the line that says who")
    assert f"may call: who has one of the 2 tokens of {path}" in server(tokens_file=path).log


def test_socket_and_loopback_need_no_token(server, tmp_path):
    for listen in (f"unix:{tmp_path}/socket", f"localhost:{harness.free_port()}", f"127.1.2.3:{harness.free_port()}"):
        one = server(ready=False, listen=listen)
        one.address = listen
        one.wait_serving()


# Reflection -----------------------------------------------------------------------------------------


def services(client, version, metadata=()):
    request = harness.messages()[f"grpc.reflection.{version}.ServerReflectionRequest"](list_services="*")
    return next(client.converse(f"grpc.reflection.{version}.ServerReflection/ServerReflectionInfo", iter([request]),
                                metadata=metadata))


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_is_for_all_or_for_tokens_or_off(server, tmp_path, version):
    path = tmp_path / "tokens"
    write_tokens(path, {"keeper": "catalog"})
    assert services(server(tokens_file=path).client(), version)
    with_token = server(tokens_file=path, reflection="token").client()
    assert services(with_token, version, bearer("keeper"))
    with fails("UNAUTHENTICATED", "TOKEN_MISSING"):
        services(with_token, version)
    with fails("UNAUTHENTICATED", "TOKEN_UNKNOWN"):
        services(with_token, version, bearer("nobody"))
    with fails("UNIMPLEMENTED"):
        services(server(reflection="off").client(), version)


def test_reflection_for_tokens_needs_tokens(database):
    done = harness.balanced("serve", check=False, database_url=database, reflection="token",
                            listen=f"127.0.0.1:{harness.free_port()}")
    assert done.returncode != 0 and "BALANCED_REFLECTION=token needs" in done.stderr


# Clients --------------------------------------------------------------------------------------------


def test_grpcurl_and_balancectl_send_tokens(here, grpcurl, tmp_path):
    token = tmp_path / "token"
    token.write_text(secret("reader") + "\n")
    curl = grpcurl(here.server)
    done = curl.call("balances.v1.BalanceService/GetNetBalance", {"customer_id": ADA}, "-H",
                     f"authorization: Bearer {secret('reader')}")
    assert done.code == 0 and done.json()["balance"] == "0"
    assert "TOKEN_MISSING" in curl.call("balances.v1.BalanceService/GetNetBalance", {"customer_id": ADA}).stderr
    for options, code in ((["--token-file", token], 0), ([], 64 + 16)):
        done = subprocess.run([harness.BUILD / "client/balancectl", "net", "--customer", ADA, "--address",
                               here.server.address, *options], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code, done.stderr
