"""What goes wrong during a history: one fault at a time, each for a while, drawn from a deck that is shuffled with the
run's seed. Each is logged with what it excuses: see `fault` in checker.py.

A fault is over when it is undone and every server was seen to ask Redis again and be answered.

What excuses nothing happens all the time: some messages between servers and Redis take their time, so that fills,
raises and reads pass each other in every way that they can.
"""

import contextlib
import time
from dataclasses import dataclass
from typing import Callable

import record
from faults import feed_holder
from harness import wait_until
from redis_proxy import noise

CALM_S = (0.7, 2.0)  # between two faults
CALM_PART = 0.2  # of the time, at the beginning
LATE = 0.05  # this part of all messages is late,
LATE_S = 0.08  # by up to so much
STEP_S = 0.05  # of what a fault does again and again

READ_ONLY = "READONLY You can't write against a read only replica."
FULL = "OOM command not allowed when used memory > 'maxmemory'."
WRITING = ("SET", "EVAL", "EVALSHA", "DEL")


@dataclass
class Fault:
    """`act` is a generator function of the nemesis and a server's number: it makes the fault, yields what is to be done
    every STEP_S, if anything, and then undoes the fault; links are healed anyway."""

    act: Callable
    redis: str = ""  # whose link to Redis is faulty: "", "one" or "all"
    calls: bool = False  # whether calls to the one server may fail
    feed: bool = True  # whether the feed may stand still
    holders: bool = False  # whether it is to happen to the server that holds the feed

    @property
    def name(self):
        return self.act.__name__


class Nemesis:
    def __init__(self, run, rng):
        self.redis, self.links, self.servers, self.sql, self.url = run.redis, run.links, run.servers, run.sql, run.url
        self.rng, self.log = rng, run.log
        self.deck = []
        self.calm_down()

    def calm_down(self):
        """Links as they are without a fault."""
        def delay():
            return self.rng.uniform(0, LATE_S) if self.rng.random() < LATE else 0

        for link in self.links:
            link.heal()
            link.requests.delay_s = link.replies.delay_s = delay

    def rage(self, until, longest_s):
        """Makes faults until then, after a time of peace that shows what is usual."""
        time.sleep(CALM_PART * (until - record.now()))
        while record.now() < until:
            time.sleep(self.rng.uniform(*CALM_S))
            if not self.deck:
                self.deck = FAULTS.copy()
                self.rng.shuffle(self.deck)
            fault = self.deck.pop()
            server = self.holder() if fault.holders else self.rng.randrange(len(self.servers))
            self.make(fault, server, self.rng.uniform(0.3, longest_s))

    def make(self, fault, server, seconds):
        begin = record.now()
        with contextlib.contextmanager(fault.act)(self, server) as step:
            end = begin + seconds
            while (left := end - record.now()) > 0:
                if step:
                    step()
                time.sleep(min(left, STEP_S))
        self.calm_down()
        wait_until(lambda: all(link.answered["MGET"] for link in self.links),
                   f"servers to use Redis again after {fault.name}")
        number = {"": [], "one": [server], "all": [*range(len(self.servers))]}
        self.log.add("fault", name=fault.name, redis=number[fault.redis], calls=[server] if fault.calls else [],
                     feed=fault.feed, begin=begin, end=record.now())

    def holder(self):
        """The server that has the change feed."""
        return int(feed_holder(self.url).removeprefix("server"))


# What servers do to Redis, and Redis to them.


def redis_paused(nemesis, _):
    nemesis.redis.pause()
    yield
    nemesis.redis.resume()


def redis_restarted_empty(nemesis, _):
    nemesis.redis.kill()
    yield
    nemesis.redis.start()


def redis_restarted_with_its_data(nemesis, _):
    nemesis.redis.stop(keep=True)
    yield
    nemesis.redis.start()


def keys_evicted(nemesis, _):
    """Any key at any time. It excuses nothing: it is what a Redis may do."""
    def evict():
        keys = nemesis.redis.keys()
        if keys:
            nemesis.redis.cli("DEL", *nemesis.rng.sample(keys, (len(keys) + 1) // 2))

    yield evict


def redis_flushed(nemesis, _):
    yield lambda: nemesis.redis.cli("FLUSHALL")


def scripts_flushed(nemesis, _):
    yield lambda: nemesis.redis.cli("SCRIPT", "FLUSH")


def link_refused(nemesis, server):
    nemesis.links[server].refuse()
    yield


def link_that_keeps_ending(nemesis, server):
    yield nemesis.links[server].disconnect


def link_slow_but_in_time(nemesis, server):
    """It excuses nothing either."""
    nemesis.links[server].requests.delay_s = nemesis.rng.uniform(0, 0.08)
    nemesis.links[server].replies.delay_s = nemesis.rng.uniform(0, 0.08)
    yield


def link_too_slow(nemesis, server):
    nemesis.links[server].replies.delay_s = 1
    yield


def requests_held(nemesis, server):
    """They come all at once in the end, to a Redis that nobody listens to any more."""
    nemesis.links[server].requests.held = True
    yield


def replies_swallowed(nemesis, server):
    nemesis.links[server].replies.swallowed = True
    yield


def replies_cut(nemesis, server):
    nemesis.links[server].replies.cut_at = nemesis.rng.randrange(40)
    yield


def replies_garbage(nemesis, server):
    nemesis.links[server].replies.mangle = noise(nemesis.rng)
    yield


def redis_loading(nemesis, server):
    nemesis.links[server].answer("LOADING Redis is loading the dataset in memory")
    yield


def redis_read_only(nemesis, server):
    nemesis.links[server].answer(READ_ONLY, *WRITING)
    yield


def redis_full(nemesis, server):
    nemesis.links[server].answer(FULL, *WRITING)
    yield


# What happens to servers and their database connections.


def killed(nemesis, server):
    nemesis.servers[server].kill()
    yield
    nemesis.servers[server].start()


def feed_holder_killed(nemesis, server):
    yield from killed(nemesis, server)


def server_paused(nemesis, server):
    nemesis.servers[server].pause()
    yield
    nemesis.servers[server].resume()


def sessions_terminated(nemesis, server):
    """Those of one server with the database, whatever they are doing."""
    nemesis.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'server{server}'")
    yield


# A server that was paused finds all its timers run out; one that has just started is not yet connected.
FAULTS = [
    Fault(redis_paused, redis="all"),
    Fault(redis_restarted_empty, redis="all"),
    Fault(redis_restarted_with_its_data, redis="all"),
    Fault(keys_evicted, feed=False),
    Fault(redis_flushed, feed=False),
    Fault(scripts_flushed, redis="all"),
    Fault(link_refused, redis="one"),
    Fault(link_that_keeps_ending, redis="one"),
    Fault(link_slow_but_in_time, feed=False),
    Fault(link_too_slow, redis="one"),
    Fault(requests_held, redis="one"),
    Fault(replies_swallowed, redis="one"),
    Fault(replies_cut, redis="one"),
    Fault(replies_garbage, redis="one"),
    Fault(redis_loading, redis="one"),
    Fault(redis_read_only, redis="one"),
    Fault(redis_full, redis="one"),
    Fault(killed, redis="one", calls=True),
    Fault(feed_holder_killed, redis="one", calls=True, holders=True),
    Fault(server_paused, redis="one", calls=True),
    Fault(sessions_terminated, calls=True),
]
