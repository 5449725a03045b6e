"""What a system test stands on: a PostgreSQL and a Redis of its own, the real server, and clients for it.

    Postgres   a private cluster that a test may stop, kill, pause and restart as it likes
    Redis      the same of a Redis
    Server     the real `balanced serve` on a free port; its end is checked: exit 0, no sanitizer report
    Client     calls any method by its name, with messages built from the project's .proto files
    Grpcurl    the command-line client that people debug with
    balanced   runs one of the binary's other commands to its end

Everything listens on a loopback port or a Unix socket of its own, keeps its files in a temporary
directory, and dies with the test process even where that is killed. Nothing here is a fixture:
conftest.py makes the fixtures from these parts.

BALANCED_BUILD names the build directory (default build/asan), BALANCED_PG_BIN and BALANCED_TOOLS
the directories of the PostgreSQL programs and of grpcurl and buf, where the usual places will not do.
"""

import contextlib
import fcntl
import http.client
import itertools
import json
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

# An idle channel looks at its connection only so often, 5 s by default, and a server that stops waits
# until its clients have seen it.
os.environ.setdefault("GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS", "100")

import grpc
import psycopg2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

import resp

SOURCE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BALANCED_BUILD", SOURCE / "build/asan")).resolve()
TOOLS = Path(os.environ.get("BALANCED_TOOLS")
             or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "balanced/tools")
TEMPORARY = Path(tempfile.gettempdir())

# How long anything may take to start or to end before the test fails. Generous: it is a bound on
# hanging, for a busy machine with sanitizers, and says nothing about speed.
PATIENCE_S = 60

SANITIZER_REPORT = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error: ")


def wait_until(condition, what, timeout_s=PATIENCE_S):
    """Polls condition() until it is true and returns its value. Fails when it never is."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"gave up after {timeout_s} s waiting for {what}")
        time.sleep(0.02)


def free_port():
    """A loopback port nobody listens on, from below the range that outgoing connections take theirs from."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def dying_with_us(death_signal, user=None):
    """The prefix of a command that gets death_signal when this process dies, and that runs as user.

    A user's process keeps one capability of root's: to pass directories such as a private /root on
    the way to its program and its files. access(2) disregards it without the secure bit.
    """
    prefix = ["setpriv", f"--pdeathsig={death_signal}"]
    if user:
        prefix += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
                   "--securebits=+no_setuid_fixup",
                   "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return prefix + ["--"]


# ---------------------------------------------------------------------------------------------
# PostgreSQL


def postgres_bin():
    """The directory of the newest PostgreSQL programs: installed ones, or those that ./dev unpacked."""
    if os.environ.get("BALANCED_PG_BIN"):
        return Path(os.environ["BALANCED_PG_BIN"])
    for root in (Path("/"), SOURCE / ".dev/dist"):
        found = [p for p in root.glob("usr/lib/postgresql/*/bin") if (p / "postgres").exists()]
        if found:
            return max(found, key=lambda p: int(p.parent.name))
    raise AssertionError("no PostgreSQL server programs found: run ./dev test, which gets them")


def postgres_user():
    """Whom PostgreSQL runs as: it refuses root, so root's runs as nobody. None: whoever we are."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def children_of(pid):
    """The direct children of a process."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def state_of(pid):
    """The state of a process as one letter of proc(5): R, S, T, Z …"""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def is_alive(pid):
    """Whether there is such a process, one that nobody has asked about its end left aside."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return state_of(pid) not in "ZX"
    return False


class Postgres:
    """One private cluster. Made stopped; start() it. `settings` are any of postgresql.conf's."""

    def __init__(self, **settings):
        self.bin = postgres_bin()
        self.user = postgres_user()
        self.home = Path(tempfile.mkdtemp(prefix="balanced-pg-"))
        self.data = self.home / "data"
        self.log_path = self.home / "log"
        self.settings = settings
        self.process = None
        self._names = itertools.count(1)
        subprocess.run(["cp", "-a", self._template(), self.data], check=True)
        if self.user:
            os.chown(self.home, self.user.pw_uid, self.user.pw_gid)
        self.url = self.url_of("postgres")

    def _template(self):
        """An initialized data directory to copy, made once for each version and user."""
        version = self.bin.parent.name
        keep = TEMPORARY / f"balanced-pg-template-{version}-{os.getuid()}"
        keep.mkdir(mode=0o700, exist_ok=True)
        if keep.stat().st_uid != os.getuid():
            raise AssertionError(f"{keep} belongs to someone else")
        with open(keep / "lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (keep / "data/PG_VERSION").exists():
                self._initialize(keep)
        return keep / "data"

    def _initialize(self, keep):
        fresh = Path(tempfile.mkdtemp(dir=keep))
        if self.user:
            os.chown(fresh, self.user.pw_uid, self.user.pw_gid)
        subprocess.run(
            dying_with_us("KILL", self.user)
            + [self.bin / "initdb", "-D", fresh, "-U", "balanced", "-A", "trust", "-E", "UTF8",
               "--locale=C.UTF-8", "--no-sync", "--no-instructions"],
            check=True, stdout=subprocess.DEVNULL, cwd="/")
        shutil.rmtree(keep / "data", ignore_errors=True)
        fresh.rename(keep / "data")

    def standby(self):
        """Another cluster, made stopped, that follows this one, which runs, until it is told to promote itself."""
        made = type(self)(**self.settings)
        shutil.rmtree(made.data)
        subprocess.run(
            dying_with_us("KILL", self.user)
            + [self.bin / "pg_basebackup", "-D", made.data, "-d", f"host={self.home} user=balanced",
               "--write-recovery-conf", "--checkpoint=fast", "--no-sync"],
            check=True, stdout=subprocess.DEVNULL, cwd="/")
        return made

    def url_of(self, database):
        return f"postgresql:///{database}?host={self.home}&user=balanced"

    def connect(self, url=None, **options):
        """A psycopg2 connection to `url`, or to this cluster's first database."""
        return psycopg2.connect(url or self.url, **options)

    def new_database(self, template="template0"):
        """The URL of a new database: empty, or a copy of `template`, which nobody may be using."""
        name = f"test_{next(self._names)}"
        connection = self.connect(self.url_of("template1"))
        connection.autocommit = True
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url_of(name)

    def start(self, wait=True, **settings):
        """Starts the server, with these settings besides the lasting ones, and waits until it answers."""
        assert not self.process, "PostgreSQL runs already"
        chosen = {
            "listen_addresses": "", "unix_socket_directories": self.home,
            "unix_socket_permissions": "0777", "fsync": "off", "full_page_writes": "off",
            "shared_buffers": "32MB", "max_connections": 60, "jit": "off", "timezone": "UTC",
            "log_timezone": "UTC", "log_line_prefix": "%m [%p] %a: ", **self.settings, **settings}
        options = [f"-c{name}={value}" for name, value in chosen.items()]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                dying_with_us("QUIT", self.user) + [self.bin / "postgres", "-D", self.data, *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True)
        if wait:
            wait_until(self.answers, "PostgreSQL to accept connections")

    def answers(self):
        """Whether a connection can be made right now."""
        if self.process.poll() is not None:
            raise AssertionError(f"PostgreSQL ended at once:\n{self.log[-2000:]}")
        try:
            self.connect(self.url_of("postgres"), connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True

    def stop(self, mode="fast"):
        """Shuts the server down: "smart", "fast" or "immediate", as pg_ctl calls them. May be repeated."""
        if not self.process:
            return
        kind = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode]
        self.resume()
        self.process.send_signal(kind)
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self.process = None

    def kill(self):
        """Ends every process of the cluster at once, as a machine's crash would. start() recovers it."""
        os.kill(self.process.pid, signal.SIGSTOP)  # so that no child is missed
        pids = self._pids()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None
        wait_until(lambda: not any(is_alive(pid) for pid in pids), "PostgreSQL's processes to be gone")

    def restart(self, **settings):
        self.stop()
        self.start(**settings)

    def pause(self):
        """Freezes the whole cluster: connections stay open and nothing answers."""
        os.kill(self.process.pid, signal.SIGSTOP)  # the parent first, so that no child is missed
        for pid in self._pids():
            os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: {state_of(pid) for pid in self._pids()} <= {"T", "Z"}, "PostgreSQL to freeze")

    def resume(self):
        for pid in reversed(self._pids()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def _pids(self):
        return [self.process.pid, *children_of(self.process.pid)]

    @property
    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def remove(self):
        """Stops the cluster and deletes its files."""
        self.stop("immediate")
        shutil.rmtree(self.home, ignore_errors=True)


def migrated(postgres):
    """The URL of a new database with the schema in it. The schema is migrated once and then copied."""
    if not hasattr(postgres, "schema_template"):
        template = postgres.new_database()
        balanced("migrate", database_url=template)
        postgres.schema_template = re.search(r"/(test_\d+)\?", template).group(1)
    return postgres.new_database(postgres.schema_template)


# ---------------------------------------------------------------------------------------------
# Redis


def redis_program():
    """Redis's server. Debian's redis-tools has it under another name: it goes by the name that it is called by."""
    found = shutil.which("redis-server") or shutil.which("redis-check-rdb")
    assert found, "no Redis found: run ./dev test, which gets it"
    return found


class Redis:
    """One private Redis on a Unix socket. Made stopped; start() it. `settings` are any of redis.conf's, with "_"
    for "-": Redis(maxmemory="2mb", maxmemory_policy="allkeys-lru").

    tcp=True: a loopback port as well. tls=True: one that speaks TLS, with a certificate of the CA in `ca_path`.
    """

    def __init__(self, password=None, tcp=False, tls=False, **settings):
        self.home = Path(tempfile.mkdtemp(prefix="balanced-redis-"))
        self.socket = self.home / "socket"
        self.log_path = self.home / "log"
        self.password = password
        self.port = free_port() if tcp else 0
        self.tls_port = free_port() if tls else 0
        self.ca_path = self.home / "ca.pem"
        self.process = None
        self.settings = {"port": self.port, "bind": "127.0.0.1", "unixsocket": self.socket, "dir": self.home,
                         "save": "", "appendonly": "no", **settings}
        if password:
            self.settings["requirepass"] = password
        if tls:
            self._make_certificates()
            self.settings.update(tls_port=self.tls_port, tls_auth_clients="no", tls_ca_cert_file=self.ca_path,
                                 tls_cert_file=self.home / "cert.pem", tls_key_file=self.home / "key.pem")
        (self.home / "redis-server").symlink_to(redis_program())

    def _make_certificates(self):
        """A CA of our own, and its certificate for this machine."""

        def openssl(*arguments):
            subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=self.home)

        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", self.ca_path, "-subj", "/CN=Tests", "-days", 2)
        openssl("req", *key, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=localhost")
        (self.home / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", "request.pem", "-CA", self.ca_path, "-CAkey", "ca.key", "-CAcreateserial",
                "-out", "cert.pem", "-days", 2, "-extfile", "names")

    @property
    def url(self):
        """By its socket, as the server takes it."""
        return f"unix://{self._credentials}{self.socket}"

    @property
    def tcp_url(self):
        return f"redis://{self._credentials}127.0.0.1:{self.port}"

    @property
    def tls_url(self):
        return f"rediss://{self._credentials}127.0.0.1:{self.tls_port}"

    @property
    def _credentials(self):
        return f":{self.password}@" if self.password else ""

    def start(self, wait=True):
        """Starts it, with what the last stop(keep=True) kept, and waits until it answers."""
        assert not self.process, "Redis runs already"
        options = [word for name, value in self.settings.items() for word in (f"--{name.replace('_', '-')}", value)]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                dying_with_us("KILL") + [self.home / "redis-server", *map(str, options)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.home)
        if wait:
            wait_until(self.answers, "Redis to answer")

    def answers(self):
        """Whether it answers right now."""
        if self.process.poll() is not None:
            raise AssertionError(f"Redis ended at once:\n{self.log}")
        try:
            return self.cli("PING") == "PONG"
        except (OSError, resp.Error):
            return False

    def cli(self, *arguments, timeout_s=PATIENCE_S):
        """The answer to one command, as redis-cli would ask for it: text for a status, bytes or None for a bulk,
        an int or a list. Raises resp.Error, and OSError where Redis cannot be reached."""
        sent = resp.command(*arguments)
        if self.password:
            sent = resp.command("AUTH", self.password) + sent
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(timeout_s)
            link.connect(str(self.socket))
            link.sendall(sent)
            data = b""
            for last in [False, True] if self.password else [True]:
                while not (end := resp.end_of(data)):
                    more = link.recv(1 << 16)
                    if not more:
                        raise ConnectionResetError("Redis closed the connection")
                    data += more
                answer, data = resp.value_of(data[:end]), data[end:]
                if isinstance(answer, resp.Error):
                    raise answer
                if last:
                    return answer

    def info(self, section):
        """A section of INFO, as a dictionary of texts."""
        lines = self.cli("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def keys(self, pattern="*"):
        return sorted(self.cli("KEYS", pattern))

    def stop(self, keep=False):
        """The clean end. Its data is gone, but with `keep`, where the next start() finds it. May be repeated."""
        if not self.process:
            return
        self.resume()
        if keep:
            self.cli("SAVE")
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self.process = None
        if not keep:
            (self.home / "dump.rdb").unlink(missing_ok=True)

    def kill(self):
        """The end as by a crash: what was not kept by stop(keep=True) is gone."""
        self.process.kill()
        self.process.wait()
        self.process = None
        self.socket.unlink(missing_ok=True)

    def restart(self, keep=False):
        """Restarts it: empty, or with its data."""
        self.stop(keep)
        self.start()

    def pause(self):
        """Freezes it: connections stay open, new ones are taken by the kernel, and nothing answers."""
        self.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: state_of(self.process.pid) == "T", "Redis to freeze")

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    @property
    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def remove(self):
        """Ends it and deletes its files."""
        if self.process:
            self.kill()
        shutil.rmtree(self.home, ignore_errors=True)


# ---------------------------------------------------------------------------------------------
# The server


def clean_environment(**settings):
    """Our environment without any BALANCED_* of it, with sanitizers that say what they find, and with
    `settings`; a name in lower case is short for BALANCED_<NAME>. None leaves a name out."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("BALANCED_", "PG"))}
    environment.setdefault("ASAN_OPTIONS", "detect_stack_use_after_return=1")
    environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    environment.setdefault("TSAN_OPTIONS", "ignore_noninstrumented_modules=1")
    for name, value in settings.items():
        key = f"BALANCED_{name.upper()}" if name.islower() else name
        environment.pop(key, None)
        if value is not None:
            environment[key] = str(value)
    return environment


def balanced(*arguments, check=True, timeout_s=PATIENCE_S, **settings):
    """Runs `balanced <arguments>` to its end; settings as for Server. Returns its code, stdout and stderr."""
    done = subprocess.run(
        dying_with_us("KILL") + [BUILD / "server/balanced", *arguments], capture_output=True,
        text=True, timeout=timeout_s, env=clean_environment(**{"http_listen": "", **settings}), check=False)
    assert not SANITIZER_REPORT.search(done.stderr), done.stderr
    if check:
        assert done.returncode == 0, f"balanced {arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def get(address, path, method="GET", body=None):
    """The status, the headers and the body of an HTTP answer over a connection of its own."""
    connection = http.client.HTTPConnection(address, timeout=PATIENCE_S)
    try:
        connection.request(method, path, body=body)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    except http.client.HTTPException as error:
        raise OSError(f"no whole answer: {error!r}") from None
    finally:
        connection.close()


class MovedClock:
    """The time of day of servers, which moves when a test says so: Server(database_url=…, **clock.settings)."""

    def __init__(self):
        with tempfile.NamedTemporaryFile(prefix="balanced-clock-", delete=False) as file:
            file.write(bytes(8))
        self.path = Path(file.name)
        self.settings = {
            "LD_PRELOAD": BUILD / "tests/system/libmoved_clock.so", "MOVED_CLOCK": self.path,
            # The runtime would rather be first itself.
            "ASAN_OPTIONS": "detect_stack_use_after_return=1:verify_asan_link_order=0"}

    def set(self, moved_us):
        """Moves it to so many microseconds after the real time."""
        with open(self.path, "r+b") as file:
            file.write(moved_us.to_bytes(8, sys.byteorder, signed=True))

    def close(self):
        self.path.unlink()


class Server:
    """A running `balanced serve`. Settings are keywords: Server(database_url=…, workers=2).

    ready=True waits until it serves requests; "live" until it answers at all, for a test whose
    database is not there; False does not wait.
    """

    def __init__(self, *arguments, ready=True, **settings):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.http_address = f"127.0.0.1:{free_port()}"
        self.log_path = Path(tempfile.mkstemp(prefix="balanced-log-")[1])
        self._channels = []
        self._arguments = arguments
        self._settings = {"listen": self.address, "http_listen": self.http_address, **settings}
        self.start(ready)

    def start(self, ready=True):
        """Starts it, as it was made; a test that ended it may start it again, at the same address."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                dying_with_us("KILL") + [BUILD / "server/balanced", "serve", *self._arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean_environment(**self._settings))
        try:
            if ready:
                self.wait_serving("liveness" if ready == "live" else "readiness")
        except BaseException:
            self.kill()
            raise

    @property
    def pid(self):
        return self.process.pid

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    @property
    def resident_kib(self):
        """Memory in use by the server, in KiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))

    @property
    def open_files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def client(self, **options):
        """A Client with a connection of its own, closed with the server."""
        client = Client(self.address, **options)
        self._channels.append(client.channel)
        return client

    def health(self, service=""):
        """What grpc.health.v1 says of a service: its name of the state, or the code of the error."""
        client = Client(self.address)
        try:
            answer = client.call("grpc.health.v1.Health/Check", service=service, timeout_s=5)
        except grpc.RpcError as error:
            return error.code().name
        finally:
            client.close()
        return answer.DESCRIPTOR.fields_by_name["status"].enum_type.values_by_number[answer.status].name

    def wait_serving(self, service="readiness", timeout_s=PATIENCE_S):
        def serving():
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log}")
            return self.health(service) == "SERVING"

        try:
            wait_until(serving, f"{service} of the server", timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log}") from None

    def pause(self):
        """Freezes it: it holds whatever it holds, and does nothing."""
        self.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: state_of(self.pid) == "T", "the server to freeze")

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def terminate(self):
        """Asks for the clean stop, as Kubernetes does, and returns at once."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self, timeout_s=PATIENCE_S):
        """Waits for the server's end, checks its log for sanitizer reports and returns the exit code."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not end within {timeout_s} s:\n{self.log}") from None
        self._close_channels()
        assert not SANITIZER_REPORT.search(self.log), self.log
        return code

    def stop(self):
        """The clean stop, to its end: exit code 0 and no sanitizer report. May be repeated."""
        if self.process.poll() is None:
            self.terminate()
        code = self.wait()
        assert code == 0, f"the server ended with {code}:\n{self.log}"

    def kill(self):
        """The unclean end: nothing is checked."""
        self.process.kill()
        self.process.wait()
        self._close_channels()

    def _close_channels(self):
        while self._channels:
            self._channels.pop().close()


# ---------------------------------------------------------------------------------------------
# Clients


class Messages:
    """The message classes of the project's .proto files, in a descriptor pool of their own.

    messages.ListBalancesRequest(…) for those of balances.v1, messages["full.name"] for any.
    """

    def __init__(self):
        proto = SOURCE / "proto"
        files = [str(p.relative_to(proto)) for p in sorted(proto.rglob("*.proto"))]
        with tempfile.NamedTemporaryFile() as out:
            subprocess.run(["protoc", f"-I{proto}", "-I/usr/include", "--include_imports",
                            f"--descriptor_set_out={out.name}", *files], check=True)
            described = descriptor_pb2.FileDescriptorSet.FromString(Path(out.name).read_bytes())
        self.pool = descriptor_pool.DescriptorPool()
        for file in described.file:
            self.pool.Add(file)
        self._factory = message_factory.MessageFactory(self.pool)
        self.services = {
            f"{file.package}.{service.name}": self.pool.FindServiceByName(f"{file.package}.{service.name}")
            for file in described.file for service in file.service}

    def __getitem__(self, full_name):
        return self._factory.GetPrototype(self.pool.FindMessageTypeByName(full_name))

    def __getattr__(self, name):
        try:
            return self[f"balances.v1.{name}"]
        except KeyError:
            raise AttributeError(name) from None

    def method(self, name):
        """The descriptor of "ListBalances" or of "package.Service/Method"."""
        service, _, method = name.strip("/").rpartition("/")
        for full_name, candidate in self.services.items():
            if service in ("", full_name) and method in candidate.methods_by_name:
                if service or full_name.startswith("balances."):
                    return candidate.methods_by_name[method]
        raise KeyError(name)


_messages = None


def messages():
    """The one Messages of this process."""
    global _messages
    _messages = _messages or Messages()
    return _messages


class Client:
    """Calls over one plaintext connection. A method is "ListBalances" or "package.Service/Method"."""

    def __init__(self, address, **options):
        options = {"grpc.use_local_subchannel_pool": 1, "grpc.enable_retries": 0,
                   "grpc.enable_http_proxy": 0, **options}
        self.channel = grpc.insecure_channel(address, list(options.items()))

    def call(self, method, request=None, *, timeout_s=PATIENCE_S, metadata=(), **fields):
        """The answer to a unary call, given a message or its fields. Raises grpc.RpcError."""
        return self.call_with_metadata(
            method, request, timeout_s=timeout_s, metadata=metadata, **fields)[0]

    def call_with_metadata(self, method, request=None, *, timeout_s=PATIENCE_S, metadata=(), **fields):
        """The answer, and the call with its metadata: .initial_metadata(), .trailing_metadata()."""
        stub, request = self._prepare("unary_unary", method, request, fields)
        return stub.with_call(request, timeout=timeout_s, metadata=metadata)

    def future(self, method, request=None, *, timeout_s=PATIENCE_S, metadata=(), **fields):
        """The call under way: .result(), .cancel(), .code()."""
        stub, request = self._prepare("unary_unary", method, request, fields)
        return stub.future(request, timeout=timeout_s, metadata=metadata)

    def stream(self, method, request=None, *, timeout_s=PATIENCE_S, metadata=(), **fields):
        """The iterator of a server-streaming call; it has .cancel()."""
        stub, request = self._prepare("unary_stream", method, request, fields)
        return stub(request, timeout=timeout_s, metadata=metadata)

    def converse(self, method, requests, *, timeout_s=PATIENCE_S, metadata=()):
        """The iterator of a bidirectional call, given an iterator of messages."""
        stub, _ = self._prepare("stream_stream", method, None, {})
        return stub(requests, timeout=timeout_s, metadata=metadata)

    def raw(self, path, payload, *, timeout_s=PATIENCE_S, metadata=()):
        """The bytes answered to these bytes: for requests that no client library would send."""
        return self.channel.unary_unary(path)(payload, timeout=timeout_s, metadata=metadata)

    def close(self):
        self.channel.close()

    def _prepare(self, kind, name, request, fields):
        method = messages().method(name)
        request_class = messages()[method.input_type.full_name]
        stub = getattr(self.channel, kind)(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=messages()[method.output_type.full_name].FromString)
        return stub, request if request is not None else request_class(**fields)


def error_of(error):
    """A grpc.RpcError taken apart: .code ("NOT_FOUND"), .message, and .details, a dictionary from the
    name of each google.rpc detail ("ErrorInfo") to its message."""
    details = {}
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status = messages()["google.rpc.Status"].FromString(value)
            assert status.code == error.code().value[0] and status.message == error.details()
            for packed in status.details:
                full_name = packed.type_url.rpartition("/")[2]
                details[full_name.rpartition(".")[2]] = messages()[full_name].FromString(packed.value)
    return SimpleNamespace(code=error.code().name, message=error.details(), details=details)


@contextlib.contextmanager
def fails(code, reason=None):
    """Asserts that the block fails with this code, and with this reason in its ErrorInfo if given. Yields an
    object that afterwards has what error_of() returns."""
    caught = SimpleNamespace()
    try:
        yield caught
    except grpc.RpcError as error:
        vars(caught).update(vars(error_of(error)))
    else:
        raise AssertionError(f"succeeded where {code} was due")
    assert caught.code == code, f"{caught.code}: {caught.message}"
    if reason:
        assert caught.details["ErrorInfo"].reason == reason, caught.details


def tool(name):
    """The path of grpcurl or buf, or None where there is none."""
    found = sorted(TOOLS.glob(f"{name}-*/{name}"))
    return str(found[-1]) if found else shutil.which(name)


class Grpcurl:
    """Runs grpcurl, or `buf curl`, against a server. The result has .code (0, or the gRPC code), .stdout,
    .stderr and .json()."""

    def __init__(self, address):
        self.address = address

    def call(self, method, request=None, *options):
        """Calls "balances.v1.Service/Method" with a dictionary, or with text as it is."""
        body = request if isinstance(request, str) else json.dumps(request or {})
        return self.run("-d", body, *options, self.address, method)

    def run(self, *arguments):
        done = self._run(tool("grpcurl"), "-plaintext", "-max-time", PATIENCE_S, *arguments)
        done.code = done.returncode - 64 if done.returncode > 64 else done.returncode
        return done

    def buf_curl(self, method, request=None, *options):
        """The same call by `buf curl`, which keeps the code in the upper bits of its exit status."""
        done = self._run(tool("buf"), "curl", "--http2-prior-knowledge", "--protocol", "grpc", *options,
                         "-d", json.dumps(request or {}), f"http://{self.address}/{method}")
        done.code = done.returncode >> 3 if done.returncode >= 8 else done.returncode
        return done

    @staticmethod
    def _run(program, *arguments):
        # Not our process's proxies and settings: the call is to ourselves.
        environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True,
                              timeout=2 * PATIENCE_S, check=False, env=environment)
        done.json = lambda: json.loads(done.stdout)
        return done
