"""F1 over words, and the threshold from which on an answer is right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.judging.f1 import f1, token_f1


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        ("the red house", "red house", 1.0),  # the article is no word
        ("a red house by the sea", "red house", 2 * 2 / (4 + 2)),  # red house by sea
        ("red red", "red", 2 * 1 / (2 + 1)),  # a word counts as often as it stands there
        ("blue", "red", 0.0),
        ("東京都", "東京", 2 * 2 / (3 + 2)),
        ("+", "+", 1.0),
        ("+", "red", 0.0),
    ],
)
def test_token_f1(answer: str, reference: str, expected: float) -> None:
    assert token_f1(answer, reference) == pytest.approx(expected)
    assert token_f1(reference, answer) == pytest.approx(expected)


def test_the_best_reference_counts_and_the_threshold_decides() -> None:
    answer, references = "a red house by the sea", ["blue", "red house"]
    assert f1(answer, references) == (True, pytest.approx(2 / 3), None)
    assert f1(answer, references, threshold=0.7) == (False, pytest.approx(2 / 3), None)
    assert (
        f1("red house by the old", ["red boat on the lake"], threshold=0.5).correct is False
    )  # 2·1 / (4 + 4)


def test_exactly_the_threshold_is_right() -> None:
    assert f1("red boat", ["red house"]) == (True, 0.5, None)


def test_what_it_is_undefined_for() -> None:
    assert f1("anything", []).correct is None
    assert f1(" ", ["x"])[:2] == (False, 0.0)


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.5])
def test_a_threshold_that_makes_no_sense(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        f1("x", ["x"], threshold=threshold)


@given(st.text(), st.lists(st.text(), min_size=1, max_size=3))
def test_quality_lies_between_0_and_1_and_is_1_for_the_same_words(answer: str, references: list[str]) -> None:
    judgement = f1(answer, references)
    assert judgement.quality is not None
    assert 0.0 <= judgement.quality <= 1.0
    if answer.strip():
        assert f1(answer, [*references, answer]).quality == 1.0
