#!/usr/bin/python3
"""Checks who includes whom: the layer table of server/README.md, and which file may see which library.

    layers.py [ROOT]      prints each include that breaks a rule as file:line, and exits 1 if there is one

A room is a directory of code. It includes its own headers and those of the rooms below it, never of one
beside or above. A library is seen where it is wrapped and nowhere else, so that it can be replaced
there. Both tables are complete: a room or a restricted header that they do not know is refused.
"""

import re
import sys
from pathlib import Path

# What each room may include besides itself. What lies in server/ itself wires the rooms together and may
# know them all; tests are not looked at.
ROOMS = {
    "base": set(),
    "ledger": {"base"},
    "cache": {"base", "ledger"},
    "sql": {"base", "ledger"},
    "rpc": {"base"},
    "feed": {"base", "ledger", "cache", "sql"},
    "app": {"base", "ledger", "cache", "sql", "rpc", "feed"},
    "client": {"base", "ledger"},
}
ROOMS["server"] = set(ROOMS)

# Whose header, by prefix, and the files (or, ending in /, the rooms) that may include it.
LIBRARIES = {
    "grpc/": ["server/rpc/", "client/channel.c", "server/main.c"],
    "libpq-fe.h": ["sql/conn.c", "sql/session.c"],
    "libpq": [],
    "postgres": [],
    "hiredis": ["cache/redis.c"],
    "uuid/": ["server/base/id.c"],
    "openssl/": ["server/base/", "cache/redis.c"],
    "microhttpd.h": ["server/base/http.c"],
    "uv.h": ["server/base/later.h", "server/main.c", "server/rpc/", "server/app/", "server/feed/", "sql/", "cache/"],
    "unictype.h": ["server/base/utf8.c"],
    "unistr.h": ["server/base/utf8.c"],
    "xxhash.h": ["server/base/", "cache/"],
    "protobuf-c/": ["server/rpc/", "server/app/", "client/"],
}

# Messages generated from proto/: the transport knows its own services and errors, not the business.
GENERATED = {
    "balances/": ["server/app/", "client/"],
    "google/": ["server/rpc/", "server/app/", "client/"],
    "grpc/": ["server/rpc/", "server/healthcheck.c"],
}

# The domain is pure: these are all of the system's headers that it may know. No I/O, no clock.
PURE = {"assert.h", "inttypes.h", "limits.h", "stdbool.h", "stddef.h", "stdint.h", "stdlib.h", "string.h"}

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


def room_of(path):
    """The room of a file or of an included header: "server/base/id.c" and "base/id.h" are of base. None: a
    header that is found beside its includer, or generated for it."""
    *directories, _ = path.split("/")
    if directories[:1] == ["server"] and len(directories) > 1:
        del directories[0]
    return directories[0] if directories else None


def allowed(path, places):
    return any(path.startswith(place) if place.endswith("/") else path == place for place in places)


def complaint(path, system, header):
    """What is wrong with this include in this file, or None."""
    room = room_of(path)
    generated = header.endswith(".pb-c.h")
    for prefix, places in (GENERATED if generated else LIBRARIES).items():
        if header.startswith(prefix):
            return None if allowed(path, places) else f"{header} is not for {path}"
    if generated:
        return f"{header} is of no known package"
    if system:
        if room == "ledger" and header not in PURE:
            return f"<{header}> in the domain, which is pure"
        return None
    other = room_of(header)
    if other is None or other == room:
        return None
    if other not in ROOMS:
        return f"{header} is of no known room"
    return None if other in ROOMS[room] else f"{room} may not know {other}"


def check(root):
    """All complaints about the code under root, as lines."""
    found = []
    files = [f for top in ("server", "sql", "cache", "client") for f in (root / top).rglob("*.[ch]")]
    for file in sorted(files):
        path = str(file.relative_to(root))
        if room_of(path) not in ROOMS:
            found.append(f"{path}:1: a room that the layer table does not know")
            continue
        for number, line in enumerate(file.read_text().splitlines(), 1):
            include = INCLUDE.match(line)
            wrong = include and complaint(path, include[1] == "<", include[2])
            if wrong:
                found.append(f"{path}:{number}: {wrong}")
    return found


if __name__ == "__main__":
    complaints = check(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2])
    print("\n".join(complaints) or "every include fits the layer table")
    sys.exit(bool(complaints))
