"""A gRPC call written frame by frame, for what no client library would send. One call on one connection.

Responses are not decoded, which would need the whole of HPACK: gRPC writes the names and values of the first
response on a connection in plain text, so that the status can be read off.
"""

import re
import socket
import struct

from harness import PATIENCE_S

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM, ACK, END_HEADERS = 1, 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _integer(value, prefix_bits):
    most = (1 << prefix_bits) - 1
    if value < most:
        return bytes([value])
    out, value = [most], value - most
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes(out + [value])


def field(name, value):
    """A header field: literal, not indexed, not compressed."""
    text = [part.encode() if isinstance(part, str) else part for part in (name, value)]
    return b"\0" + b"".join(_integer(len(part), 7) + part for part in text)


def message(payload):
    """A gRPC message as it lies in DATA."""
    return b"\0" + struct.pack(">I", len(payload)) + payload


class RawCall:
    """A connection with one call on it: RawCall(server, path, body, {header: value}).

    body None half-closes with the headers. With finish=False the request stays open.
    """

    def __init__(self, server, path, body, headers=(), finish=True):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)
        self._in = self.socket.makefile("rb")
        fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": server.address,
                  "content-type": "application/grpc", "te": "trailers", **dict(headers)}
        block = b"".join(field(name, value) for name, value in fields.items())
        done = END_STREAM if finish else 0
        self.send(PREFACE, frame(SETTINGS, 0, 0),
                  frame(HEADERS, END_HEADERS | (done if body is None else 0), 1, block))
        if body is not None:
            self.send(frame(DATA, done, 1, message(body)))

    def send(self, *frames):
        self.socket.sendall(b"".join(frames))

    def status(self):
        """The call's grpc-status as a number; None if the connection or the stream broke without one."""
        while True:
            head = self._in.read(9)
            if len(head) < 9:
                return None
            size = int.from_bytes(head[:3], "big")
            kind, flags, stream = struct.unpack(">BBI", head[3:])
            payload = self._in.read(size)
            if kind == SETTINGS and not flags & ACK:
                self.send(frame(SETTINGS, ACK, 0))
            elif kind == PING and not flags & ACK:
                self.send(frame(PING, ACK, 0, payload))
            elif kind == RST_STREAM and stream == 1:
                return None
            elif kind == HEADERS and flags & END_STREAM:
                found = re.search(rb"grpc-status[\x01\x02](\d+)", payload)
                assert found, payload
                return int(found.group(1))

    def close(self):
        self._in.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
