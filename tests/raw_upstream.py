"""A server that says exactly the bytes that it is told to, and keeps exactly those that it was sent."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

# Bytes are sent, seconds are waited, None closes the connection.
Said = Iterable[bytes | float | None]

CHAT = b"""{"id":"chatcmpl-1","object":"chat.completion",  "created":1,"model":"m","choices":[{"index":0,
 "message":{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":
 {"name":"f","arguments":"{\\"a\\": 1.0}"}}]},"logprobs":null,"finish_reason":"tool_calls"}],
 "usage":{"total_tokens":1e2,"prompt_tokens":7,"completion_tokens":93},"x_unknown":{"\\u00fc":1.50}}\n"""
PLAIN = (
    b'{"id":"chatcmpl-2","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"your card is fine"},"logprobs":null,"finish_reason":"stop"}]}'
)


def chunk(content: str, finish: str = "null") -> bytes:
    """An event of a streamed chat."""
    return (
        b'data: {"id":"chatcmpl-3","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,'
        b'"delta":{"content":"%s"},"logprobs":null,"finish_reason":%s}]}\n\n'
        % (json.dumps(content)[1:-1].encode(), finish.encode())
    )


STREAM = (
    chunk("your "),
    b": still there\n\n",
    chunk("card is "),
    chunk("fine", '"stop"'),
    b"data: [DONE]\n\n",
)


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> Said:
    """A whole answer."""
    head = [b"HTTP/1.1 " + status, b"content-length: %d" % len(body), *headers]
    if not any(header.startswith(b"content-type") for header in headers):
        head.append(b"content-type: application/json")
    return [b"\r\n".join(head) + b"\r\n\r\n" + body]


def streamed(*pieces: bytes | float | None, whole: bool = True) -> Said:
    """An answer in chunks."""
    yield b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
    for piece in pieces:
        yield b"%x\r\n%s\r\n" % (len(piece), piece) if isinstance(piece, bytes) else piece
    yield b"0\r\n\r\n" if whole else None


@dataclass
class Got:
    """A request, to the letter."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for own, value in self.headers if own == name), None)


@dataclass
class Upstream:
    """What the server says, which may be changed while it runs.

    Attributes:
        got: the requests that came.
        left: how many connections were closed before they were told all.
    """

    says: Callable[[Got], Said] = lambda _: answer(PLAIN)
    url: str = ""
    got: list[Got] = field(default_factory=list)
    left: int = 0


@contextmanager
def raw_upstream() -> Iterator[Upstream]:
    """The server, as long as the block lasts."""
    own = Upstream()
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        own.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread = threading.Thread(target=_accept, args=(listening, own), daemon=True)
        thread.start()
        yield own
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def _accept(listening: socket.socket, own: Upstream) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=_talk, args=(connection, own), daemon=True).start()


def _talk(connection: socket.socket, own: Upstream) -> None:
    with connection, connection.makefile("rb") as reading:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while line := _next_line(reading):
            method, target, _ = line.decode().split()
            headers = []
            while (line := reading.readline()) not in (b"\r\n", b""):
                name, _, value = line.decode("latin-1").strip().partition(":")
                headers.append((name.lower(), value.strip()))
            size = int(dict(headers).get("content-length", "0"))
            got = Got(method, target, headers, reading.read(size))
            own.got.append(got)
            try:
                for said in own.says(got):
                    if said is None:
                        return
                    if isinstance(said, bytes):
                        connection.sendall(said)
                    else:
                        _wait(connection, said)
            except OSError:
                own.left += 1
                return


def _next_line(reading: BinaryIO) -> bytes:
    """Of the next request; nothing where whoever asked has gone, however it went."""
    try:
        return reading.readline()
    except ConnectionResetError:
        return b""


def _wait(connection: socket.socket, seconds: float) -> None:
    """Wait, unless the other side leaves."""
    until = time.monotonic() + seconds
    connection.settimeout(0.02)
    try:
        while time.monotonic() < until:
            try:
                if connection.recv(1, socket.MSG_PEEK) == b"":
                    raise ConnectionResetError
            except TimeoutError:
                continue
    finally:
        connection.settimeout(None)
