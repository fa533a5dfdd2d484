"""A field in JSON, and events of a stream, without a change to any byte beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

FIELD = "llmood"
DONE = b"[DONE]"
MOST_EVENT = 8_000_000  # bytes: what has no end after so many is no event

_SPACE = b" \t\r\n"
_BLANK_LINE = re.compile(rb"\n\r?\n|\r\r")
_LINE = re.compile(rb"[^\r\n]+")


def spliced(text: bytes, value: Mapping[str, Any]) -> bytes | None:
    """JSON with one more field at its end; all else stays as it stands. None where it is no object.

    >>> spliced(b'{"a": 1.0 }', {"flag": True})
    b'{"a": 1.0 ,"llmood":{"flag":true}}'
    """
    begun = text.strip(_SPACE)
    if not (begun.startswith(b"{") and begun.endswith(b"}") and len(begun) > 1):
        return None
    end = text.rindex(b"}")
    comma = b"" if begun[1:-1].strip(_SPACE) == b"" else b","
    field = json.dumps({FIELD: value}, allow_nan=False, separators=(",", ":")).encode("ascii")[1:-1]
    return text[:end] + comma + field + text[end:]


def data_of(event: bytes) -> bytes | None:
    r"""What an event of one line of data says; None for comments and all else.

    >>> data_of(b": still there\n\n"), data_of(b'data: {"a": 1}\n\n')
    (None, b'{"a": 1}')
    """
    place = _place_of_data(event)
    return None if place is None else event[place].strip(_SPACE)


def spliced_event(event: bytes, value: Mapping[str, Any]) -> bytes | None:
    r"""An event whose data has one more field; None where its data is no object.

    >>> spliced_event(b'data: {"a": 1}\n\n', {"flag": None})
    b'data: {"a": 1,"llmood":{"flag":null}}\n\n'
    """
    place = _place_of_data(event)
    more = None if place is None else spliced(event[place], value)
    return None if place is None or more is None else event[: place.start] + more + event[place.stop :]


def _place_of_data(event: bytes) -> slice | None:
    found = [line for line in _LINE.finditer(event) if line.group().startswith(b"data:")]
    return slice(found[0].start() + len(b"data:"), found[0].end()) if len(found) == 1 else None


def object_of(text: bytes | None) -> dict[str, Any] | None:
    """A JSON object, or None where it is none: it comes from a server that may say anything."""
    if text is None:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


class Events:
    """Cuts a stream of server-sent events between them; nothing is left out and nothing added."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._looked = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The events that have come to their end, each with the blank line after it."""
        self._rest += piece
        begun = 0
        while found := _BLANK_LINE.search(self._rest, max(begun, self._looked)):
            yield bytes(self._rest[begun : found.end()])
            begun = self._looked = found.end()
        del self._rest[:begun]
        self._looked = max(0, len(self._rest) - 2)  # a blank line may have begun
        if len(self._rest) > MOST_EVENT:
            yield self.rest()

    def rest(self) -> bytes:
        """What has no end."""
        rest, self._rest, self._looked = bytes(self._rest), bytearray(), 0
        return rest
