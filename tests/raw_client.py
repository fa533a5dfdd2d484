"""A client that says exactly the bytes that it is told to."""

from __future__ import annotations

import json
import socket
from typing import Any

from tests.serving import Served


def connected(served: Served) -> socket.socket:
    """A connection on which nothing was said yet."""
    client = socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2])))
    client.settimeout(30)
    return client


def asking(
    path: str, body: Any = None, *headers: str, method: str = "POST", host: str = "localhost"
) -> bytes:
    """A request; a body that is no bytes goes as JSON. The connection is to be closed after the answer."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    lines = [
        f"{method} {path} HTTP/1.1",
        f"host: {host}",
        f"content-length: {len(content)}",
        "connection: close",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def rest_of(client: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    found = bytearray()
    try:
        while piece := client.recv(65536):
            found += piece
    except ConnectionResetError:
        pass
    return bytes(found)


def asked(served: Served, said: bytes) -> tuple[int, dict[str, Any] | str]:
    """The status of an answer, and its error, or what else it says."""
    with connected(served) as client:
        client.sendall(said)
        head, _, body = rest_of(client).partition(b"\r\n\r\n")
    status = int(head.split()[1])
    try:
        value = json.loads(body)
    except ValueError:
        return status, body.decode("utf-8", "replace")
    return status, value["error"] if isinstance(value, dict) and "error" in value else value
