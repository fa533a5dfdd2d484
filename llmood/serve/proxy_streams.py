"""Streams of answers with a decision in them: in the first event that has room for it, or in the last."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from llmood.serve.answers import RequestError
from llmood.serve.proxy_questions import Heard
from llmood.serve.proxy_splice import DONE, MOST_EVENT, Events, data_of, object_of, spliced_event


async def marked_first(pieces: AsyncIterator[bytes], decision: Mapping[str, Any]) -> AsyncIterator[bytes]:
    """A stream with a decision in its first event; what follows is passed on without a look."""
    events, is_marked = Events(), False
    async for piece in pieces:
        if is_marked:
            yield piece
            continue
        ready = bytearray()
        for event in events.feed(piece):
            own = None if is_marked or _said(event) is None else spliced_event(event, decision)
            is_marked = is_marked or own is not None
            ready += event if own is None else own
        if is_marked:
            ready += events.rest()
        if ready:
            yield bytes(ready)
    if rest := events.rest():
        yield rest


async def marked_last(
    pieces: AsyncIterator[bytes], heard: Heard, judge: Callable[[], Awaitable[Mapping[str, Any]]]
) -> AsyncIterator[bytes]:
    """A stream with the decision on it in its last event, which is therefore held back until the next one comes.

    Args:
        heard: is told what the answer says.
        judge: asked once all of it was heard.
    """
    events, held, is_marked = Events(), _Held(), False
    async for piece in pieces:
        if is_marked:
            yield piece
            continue
        ready = bytearray()
        for event in events.feed(piece):
            if len(event) > MOST_EVENT:  # what nobody has heard doesn't go on
                raise RequestError(502, f"an event is over {MOST_EVENT} bytes", "upstream_too_large")
            if not is_marked and data_of(event) == DONE:
                ready += held.marked(await judge())
                is_marked = True
            ready += event if is_marked else held.next(event, heard)
        if is_marked:
            ready += events.rest()
        if ready:
            yield bytes(ready)
    if not is_marked:
        yield held.next(events.rest(), heard)  # some servers end without a blank line
        yield held.marked(await judge())


class _Held:
    """The last event that says something, and what came after it."""

    def __init__(self) -> None:
        self._event, self._after = b"", b""

    def next(self, event: bytes, heard: Heard) -> bytes:
        """What may go on, now that another event has come."""
        said = _said(event)
        if said is not None:
            heard.note(said)
            ready = self._event + self._after
            self._event, self._after = event, b""
            return ready
        if not self._event:
            return event
        self._after += event
        return b""

    def marked(self, decision: Mapping[str, Any]) -> bytes:
        """All that is held, with the decision in it."""
        own = spliced_event(self._event, decision)
        return (self._event if own is None else own) + self._after


def _said(event: bytes) -> dict[str, Any] | None:
    """The piece of an answer that an event holds; an upstream's error is none."""
    value = object_of(data_of(event))
    return None if value is None or "error" in value else value
