"""The stub server on a port of loopback, in threads of its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.stub_server import Asked, Stub


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stub: Stub

    def do_GET(self) -> None:
        self._respond({})

    def do_POST(self) -> None:
        self._respond(json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def _respond(self, body: Asked) -> None:
        if not self.stub.up:
            self.close_connection = True
            return
        with self.stub.being_asked():
            named = {name.lower(): value for name, value in self.headers.items()}
            status, value, headers, how = self.stub.answer(self.path, body, named)
            if how == "slow":
                self.stub.ended.wait(self.stub.delay)
            if how == "drop":
                self.close_connection = True
                return
            content = json.dumps(value).encode()
            if how == "truncate":
                content = content[: len(content) // 2]
            if how == "nonsense":
                content = b"<html>busy</html>"
            if status == 200 and how == "":
                self.stub.answered.append((self.path, body))
            self._send(status, content, headers, missing=7 if how == "short" else 0)

    def _send(self, status: int, content: bytes, headers: Mapping[str, str], *, missing: int) -> None:
        # In one piece: of two, the second would wait for the first to be acknowledged.
        lines = [
            f"HTTP/1.1 {status} x",
            "content-type: application/json",
            f"content-length: {len(content) + missing}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        self.close_connection = self.close_connection or bool(missing)
        try:
            self.wfile.write("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
        except OSError:
            self.close_connection = True  # the client has left

    def log_message(self, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that left


@contextmanager
def serving(stub: Stub, port: int = 0) -> Iterator[Stub]:
    """Run the server until the block ends or `stub.die()` is called; its address is `stub.url`."""
    handler = type("Handler", (_Handler,), {"stub": stub})
    server = _Server(("127.0.0.1", port), handler)
    stub.url = f"http://127.0.0.1:{server.server_port}/v1"
    stub.up = True
    stub.ended.clear()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()

    def end() -> None:
        stub.up = False  # connections that are open are of no use either
        stub.ended.set()
        server.shutdown()
        server.server_close()

    stub.die = end
    try:
        yield stub
    finally:
        end()
        thread.join()


def port_of(stub: Stub) -> int:
    """The port that a stub has, or had."""
    return int(stub.url.rpartition(":")[2].partition("/")[0])
