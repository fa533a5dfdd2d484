"""The words of a question, and the question without one of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.serve.explaining import Span, spans_of, without


def words(text: str, most: int = 40) -> list[str]:
    return [text[span.start : span.end] for span in spans_of(text, most)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  \n ", []),
        ("one", ["one"]),
        (" two  words ", ["two", "words"]),
        ("<b>bold</b> it's", ["<b>bold</b>", "it's"]),
        ("我的卡 lost", ["我", "的", "卡", "lost"]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_many_words_are_even_groups() -> None:
    text = " ".join(f"w{i}" for i in range(100))
    groups = words(text)
    assert len(groups) == 40
    assert " ".join(groups) == text
    assert {len(group.split()) for group in groups} == {2, 3}


@given(st.text(max_size=200), st.integers(1, 5))
def test_spans_cover_all_that_is_not_blank_and_don_t_overlap(text: str, most: int) -> None:
    spans = spans_of(text, most)
    assert len(spans) <= most
    edges = [edge for span in spans for edge in (span.start, span.end)]
    assert edges == sorted(edges)
    between = (
        [text[: edges[0]], *(text[a:b] for a, b in zip(edges[1::2], edges[2::2], strict=False))]
        if edges
        else [text]
    )
    assert not "".join(between).strip()
    for span in spans:
        assert len(without(text, span)) < len(text)


def test_a_word_goes_with_its_space() -> None:
    assert without("a  b c", Span(3, 4)) == "a  c"
    assert without("a b", Span(2, 3)) == "a"
    assert without("a", Span(0, 1)) == ""
