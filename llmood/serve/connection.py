"""A connection that nobody can hold for ever: uvicorn bounds neither a request's head nor how slowly it is read."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from llmood.serve.answers import error_response

IDLE = 30.0  # seconds until a connection must have asked something, the first time and again


def connections(patience: float) -> type[H11Protocol]:
    """The kind of connection that a server makes.

    Args:
        patience: seconds that a client may take none of what it is answered.
    """

    class Own(Connection):
        PATIENCE = patience

    return Own


class Connection(H11Protocol):
    """Written with h11, which every uvicorn has and which bounds what comes before a body: httptools doesn't."""

    PATIENCE = IDLE

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._free_since = self.loop.time()
        self._stuck_since: float | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._free_since = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        self._stuck_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stuck_since = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """The same in the form of every other error, if an answer can still be given."""
        if self._is_busy:
            self.cycle.disconnected = True  # its body turned out to be none: nobody is to answer it
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = error_response(400, "the request is no HTTP, or its head is too long", "bad_http")
            headers = [*answer.raw_headers, (b"connection", b"close")]
            events: list[Any] = [
                h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ]
            for event in events:
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """What a client would rather speak is no news to the operator."""

    @property
    def _is_busy(self) -> bool:
        cycle: Any = self.cycle  # None before the first request, whatever its type says
        return cycle is not None and not cycle.response_complete

    def _look(self) -> None:
        """Close what asks nothing for too long, and break off what reads nothing."""
        now = self.loop.time()
        if self.transport.is_closing() and self._stuck_since is None:
            self._stuck_since = now  # there is something left that it has to read
        if self._stuck_since is not None and now >= self._stuck_since + self.PATIENCE:
            self.transport.abort()  # `close` would wait for it to read
        elif not self._is_busy and now >= self._free_since + IDLE:
            self.transport.close()
        self._watch = self.loop.call_later(min(IDLE, self.PATIENCE) / 4, self._look)
