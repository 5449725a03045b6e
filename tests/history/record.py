"""How a history is written down: JSON lines, as checker.py reads them."""

import base64
import json
import threading
import time


def now():
    """Seconds on a clock that all processes of the machine share and nobody sets."""
    return time.monotonic()


def version_of(token):
    """The version that a consistency token names: its first eight bytes. The rest is a seal."""
    return int.from_bytes(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))[:8], "big")


class Log:
    """A file that gets each record as it comes, from any thread."""

    def __init__(self, path):
        self.path = path
        self._file = open(path, "w", encoding="utf-8")
        self._lock = threading.Lock()

    def add(self, kind, **fields):
        line = json.dumps({"kind": kind, **fields}) + "\n"
        with self._lock:
            self._file.write(line)

    def close(self):
        with self._lock:
            self._file.close()
