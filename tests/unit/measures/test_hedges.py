"""How sure an answer sounds."""

from __future__ import annotations

import pytest

from llmood.measures.hedges import HEDGES, linguistic_confidence


@pytest.mark.parametrize(
    ("text", "confidence"),
    [
        ("Paris", 1.0),
        ("", 1.0),
        ("Probably Paris.", 0.7),
        ("It is probably not Paris", 0.25),
        ("I THINK it's Paris", 0.7),
        ("It\u2019s Paris, I\u2019m\n not sure", 0.3),
        ("Definitely Paris, or perhaps Lyon", 0.5),
        ("highly unlikely", 0.05),
        ("The mayor of Maybeville", 1.0),
        ("a likelihood", 1.0),
    ],
)
def test_the_least_sure_phrase_counts(text: str, confidence: float) -> None:
    assert linguistic_confidence(text) == confidence


def test_every_phrase_of_the_list_is_found_as_itself() -> None:
    for phrase, value in HEDGES.items():
        assert 0.0 <= value <= 1.0
        assert linguistic_confidence(f"well, {phrase}, Paris") == value, phrase
