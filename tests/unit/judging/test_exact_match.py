"""Exact match with SQuAD's normalisation."""

from __future__ import annotations

import pytest

from llmood.judging.exact_match import exact_match, normalise


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  Eiffel-Tower!", "eiffeltower"),  # punctuation goes before words are told apart
        ("a cat and an owl", "cat and owl"),
        ("Theatre", "theatre"),  # an article is a whole word
        (" ,. ", ""),
    ],
)
def test_normalise(text: str, expected: str) -> None:
    assert normalise(text) == expected


def test_exact_match() -> None:
    assert exact_match(" The Hague.", ["Paris", "hague"]) is True
    assert exact_match("The Hague, Netherlands", ["hague"]) is False
    assert exact_match("anything", []) is None


def test_what_normalises_to_nothing_is_compared_as_it_stands() -> None:
    assert exact_match("", ["the"]) is False
    assert exact_match("...", ["+"]) is False
    assert exact_match(" + ", ["+"]) is True
    assert exact_match("", [""]) is False
