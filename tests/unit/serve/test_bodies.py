"""The JSON of requests: bounded before it is read, and one line where it is none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.serve.answers import RequestError
from llmood.serve.bodies import depth_of, parse_json

LEAVES = st.none() | st.booleans() | st.integers() | st.text()
VALUES = st.recursive(
    LEAVES, lambda own: st.lists(own, max_size=3) | st.dictionaries(st.text(), own, max_size=3)
)


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@given(VALUES, st.booleans())
def test_depth_is_that_of_the_value_whatever_stands_in_its_texts(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert depth_of(text, 1000) == depth(value)


@given(st.binary())
def test_any_bytes_are_a_value_or_one_line(body: bytes) -> None:
    error = None
    try:
        parse_json(body, 64)
    except RequestError as raised:
        error = raised
    assert error is None or (error.status == 400 and "\n" not in error.message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is no JSON: expecting value (line 1, column 1)"),
        (b"{", "the body is no JSON: expecting property name enclosed in double quotes (line 1, column 2)"),
        (b'{"a": NaN}', "the body is no JSON: NaN is no number of JSON"),
        (b"\xff\xfe\xfa", "the body is not UTF-8"),
        (b'{"a": 1e999}', "the body holds a number that is too large: 1e999"),
        (b'{"a": {"text": 1, "b": 2, "text": 3}}', "the body holds the key 'text' twice in one object"),
        (b'{"a": 1, "\\u0061": 1}', "the body holds the key 'a' twice in one object"),
        (b"9" * 5000, "the body holds a number of thousands of digits"),
        ("[1]".encode("utf-16-be"), "the body is no JSON: expecting value (line 1, column 1)"),
        (b"[" * 1_000_000, "the body is nested deeper than 64 levels"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "the body is nested deeper than 64 levels"),
    ],
)
def test_what_is_wrong_is_said(body: bytes, message: str) -> None:
    with pytest.raises(RequestError) as error:
        parse_json(body, 64)
    assert error.value.message == message


def test_a_number_of_thousands_of_digits_is_no_bug() -> None:
    with pytest.raises(RequestError):
        parse_json(b"9" * 10_000, 64)
