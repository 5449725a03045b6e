"""/metrics: its format, that each number goes up when its thing happens, and that the README lists all."""

import os
import re
from pathlib import Path

import grpc
import pytest

import harness
from faults import NET, OK, ask, execute, locked, new_customer, wait_connected
from prometheus import Watch, scrape, value

README = Path(harness.SOURCE / "README.md")
PAST_THE_SERVICE = "UPDATE balances.customer SET name = 'Another'"
METHOD = {"grpc_service": "balances.v1.BalanceService", "grpc_method": "GetNetBalance"}


@pytest.fixture
def customer(database):
    return new_customer(database)


def rises(watch, by, name, **labels):
    """Waits until the number went up by so much: what is counted after an answer may come after it."""
    harness.wait_until(lambda: watch(name, **labels) >= by, f"{name} {labels}")
    assert watch(name, **labels) == by


def gauge(one, name):
    return value(scrape(one), name)


def test_every_metric_is_there_from_the_start(server):
    one = server()
    families = scrape(one)
    handled = families["grpc_server_handled_total"]
    methods = {(dict(its)["grpc_service"], dict(its)["grpc_method"]) for _, its in handled.samples}
    ours = {(service.full_name, method.name) for name in ("BalanceService", "LedgerService", "CatalogService",
                                                          "AccountBalanceService")
            for service in [harness.messages().method(f"balances.v1.{name}/" + {
                "BalanceService": "GetNetBalance", "LedgerService": "DrawDown", "CatalogService": "PutCustomer",
                "AccountBalanceService": "ListTransactions"}[name]).containing_service]
            for method in service.methods}
    assert methods == ours | {("grpc.health.v1.Health", "Check"), ("grpc.health.v1.Health", "List"),
                              ("other", "other")}
    codes = {dict(its)["grpc_code"] for _, its in handled.samples}
    assert codes == {"".join(word.title() for word in code.name.split("_")) for code in grpc.StatusCode} - {
        "Ok", "Cancelled"} | {"OK", "Canceled"}
    assert len(handled.samples) == len(methods) * len(codes)
    assert value(families, "balanced_build_info") == 1


def test_readme_lists_every_metric(server):
    """The table of the README is made of the code's own help; what this prints is what it must be."""
    families = scrape(server())
    wanted = [f"| `{f.name}` | {f.type} | {', '.join(label_names(f)) or '–'} | {f.help} |" for f in families.values()]
    print("\n".join(wanted))
    text = README.read_text()
    table = [line for line in text.splitlines() if re.match(r"\| `(balanced|grpc_server|process)_\w+` \|", line)]
    assert table == wanted


def label_names(family):
    names = dict.fromkeys(name for _, its in family.samples for name, _ in its)
    return [f"`{name}`" for name in sorted(names) if name != "le"]


def test_calls_are_counted_by_method_and_code(server, customer):
    one = server(workers=2)
    client, watch = one.client(), Watch(one)
    for _ in range(3):
        assert ask(client, customer) == OK
    with harness.fails("INVALID_ARGUMENT"):
        client.call(NET)
    with harness.fails("NOT_FOUND"):
        client.call(NET, customer_id="00000000-0000-4000-8000-000000000001")
    with harness.fails("UNIMPLEMENTED"):
        client.raw("/nobody.knows/This", b"")
    rises(watch, 3, "grpc_server_handled_total", grpc_code="OK", **METHOD)
    rises(watch, 1, "grpc_server_handled_total", grpc_code="InvalidArgument", **METHOD)
    rises(watch, 1, "grpc_server_handled_total", grpc_code="NotFound", **METHOD)
    rises(watch, 1, "grpc_server_handled_total", grpc_code="Unimplemented", grpc_service="other")
    rises(watch, 6, "grpc_server_started_total")
    rises(watch, 6, "grpc_server_handled_total")
    rises(watch, 6, "grpc_server_handling_seconds_count")
    assert 0 < watch("grpc_server_handling_seconds_sum") < harness.PATIENCE_S


def test_gauges_follow_what_is_under_way(database, server, customer):
    one = server(database_connections=3, request_timeout="30s")
    wait_connected(database, 3)
    client = one.client()
    assert ask(client, customer) == OK
    assert gauge(one, "balanced_database_connections") == 4  # the feed's included
    assert gauge(one, "balanced_calls_in_flight") == 0
    with locked(database):
        calls = [client.future(NET, customer_id=customer) for _ in range(20)]
        harness.wait_until(lambda: gauge(one, "balanced_calls_in_flight") == 20, "the calls")
        assert gauge(one, "balanced_database_requests_in_flight") >= 20
    for call in calls:
        call.result()
    harness.wait_until(lambda: gauge(one, "balanced_calls_in_flight") == 0, "their end")
    watch = client.stream("grpc.health.v1.Health/Watch", service="")
    next(watch)
    assert gauge(one, "balanced_streams_open") == 1
    watch.cancel()
    harness.wait_until(lambda: gauge(one, "balanced_streams_open") == 0, "the stream's end")


def test_database_that_goes_away_shows(postgres, server):
    url = harness.migrated(postgres)
    one = server(database_url=url)
    harness.wait_until(lambda: gauge(one, "balanced_database_connections") == 5, "the connections")
    watch = Watch(one)
    postgres.kill()
    try:
        harness.wait_until(lambda: gauge(one, "balanced_database_connections") == 0, "the loss of all")
        with harness.fails("UNAVAILABLE"):
            one.client().call(NET, customer_id="00000000-0000-4000-8000-000000000001")
        assert watch("balanced_database_requests_failed_total") >= 1
    finally:
        postgres.start()
    harness.wait_until(lambda: gauge(one, "balanced_database_connections") == 5, "all of them again")
    assert watch("balanced_database_sessions_total") == 5


def test_lookups_are_counted_by_what_came_of_them(database, server, redis, customer):
    one = server(redis_url=redis.url)
    client = one.client()
    harness.wait_until(lambda: gauge(one, "balanced_cache_connections") == 2, "Redis")
    watch = Watch(one)
    assert ask(client, customer) == OK
    rises(watch, 1, "balanced_cache_lookups_total", result="absent")
    rises(watch, 1, "balanced_cache_fills_total", result="filed")
    assert ask(client, customer) == OK
    rises(watch, 1, "balanced_cache_lookups_total", result="hit")
    for key in [k for k in redis.keys() if not k.endswith(b":v")]:
        redis.cli("SET", key, "garbage")
    assert ask(client, customer) == OK
    rises(watch, 1, "balanced_cache_lookups_total", result="refused")
    rises(watch, 3, "balanced_cache_lookups_total")
    rises(watch, 3, "balanced_cache_lookup_seconds_count")
    client.call("PutCustomer", id=customer, name="Another")
    rises(watch, 1, "balanced_write_commits_total", result="committed")
    assert watch("balanced_cache_raises_total") >= 1


def test_redis_that_goes_away_shows(server, redis, customer):
    one = server(redis_url=redis.url)
    client = one.client()
    harness.wait_until(lambda: gauge(one, "balanced_cache_connections") == 2, "Redis")
    watch = Watch(one)
    redis.kill()
    harness.wait_until(lambda: gauge(one, "balanced_cache_connections") == 0, "the loss")
    assert ask(client, customer) == OK
    rises(watch, 1, "balanced_cache_lookups_total", result="skipped")
    redis.restart()
    harness.wait_until(lambda: gauge(one, "balanced_cache_connections") == 2, "Redis")


def test_breaker_that_opens_shows(server, redis, customer):
    one = server(redis_url=redis.url, redis_timeout="20ms")
    client = one.client()
    harness.wait_until(lambda: gauge(one, "balanced_cache_connections") == 2, "Redis")

    def breaks():
        assert ask(client, customer) == OK
        return gauge(one, "balanced_cache_breaker_open") == 1

    def mends():
        assert ask(client, customer) == OK
        return gauge(one, "balanced_cache_breaker_open") == 0

    redis.cli("ACL", "SETUSER", "default", "-mget")
    harness.wait_until(breaks, "the breaker")
    redis.cli("ACL", "SETUSER", "default", "+mget")
    harness.wait_until(mends, "its end")


def test_one_of_two_servers_tells_of_changes(database, server, redis, customer):
    one, other = server(redis_url=redis.url), server(redis_url=redis.url)
    both = [one, other]
    harness.wait_until(lambda: sum(gauge(s, "balanced_feed_holds_lock") for s in both) == 1, "a feed")
    watches = [Watch(s) for s in both]
    execute(database, PAST_THE_SERVICE)
    harness.wait_until(lambda: sum(w("balanced_feed_changes_total") for w in watches) == 1, "the change")
    harness.wait_until(lambda: all(gauge(s, "balanced_feed_lag_seconds") == 0 for s in both), "nothing left")


def test_feed_that_cannot_tell_lags(database, server, redis, proxy, customer):
    link = proxy()
    one = server(redis_url=link.url)
    harness.wait_until(lambda: gauge(one, "balanced_feed_holds_lock") == 1, "the feed")
    redis.pause()
    watch = Watch(one)
    try:
        execute(database, PAST_THE_SERVICE)
        harness.wait_until(lambda: watch("balanced_feed_failures_total") > 0, "a failure")
        since = gauge(one, "balanced_feed_lag_seconds")
        harness.wait_until(lambda: gauge(one, "balanced_feed_lag_seconds") > since, "the lag to grow")
    finally:
        redis.resume()
    harness.wait_until(lambda: watch("balanced_feed_changes_total") >= 1, "the change")


def test_process_is_told_of(server):
    one = server()
    families = scrape(one)
    assert value(families, "process_open_fds") in range(one.open_files - 3, one.open_files + 4)
    resident = value(families, "process_resident_memory_bytes") / 1024
    assert resident == pytest.approx(one.resident_kib, rel=0.2)
    assert value(families, "process_virtual_memory_bytes") > value(families, "process_resident_memory_bytes")
    assert value(families, "process_cpu_seconds_total") > 0
    started = value(families, "process_start_time_seconds")
    assert abs(started - os.stat(f"/proc/{one.pid}").st_mtime) < 60
    assert value(families, "process_max_fds") > 100


def test_metrics_are_there_while_the_server_stops(server):
    one = server(stop_delay="2s")
    one.terminate()
    harness.wait_until(lambda: one.health() == "NOT_SERVING", "the stop")
    assert value(scrape(one), "balanced_build_info") == 1
    assert one.wait() == 0
