"""A field that is spliced in changes nothing beside it, wherever a stream is cut."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.serve.answers import RequestError
from llmood.serve.proxy_questions import Heard
from llmood.serve.proxy_splice import MOST_EVENT, Events, data_of, object_of, spliced, spliced_event
from llmood.serve.proxy_streams import marked_first, marked_last

DECISION: dict[str, Any] = {"flag": True, "reason": "half a pair \ud800 ü }"}
FIELD = json.dumps(DECISION, separators=(",", ":")).encode()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda own: st.lists(own) | st.dictionaries(st.text(), own),
)
LINES = st.sampled_from(
    [
        b"data: {}",
        b'data: {"a": 1.0}',
        b"data:{",
        b": note",
        b"event: x",
        b"",
        b"data: [DONE]",
        b"\xff",
        b"id",
    ]
)
STREAMS = st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n", b"\r"]))).map(
    lambda lines: b"".join(line + end for line, end in lines)
)


@given(st.dictionaries(st.text(), VALUES), st.sampled_from(["", " ", "\n\t "]), st.booleans())
def test_a_field_is_added_and_nothing_else(value: dict[str, Any], space: str, indented: bool) -> None:
    text = (space + json.dumps(value, indent=2 if indented else None) + space).encode()
    found = spliced(text, DECISION)
    assert found is not None
    assert json.loads(found) == value | {"llmood": DECISION}
    comma = b"," if value else b""
    assert found.replace(comma + b'"llmood":' + FIELD, b"", 1) == text


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"}", b"1", b'"{}"', b"\xef\xbb\xbf{}", b"[{}]", b"null"])
def test_what_is_no_object_has_no_room(text: bytes) -> None:
    assert spliced(text, DECISION) is None


def test_an_event_with_several_lines() -> None:
    event = b'id: data: {"a": 1}\r\ndata:  {"a": 1} \r\nretry: 3\r\n\r\n'
    assert spliced_event(event, {}) == event.replace(b' {"a": 1} \r', b' {"a": 1,"llmood":{}} \r')
    assert spliced_event(b"data: {}\ndata: {}\n\n", {}) is None
    assert data_of(b"data: {}\ndata: {}\n\n") is None


@pytest.mark.parametrize("text", [None, b"", b"[" * 100_000, b"{", b"\xff", b"[]", b'"a"', b"9" * 5000])
def test_no_object_is_none(text: bytes | None) -> None:
    assert object_of(text) is None


@given(STREAMS, st.integers(1, 40))
def test_events_are_all_of_a_stream_however_it_is_cut(text: bytes, size: int) -> None:
    events = Events()
    cut = [event for piece in cuts(text, size) for event in events.feed(piece)]
    assert b"".join([*cut, events.rest()]) == text
    whole = Events()
    assert cut == list(whole.feed(text))


def cuts(text: bytes, size: int) -> list[bytes]:
    return [text[place : place + size] for place in range(0, len(text), size)]


async def pieces_of(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def judge() -> Mapping[str, Any]:
    return DECISION


def first(pieces: list[bytes]) -> bytes:
    async def run() -> bytes:
        return b"".join([piece async for piece in marked_first(pieces_of(pieces), DECISION)])

    return asyncio.run(run())


def last(pieces: list[bytes], heard: Heard) -> bytes:
    async def run() -> bytes:
        return b"".join([piece async for piece in marked_last(pieces_of(pieces), heard, judge)])

    return asyncio.run(run())


@given(STREAMS, st.integers(1, 40))
def test_a_marked_stream_is_the_stream_however_it_is_cut(text: bytes, size: int) -> None:
    for marked in (first(cuts(text, size)), last(cuts(text, size), Heard("chat"))):
        assert marked.count(FIELD) <= 1
        plain = marked.replace(b',"llmood":' + FIELD, b"").replace(b'"llmood":' + FIELD, b"")
        assert plain == text
    assert first(cuts(text, size)) == first([text])
    assert last(cuts(text, size), Heard("chat")) == last([text], Heard("chat"))


def test_an_error_in_a_stream_is_left_alone() -> None:
    text = b'data: {"error": {"message": "out of memory"}}\n\n'
    assert first([text]) == text
    assert last([text], Heard("chat")) == text


def test_an_event_without_an_end_is_passed_on_or_breaks_off() -> None:
    text = b"data: " + b"x" * (MOST_EVENT + 1)
    assert first([text, b"y\n\n"]) == text + b"y\n\n"
    with pytest.raises(RequestError, match="an event is over"):
        last([text], Heard("chat"))
