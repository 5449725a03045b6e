"""The protocol of Redis (RESP2), as far as tests need it: commands, answers, and where a message ends."""


class Error(Exception):
    """An answer that is an error: its text, as "READONLY You can't write against a read only replica."."""


def command(*arguments):
    """A command as bytes. Its arguments are bytes, or anything else as text."""
    parts = [a if isinstance(a, bytes) else str(a).encode() for a in arguments]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


def end_of(data, at=0):
    """Where the message that begins at `at` ends, or None while it is not whole."""
    left = 1
    while left:
        line_end = data.find(b"\r\n", at)
        if line_end < 0:
            return None
        kind, rest = data[at:at + 1], data[at + 1:line_end]
        at = line_end + 2
        left -= 1
        if kind == b"*":
            left += max(int(rest), 0)
        elif kind == b"$" and int(rest) >= 0:
            at += int(rest) + 2
            if at > len(data):
                return None
    return at


def value_of(data):
    """What a whole message says: text for a status, bytes or None for a bulk, an int, a list, or an Error."""
    return _value(data, 0)[0]


def _value(data, at):
    line_end = data.index(b"\r\n", at)
    kind, rest = data[at:at + 1], data[at + 1:line_end]
    at = line_end + 2
    if kind == b"+":
        return rest.decode(), at
    if kind == b"-":
        return Error(rest.decode()), at
    if kind == b":":
        return int(rest), at
    if kind == b"$":
        size = int(rest)
        return (None, at) if size < 0 else (data[at:at + size], at + size + 2)
    assert kind == b"*", data[at - 20:at + 20]
    if int(rest) < 0:
        return None, at
    items = []
    for _ in range(int(rest)):
        item, at = _value(data, at)
        items.append(item)
    return items, at
