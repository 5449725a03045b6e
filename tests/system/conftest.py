"""The fixtures of the system tests: harness.py's parts, made on demand and ended with a check.

    postgres   one running cluster for each test file; a test that breaks it mends it
    database   the URL of a database with the schema, new for each test
    redis      a running, empty Redis for each test, which may break it
    proxy      starts proxies between servers and that Redis: server(redis_url=proxy().url)
    server     starts servers for one test: server(), or server(database_url=…, workers=2)
    grpcurl    Grpcurl for a server: grpcurl(server)
"""

import pytest

import harness
from redis_proxy import RedisProxy


@pytest.fixture(scope="module")
def postgres():
    cluster = harness.Postgres()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture
def database(postgres):
    return harness.migrated(postgres)


@pytest.fixture
def redis():
    one = harness.Redis()
    try:
        one.start()
        yield one
    finally:
        one.remove()


@pytest.fixture
def proxy(redis):
    made = []

    def start(to=redis):
        made.append(RedisProxy(to))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture
def server(request):
    """Starts servers, by default on this test's `database`. Each must end cleanly when the test ends."""
    running = []

    def start(*arguments, **settings):
        if "database_url" not in settings:
            settings["database_url"] = request.getfixturevalue("database")
        running.append(harness.Server(*arguments, **settings))
        return running[-1]

    yield start
    failures = []
    for one in reversed(running):
        try:
            if one.process.returncode is None:  # else the test has seen its end and judged it
                one.stop()
        except AssertionError as failure:
            failures.append(str(failure))
        one.log_path.unlink()
    assert not failures, "\n".join(failures)


@pytest.fixture
def grpcurl():
    """Skips, with the reason, where the tools could not be had: ./dev says so at the end of its run."""
    for name in ("grpcurl", "buf"):
        if not harness.tool(name):
            pytest.skip(f"no {name}: ./dev test could not get it")
    return lambda server: harness.Grpcurl(server.address)
