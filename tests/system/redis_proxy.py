"""What stands between a server and its Redis and does to their messages what a test tells it.

    link = RedisProxy(redis)                    # a server's redis_url is link.url
    link.replies.delay_s = 0.2                  # every answer comes later; also link.requests. A function is asked anew
                                                # for each message
    link.replies.held = True                    # answers wait until it is False, or heal()
    link.requests.swallowed = True              # what is sent is never seen again
    link.replies.cut_at = 5                     # of a longer message 5 bytes arrive, then the connection ends
    link.replies.mangle = noise(rng)            # any function of a message's bytes
    link.answer("READONLY no", "SET", "EVAL")   # these commands get this error and never reach Redis; without
                                                # names all of them do
    link.disconnect()                           # ends all connections; new ones are welcome
    link.refuse()                               # and new ones end at once
    link.move(another)                          # ends all connections; new ones lead to another Redis
    link.heal()                                 # as at the start

Everything may be set at any time from any thread, and holds from the next message on. Messages stay in their
order and whole, but where a test cuts or mangles them. A proxy runs in a thread of its own and dies with the
process.
"""

import asyncio
import collections
import contextlib
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import resp

POLL_S = 0.005


def noise(rng):
    """Bytes that were never an answer, as long as the answer was."""
    return lambda message: rng.randbytes(len(message))


def flipped_bit(rng, after=0):
    """One bit of each message turned over, beyond its first bytes: those say what kind of message it is."""
    def flip(message):
        if len(message) <= after:
            return message
        at = rng.randrange(after, len(message))
        return message[:at] + bytes([message[at] ^ 1 << rng.randrange(8)]) + message[at + 1:]

    return flip


class Flow:
    """What becomes of the messages of one direction."""

    def __init__(self):
        self.clear()

    def clear(self):
        self.delay_s = 0
        self.held = False
        self.swallowed = False
        self.cut_at = None
        self.mangle = None


@dataclass
class Exchange:
    """A command on its way, and the answer once there is one."""

    name: str
    era: int
    answer: asyncio.Future
    ours: bool = False


class RedisProxy:
    """See above. `commands` counts what servers sent, by name; `answered`, by name too, what Redis itself answered
    to commands that came after the last heal(); `connections` how many there are."""

    def __init__(self, redis):
        self._redis = redis
        self._home = Path(tempfile.mkdtemp(prefix="balanced-proxy-"))
        self.socket = self._home / "socket"
        self.url = redis.url.replace(str(redis.socket), str(self.socket))
        self.requests, self.replies = Flow(), Flow()
        self.commands, self.answered = collections.Counter(), collections.Counter()
        self._refused = False
        self._rule = None
        self._era = 0
        self._writers = set()
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait()

    # What a test says.

    def answer(self, error, *commands):
        self._rule = (f"-{error}\r\n".encode(), frozenset(commands))

    def disconnect(self):
        self._call(self._end_all)

    def refuse(self):
        self._refused = True
        self.disconnect()

    def move(self, redis):
        self._redis = redis
        self.disconnect()

    def heal(self):
        self.requests.clear()
        self.replies.clear()
        self._refused, self._rule = False, None
        self._call(self._new_era)

    @property
    def connections(self):
        return len(self._writers)

    def close(self):
        self._call(self._end_all)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        shutil.rmtree(self._home, ignore_errors=True)

    # The thread.

    def _call(self, function):
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (function(), done.set()))
        done.wait()

    def _new_era(self):
        self._era += 1
        self.answered.clear()

    def _end_all(self):
        for writer in self._writers.copy():
            writer.transport.abort()

    def _run(self, ready):
        asyncio.set_event_loop(self._loop)
        listener = self._loop.run_until_complete(asyncio.start_unix_server(self._serve, self.socket))
        ready.set()
        self._loop.run_forever()
        listener.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader, writer):
        """One connection, to its end, which either side or a test brings about."""
        self._writers.add(writer)
        upstream = None
        try:
            if self._refused:
                return
            with contextlib.suppress(OSError):
                redis_reader, upstream = await asyncio.open_unix_connection(self._redis.socket)
                waiting, order = collections.deque(), asyncio.Queue()
                jobs = [asyncio.ensure_future(job) for job in (
                    self._pass_requests(reader, upstream, waiting, order), self._take_answers(redis_reader, waiting),
                    self._pass_replies(order, writer))]
                try:
                    await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for job in jobs:
                        job.cancel()
                    await asyncio.gather(*jobs, return_exceptions=True)
        finally:
            self._writers.discard(writer)
            for one in (writer, upstream):
                if one:
                    one.transport.abort()

    async def _pass_requests(self, reader, upstream, waiting, order):
        """Ends when the server closes, or when a message was cut."""
        arrived = asyncio.Queue()

        async def receive():
            async for message in messages_of(reader):
                arrived.put_nowait((time.monotonic(), message))
            # What Redis still owes is of no use to one who has gone.
            arrived.put_nowait(None)

        receiving = asyncio.ensure_future(receive())
        try:
            while item := await arrived.get():
                at, message = item
                name = resp.value_of(message)[0].decode().upper()
                self.commands[name] += 1
                exchange = Exchange(name, self._era, self._loop.create_future())
                await self._wait(self.requests, at)
                rule = self._rule
                if rule and (not rule[1] or name in rule[1]):
                    exchange.ours = True
                    exchange.answer.set_result((time.monotonic(), rule[0]))
                elif not self.requests.swallowed:
                    waiting.append(exchange)
                    if not await send(self.requests, message, upstream):
                        return
                order.put_nowait(exchange)
        finally:
            receiving.cancel()

    async def _take_answers(self, redis_reader, waiting):
        """Ends when Redis closes."""
        async for message in messages_of(redis_reader):
            waiting.popleft().answer.set_result((time.monotonic(), message))

    async def _pass_replies(self, order, writer):
        """Ends when a message was cut."""
        while True:
            exchange = await order.get()
            at, message = await exchange.answer
            await self._wait(self.replies, at)
            if self.replies.swallowed:
                continue
            whole = not (self.replies.mangle or self.replies.cut_at or exchange.ours)
            if whole and exchange.era == self._era:
                self.answered[exchange.name] += 1
            if not await send(self.replies, message, writer):
                return

    @staticmethod
    async def _wait(flow, arrived_at):
        while flow.held:
            await asyncio.sleep(POLL_S)
        delay_s = flow.delay_s() if callable(flow.delay_s) else flow.delay_s
        late = arrived_at + delay_s - time.monotonic()
        if late > 0:
            await asyncio.sleep(late)


async def messages_of(reader):
    """The messages that arrive, one by one."""
    data = b""
    while more := await reader.read(1 << 16):
        data += more
        at = 0
        while end := resp.end_of(data, at):
            yield data[at:end]
            at = end
        data = data[at:]


async def send(flow, message, writer):
    """Passes a message on, as the test will have it. False: it was cut, and the connection is to end."""
    if flow.mangle:
        message = flow.mangle(message)
    whole = flow.cut_at is None or len(message) <= flow.cut_at
    writer.write(message if whole else message[:flow.cut_at])
    await writer.drain()
    return whole
