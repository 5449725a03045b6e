"""TLS: real clients of it, certificates that are replaced under load, clients that must show one, and the pairs that
are refused.
"""

import socket
import ssl
import subprocess
import threading

import grpc
import pytest

import harness

NOBODY = "aaaaaaaa-0000-4000-8000-aaaaaaaaaaaa"


class Authority:
    """A CA in a directory, and what it has signed there: sign("server") makes server.pem and server.key."""

    def __init__(self, home, name="Tests"):
        self.home, self.name = home, name
        home.mkdir(exist_ok=True)
        self.path = home / "ca.pem"
        self._openssl("req", "-x509", *self._key("ca.key"), "-out", self.path, "-subj", f"/CN={name}", "-days", 2)

    def sign(self, name, key=("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")):
        self._openssl("req", *self._key(f"{name}.key", key), "-out", "request.pem", "-subj", f"/CN={name}")
        (self.home / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        self._openssl("x509", "-req", "-in", "request.pem", "-CA", self.path, "-CAkey", "ca.key", "-CAcreateserial",
                      "-out", f"{name}.pem", "-days", 2, "-extfile", "names")
        return self.home / f"{name}.pem", self.home / f"{name}.key"

    @staticmethod
    def _key(path, key=("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")):
        return ("-newkey", *key, "-nodes", "-keyout", path)

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=self.home)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = Authority(tmp_path_factory.mktemp("ca"))
    made.server = made.sign("server")
    return made


@pytest.fixture
def start(server):
    """Starts a server whose health this client of it, and `balanced healthcheck`, can ask for."""

    def starting(cert, key, **settings):
        one = server(ready=False, tls_cert=cert, tls_key=key, **settings)
        one.tls = {"tls_cert": cert, "tls_key": key}
        harness.wait_until(lambda: healthcheck(one).returncode == 0, "the server to be healthy")
        return one

    return starting


def healthcheck(one):
    return harness.balanced("healthcheck", check=False, listen=one.address, **one.tls)


def client(one, authority, certificate=None, key=None, **options):
    made = one.client()
    made.channel.close()
    credentials = grpc.ssl_channel_credentials(authority.path.read_bytes(), key and key.read_bytes(),
                                               certificate and certificate.read_bytes())
    options = {"grpc.use_local_subchannel_pool": 1, "grpc.enable_retries": 0, "grpc.enable_http_proxy": 0, **options}
    made.channel = grpc.secure_channel(one.address, credentials, list(options.items()))
    one._channels.append(made.channel)  # pylint: disable=protected-access
    return made


def answers(made, timeout_s=harness.PATIENCE_S):
    with harness.fails("NOT_FOUND"):
        made.call("GetNetBalance", customer_id=NOBODY, timeout_s=timeout_s)


def shown(one):
    """The certificate that a new connection gets."""
    return ssl.get_server_certificate(("127.0.0.1", one.port))


def test_clients_of_every_kind_reach_it(start, authority, grpcurl):
    one = start(*authority.server)
    answers(client(one, authority))
    curl = grpcurl(one)
    done = curl._run(harness.tool("grpcurl"), "-cacert", authority.path, "-d", f'{{"customer_id": "{NOBODY}"}}',
                     one.address, "balances.v1.BalanceService/GetNetBalance")
    assert done.returncode == 64 + 5, done.stderr
    for options, code in ((["--ca", authority.path], 64 + 5), ([], 64 + 14)):
        done = subprocess.run([harness.BUILD / "client/balancectl", "net", "--customer", NOBODY, "--address",
                               one.address, *options], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code, done.stderr


def test_plaintext_and_strangers_are_not_answered(start, authority, tmp_path):
    one = start(*authority.server)
    assert one.health() == "UNAVAILABLE"
    with harness.fails("UNAVAILABLE"):
        client(one, Authority(tmp_path / "other")).call("GetNetBalance", customer_id=NOBODY)


@pytest.mark.filterwarnings("ignore:.*TLSv1_1 is deprecated")
@pytest.mark.parametrize("version, spoken", [
    (ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)])
def test_tls_is_1_2_at_least(start, authority, version, spoken):
    one = start(*authority.server)
    context = ssl.create_default_context(cafile=authority.path)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.set_alpn_protocols(["h2"])
    context.minimum_version = context.maximum_version = version
    try:
        with socket.create_connection(("127.0.0.1", one.port)) as raw, context.wrap_socket(
                raw, server_hostname="localhost") as wrapped:
            assert wrapped.version() and spoken
    except ssl.SSLError:
        assert not spoken


def test_client_must_show_a_certificate_of_the_ca(start, authority, tmp_path):
    clients, others = Authority(tmp_path / "clients"), Authority(tmp_path / "others")
    one = start(*clients.sign("server"), tls_client_ca=clients.path)
    answers(client(one, clients, *clients.sign("client")))
    for wrong in ((), others.sign("client"), authority.sign("client")):
        with harness.fails("UNAVAILABLE"):
            client(one, clients, *wrong).call("GetNetBalance", customer_id=NOBODY)
    assert f"may call: who has a certificate of a CA in {clients.path}" in one.log
    certificate, key = clients.sign("ctl")
    done = subprocess.run(
        [harness.BUILD / "client/balancectl", "net", "--customer", NOBODY, "--address", one.address, "--ca",
         clients.path, "--cert", certificate, "--key", key], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 64 + 5, done.stderr


def test_certificate_is_replaced_under_load_and_no_call_fails(start, authority, tmp_path):
    pair = tmp_path / "cert.pem", tmp_path / "key.pem"

    def replace(name):
        for source, target in zip(authority.sign(name), pair):
            target.write_bytes(source.read_bytes())
            target.chmod(0o600)
        return pair[0].read_text().strip()

    replace("first")
    one = start(*pair, workers=2)
    lasting, over, wrong = client(one, authority), threading.Event(), []

    def load(again):
        while not over.is_set():
            made = client(one, authority) if again else lasting
            try:
                answers(made)
            except AssertionError as failure:
                wrong.append(failure)
            if again:
                made.close()

    threads = [threading.Thread(target=load, args=[again]) for again in (True, True, False)]
    for thread in threads:
        thread.start()
    try:
        for name in ("second", "third", "fourth"):
            now = replace(name)
            harness.wait_until(lambda now=now: shown(one).strip() == now, "the new certificate")
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not wrong
    assert one.log.count("new connections get the certificate") == 3


def test_bad_pair_is_logged_and_the_old_one_stays(start, authority, tmp_path):
    pair = tmp_path / "cert.pem", tmp_path / "key.pem"
    for source, target in zip(authority.server, pair):
        target.write_bytes(source.read_bytes())
    one = start(*pair)
    before = shown(one)
    pair[1].write_bytes(authority.sign("else")[1].read_bytes())
    harness.wait_until(lambda: "it is not the key of the certificate: the certificate and key from before" in one.log,
                       "the complaint")
    pair[0].unlink()
    harness.wait_until(lambda: one.log.count("from before stay in force") == 2, "the second complaint")
    assert shown(one) == before
    answers(client(one, authority))
    for source, target in zip(authority.sign("good"), pair):
        target.write_bytes(source.read_bytes())
    harness.wait_until(lambda: shown(one).strip() == pair[0].read_text().strip(), "the good pair")


def test_bad_pair_stops_the_start(database, authority, tmp_path):
    cert, key = authority.server
    encrypted, garbage, half = tmp_path / "encrypted", tmp_path / "garbage", tmp_path / "half"
    subprocess.run(["openssl", "pkey", "-in", key, "-aes128", "-passout", "pass:x", "-out", encrypted], check=True)
    garbage.write_text("nonsense\n")
    half.write_text(cert.read_text() + cert.read_text()[:200])
    weak = authority.sign("weak", ("rsa:1024",))
    for settings, said in (
            ({"tls_cert": cert}, "BALANCED_TLS_CERT and BALANCED_TLS_KEY go together"),
            ({"tls_client_ca": cert}, "BALANCED_TLS_CLIENT_CA needs both"),
            ({"tls_cert": cert, "tls_key": tmp_path / "none"}, "none cannot be read: No such file"),
            ({"tls_cert": garbage, "tls_key": key}, "garbage: certificate 1 in it is not one in PEM"),
            ({"tls_cert": half, "tls_key": key}, "half: certificate 2 in it is not one in PEM"),
            ({"tls_cert": cert, "tls_key": garbage}, "garbage: it is not a private key in PEM"),
            ({"tls_cert": cert, "tls_key": encrypted}, "encrypted: it is not a private key in PEM, without a password"),
            ({"tls_cert": cert, "tls_key": authority.sign("another")[1]}, "it is not the key of the certificate"),
            ({"tls_cert": weak[0], "tls_key": weak[1]}, "the key is too short"),
            ({"tls_cert": cert, "tls_key": key, "tls_client_ca": garbage}, "garbage: certificate 1 in it is not one")):
        done = harness.balanced("serve", check=False, database_url=database,
                                listen=f"127.0.0.1:{harness.free_port()}", **settings)
        last = done.stderr.splitlines()[-1]
        assert done.returncode != 0 and last.startswith("balanced: ") and said in last, done.stderr


def test_balancectl_says_what_is_wrong_with_its_files(authority):
    def run(*options):
        return subprocess.run([harness.BUILD / "client/balancectl", "net", "--customer", NOBODY, *map(str, options)],
                              capture_output=True, text=True, timeout=60, check=False)

    assert run("--ca", "/nonexistent").returncode == 1
    assert "--ca: /nonexistent cannot be read: No such file" in run("--ca", "/nonexistent").stderr
    for options in (["--cert", authority.path], ["--ca", authority.path, "--key", authority.path]):
        assert run(*options).returncode == 2 and "--cert and --key go together" in run(*options).stderr
