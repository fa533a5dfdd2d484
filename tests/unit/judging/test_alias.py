"""A reference within a longer answer."""

from __future__ import annotations

import pytest

from llmood.judging.alias import CONTAINED, alias


@pytest.mark.parametrize(
    ("answer", "correct", "reason"),
    [
        ("Paris", True, None),
        ("It is the city of Paris, of course.", True, CONTAINED),
        ("New York City", True, CONTAINED),
        ("Parisian", False, None),  # whole words
        ("York, new", False, None),  # in their order
        ("答えは東京です", True, CONTAINED),
        ("京東", False, None),
    ],
)
def test_alias(answer: str, correct: bool, reason: str | None) -> None:
    assert alias(answer, ["paris", "New York", "東京"]) == (correct, float(correct), reason)


def test_a_reference_of_punctuation_is_held_by_nothing() -> None:
    assert alias("Paris", ["+"]).correct is False
    assert alias("+", ["+"]).correct is True


def test_what_it_is_undefined_for() -> None:
    assert alias("x", []).correct is None
    assert alias(" ", ["x"])[:2] == (False, 0.0)
