"""Server reflection, v1 and v1alpha: the protocol itself, and the tools that stand on it, grpcurl and
buf curl, which find, describe and call every method with nothing but the address of the server.
"""

import subprocess
import threading

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, json_format

import harness
import world
from world import ACCOUNT, KIND_NAME

VERSIONS = ["v1", "v1alpha"]
SERVED = ["balances.v1.AccountBalanceService", "balances.v1.BalanceService", "balances.v1.CatalogService",
          "balances.v1.LedgerService",
          "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
          "grpc.reflection.v1alpha.ServerReflection"]
BALANCES = "balances/v1/balances.proto"
BALANCES_IMPORTS = {BALANCES, "google/protobuf/timestamp.proto", "google/protobuf/wrappers.proto"}
METHODS = {
    "ListBalances": {"include_contract_balances": True, "include_balance": True, "include_ledgers": True},
    "ListCredits": {"include_balance": True}, "ListCommits": {"include_balance": True},
    "GetNetBalance": {}, "ListLedgerEntries": {"limit": 3}}
UNKNOWN = "aaaaaaaa-0000-4000-8000-aaaaaaaaaaaa"


@pytest.fixture(scope="module")
def here(postgres):
    with world.served(postgres) as served:
        ada = served.ada = served.customer()
        for kind in KIND_NAME:
            balance = ada.balance(kind, description="Größe <&> \"q\"", fields={"ä": "b"})
            balance.segment("0" if kind == ACCOUNT else "5.25", served.day(-1), served.day(1)).entry(
                world.STORED[kind][0][1], "2")
        served.flush()
        yield served


@pytest.fixture(params=VERSIONS)
def ask(here, request):
    """Asks one thing after the other on one stream: ask(file_by_filename="…") is its answer."""
    conversation = Conversation(here.client, request.param)
    yield conversation.ask
    conversation.end()


class Conversation:
    def __init__(self, client, version):
        self.kind = harness.messages()[f"grpc.reflection.{version}.ServerReflectionRequest"]
        self.requests, self.waiting = [], threading.Semaphore(0)
        self.answers = client.converse(
            f"grpc.reflection.{version}.ServerReflection/ServerReflectionInfo", self._feed())

    def _feed(self):
        while True:
            self.waiting.acquire()
            request = self.requests.pop(0)
            if request is None:
                return
            yield request

    def ask(self, **fields):
        self._send(self.kind(**fields))
        return next(self.answers)

    def _send(self, request):
        self.requests.append(request)
        self.waiting.release()

    def end(self):
        """The half-close, which is answered with OK."""
        if self.answers.is_active():
            self._send(None)
            assert list(self.answers) == []
            assert self.answers.code() == grpc.StatusCode.OK


def files_of(answer):
    """The files of an answer, by name and in order."""
    assert answer.WhichOneof("message_response") == "file_descriptor_response", answer
    files = [descriptor_pb2.FileDescriptorProto.FromString(f)
             for f in answer.file_descriptor_response.file_descriptor_proto]
    return {f.name: f for f in files}


def assert_not_found(answer):
    assert answer.WhichOneof("message_response") == "error_response", answer
    assert answer.error_response.error_code == 5 and answer.error_response.error_message


# The protocol ----------------------------------------------------------------------------------------


def test_services_are_listed_in_order(ask):
    for what in ("*", "", "anything"):
        answer = ask(list_services=what)
        assert [s.name for s in answer.list_services_response.service] == SERVED


def test_request_comes_back_with_its_answer(ask):
    for fields in ({"list_services": "*"}, {"file_by_filename": "nothing"}, {"file_by_filename": BALANCES}):
        answer = ask(host="example.org", **fields)
        assert answer.valid_host == "example.org"
        assert answer.original_request.host == "example.org"
        assert answer.original_request.WhichOneof("message_request") in fields
        assert getattr(answer.original_request, *fields) == next(iter(fields.values()))


def test_file_comes_first_and_each_import_once(ask):
    files = files_of(ask(file_by_filename=BALANCES))
    assert next(iter(files)) == BALANCES and set(files) == BALANCES_IMPORTS
    # The file itself comes again, its imports do not.
    assert set(files_of(ask(file_by_filename=BALANCES))) == {BALANCES}
    assert set(files_of(ask(file_by_filename="google/protobuf/timestamp.proto"))) == {
        "google/protobuf/timestamp.proto"}
    details = files_of(ask(file_by_filename="google/rpc/error_details.proto"))
    assert next(iter(details)) == "google/rpc/error_details.proto"
    assert "google/protobuf/duration.proto" in details
    assert "google/protobuf/timestamp.proto" not in details


def test_other_stream_starts_over(here):
    for _ in range(2):
        one = Conversation(here.client, "v1")
        assert set(files_of(one.ask(file_by_filename=BALANCES))) == BALANCES_IMPORTS
        one.end()


@pytest.mark.parametrize("symbol, file", [
    ("balances.v1.BalanceService", BALANCES),
    ("balances.v1.BalanceService.ListBalances", BALANCES),
    ("balances.v1.Commit", BALANCES),
    ("balances.v1.Commit.custom_fields", BALANCES),
    ("balances.v1.Commit.CustomFieldsEntry", BALANCES),
    ("balances.v1.Balance.kind", BALANCES),
    ("balances.v1.ChildAccess.Type", BALANCES),
    ("balances.v1.ChildAccess.TYPE_ALL", BALANCES),
    ("balances.v1.BalanceType", BALANCES),
    ("balances.v1.BALANCE_TYPE_CREDIT", BALANCES),
    ("grpc.health.v1.Health", "grpc/health/v1/health.proto"),
    ("grpc.reflection.v1.ServerReflection", "grpc/reflection/v1/reflection.proto"),
    ("grpc.reflection.v1alpha.ServerReflection", "grpc/reflection/v1alpha/reflection.proto"),
    ("google.rpc.ErrorInfo", "google/rpc/error_details.proto"),
    ("google.rpc.BadRequest.FieldViolation", "google/rpc/error_details.proto"),
    ("google.rpc.Status", "google/rpc/status.proto"),
    ("google.protobuf.Timestamp", "google/protobuf/timestamp.proto"),
    ("google.protobuf.Any", "google/protobuf/any.proto")])
def test_symbol_is_found_in_its_file(ask, symbol, file):
    assert next(iter(files_of(ask(file_containing_symbol=symbol)))) == file


def test_files_are_whole(ask):
    """What reflection serves is what the .proto files say, imports of imports included."""
    for file in (BALANCES, "google/rpc/error_details.proto", "google/rpc/status.proto"):
        pool = descriptor_pool.DescriptorPool()
        for served in reversed(files_of(ask(file_by_filename=file)).values()):
            pool.Add(served)  # refuses a file that misses an import
        for name, own in pool.FindFileByName(file).message_types_by_name.items():
            other = harness.messages().pool.FindFileByName(file).message_types_by_name[name]
            assert [f.number for f in own.fields] == [f.number for f in other.fields]


def test_what_is_unknown_is_an_error_inside_an_open_stream(ask):
    for fields in ({"file_by_filename": "nothing.proto"}, {"file_by_filename": ""},
                   {"file_by_filename": "x" * 60000},
                   {"file_containing_symbol": "balances.v1.Nothing"}, {"file_containing_symbol": ""},
                   {"file_containing_symbol": ".balances.v1.Commit"}, {"file_containing_symbol": "balances.v1"},
                   {"all_extension_numbers_of_type": "balances.v1.Nothing"},
                   {"file_containing_extension": {"containing_type": "balances.v1.Commit",
                                                  "extension_number": 1}},
                   {"file_containing_extension": {}}):
        assert_not_found(ask(**fields))
    assert ask(list_services="*").list_services_response.service


def test_known_types_have_no_extensions(ask):
    for name in ("balances.v1.Commit", "google.rpc.ErrorInfo", "google.protobuf.Timestamp"):
        answer = ask(all_extension_numbers_of_type=name).all_extension_numbers_response
        assert answer.base_type_name == name and not answer.extension_number
    assert_not_found(ask(all_extension_numbers_of_type="balances.v1.BalanceService"))


@pytest.mark.parametrize("version", VERSIONS)
def test_request_for_nothing_ends_the_stream(here, version):
    for fields in ({}, {"host": "x"}):
        one = Conversation(here.client, version)
        with harness.fails("INVALID_ARGUMENT", "INVALID_REQUEST"):
            one.ask(**fields)
        one._send(None)


@pytest.mark.parametrize("version", VERSIONS)
def test_malformed_request_ends_the_stream(here, version):
    path = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    for payload in (b"\xff", b"\x1a\x01\xff", b"\x1a\x01\0", b"\x3a\x05x"):
        with harness.fails("INVALID_ARGUMENT", "INVALID_REQUEST"):
            next(here.client.channel.stream_stream(path)(iter([payload]), timeout=harness.PATIENCE_S))


@pytest.mark.parametrize("version", VERSIONS)
def test_many_questions_at_once_are_answered_in_order(here, version):
    kind = harness.messages()[f"grpc.reflection.{version}.ServerReflectionRequest"]
    asked = [kind(file_containing_symbol=f"nothing{n}") for n in range(300)]
    answers = here.client.converse(
        f"grpc.reflection.{version}.ServerReflection/ServerReflectionInfo", iter(asked))
    assert [a.original_request for a in answers] == asked


# The tools -------------------------------------------------------------------------------------------


@pytest.fixture
def tools(here, grpcurl):
    return grpcurl(here.server)


def answer_of(here, method, **fields):
    return json_format.MessageToDict(here.call(method, here.ada, **fields))


def test_grpcurl_lists_and_describes_everything(tools):
    assert tools.run(tools.address, "list").stdout.split() == SERVED
    methods = tools.run(tools.address, "list", "balances.v1.BalanceService").stdout.split()
    assert methods == sorted(f"balances.v1.BalanceService.{name}" for name in METHODS)
    for name in SERVED:
        service = harness.messages().services[name]
        shown = tools.run(tools.address, "describe", name)
        assert shown.code == 0
        for method in service.methods:
            assert f"rpc {method.name} (" in shown.stdout
            for message in (method.input_type, method.output_type):
                assert f"message {message.name}" in tools.run(
                    tools.address, "describe", message.full_name).stdout


def test_buf_lists_every_method(here, tools):
    shown = subprocess.run([harness.tool("buf"), "curl", "--http2-prior-knowledge", "--protocol", "grpc",
                            "--list-methods", f"http://{here.server.address}"], check=True, text=True,
                           stdout=subprocess.PIPE, timeout=harness.PATIENCE_S)
    listed = {line.strip() for line in shown.stdout.splitlines()}
    assert {f"balances.v1.BalanceService/{name}" for name in METHODS} <= listed


@pytest.mark.parametrize("method", METHODS)
def test_tools_call_every_method(here, tools, method):
    due = answer_of(here, method, **METHODS[method])
    request = {"customer_id": here.ada.id, **METHODS[method]}
    for call in (tools.call, tools.buf_curl):
        done = call(f"balances.v1.BalanceService/{method}", request)
        assert done.code == 0, done.stderr
        assert done.json() == due


@pytest.mark.parametrize("method", METHODS)
def test_grpcurl_shows_the_details_of_errors(here, tools, method):
    done = tools.call(f"balances.v1.BalanceService/{method}", {"customer_id": "x"}, "-format-error")
    assert done.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    for shown in ("google.rpc.ErrorInfo", "INVALID_REQUEST", "balances", "google.rpc.BadRequest", "customer_id",
                  "must be a UUID in lower-case canonical form"):
        assert shown in done.stderr, done.stderr
    done = tools.call(f"balances.v1.BalanceService/{method}", {"customer_id": UNKNOWN})
    assert done.code == grpc.StatusCode.NOT_FOUND.value[0]
    for shown in ("google.rpc.ResourceInfo", "customer", UNKNOWN):
        assert shown in done.stderr, done.stderr
    assert "@value" not in done.stderr  # what grpcurl shows of a detail that it cannot decode


def test_buf_shows_errors(tools):
    done = tools.buf_curl("balances.v1.BalanceService/GetNetBalance", {"customer_id": "x"})
    assert done.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert "google.rpc.BadRequest" in done.stdout + done.stderr


def test_tools_ask_for_the_health(tools):
    for call in (tools.call, tools.buf_curl):
        assert call("grpc.health.v1.Health/Check", {"service": "readiness"}).json() == {"status": "SERVING"}
        assert call("grpc.health.v1.Health/List").json()["statuses"][""] == {"status": "SERVING"}


def test_grpcurl_sees_unknown_methods(tools):
    assert tools.call("balances.v1.BalanceService/Nothing").code != 0
    assert tools.call("balances.v1.Nothing/ListBalances").code != 0
