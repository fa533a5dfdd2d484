"""What a model says of its confidence, read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.measures.stated_confidence import NO_NUMBER, OUT_OF_RANGE, Stated, best_guess, stated_confidence


@pytest.mark.parametrize(
    ("text", "confidence"),
    [
        ("85", 0.85),
        ("85%", 0.85),
        ("85 percent.", 0.85),
        ("85％", 0.85),
        ("85/100", 0.85),
        ("8.5 out of 10", 0.85),
        ("17/20", 0.85),
        ("0.85", 0.85),
        ("0,85", 0.85),
        ("0,850", 0.85),
        ("0.85%", 0.0085),
        ("0", 0.0),
        ("100", 1.0),
        ("1", 0.01),
        ("1.0", 1.0),
        ("٨٥", 0.85),
        ("On a scale from 0 to 100: 85", 0.85),
        ("Confidence (0-100): 85", 0.85),
        ("**Confidence:** 85", 0.85),
        ("First 30. No: 85", 0.85),
        ("Confidence: 30. On reflection, confidence is 85.", 0.85),
        ("I am 85% sure, for 3 reasons", 0.85),
        ("Confidence: 85\nNote 7", 0.85),
        ("The 2nd guess", None),
        ("v1.5x", None),
    ],
)
def test_a_stated_confidence(text: str, confidence: float | None) -> None:
    assert stated_confidence(text).confidence == (None if confidence is None else pytest.approx(confidence))


@pytest.mark.parametrize("text", ["", "very sure", "yes", "0 to 100"])
def test_none_is_none_and_never_0(text: str) -> None:
    assert stated_confidence(text) == Stated(None, NO_NUMBER)


@pytest.mark.parametrize("text", ["120", "-5", "Confidence: -5", "101%", "11/10", "30, then 150", "1,000"])
def test_out_of_range_is_none_whatever_came_before(text: str) -> None:
    assert stated_confidence(text) == Stated(None, OUT_OF_RANGE)


def test_a_number_of_the_answer_is_no_confidence() -> None:
    assert stated_confidence("Answer: 42", named=True) == Stated(None, NO_NUMBER)
    assert stated_confidence("Answer: 42\nConfidence: 7", named=True).confidence == pytest.approx(0.07)
    assert stated_confidence("42, I am 70% sure", named=True).confidence == pytest.approx(0.7)


def test_the_best_guess_counts_wherever_it_stands() -> None:
    assert best_guess("G1: a\nP1: 0.2\nG2: b\nP2: 60%").confidence == pytest.approx(0.6)
    assert best_guess("G1: 7\nG2: 8") == Stated(None, NO_NUMBER)
    assert best_guess("P1: 0.9\nP2: 140") == Stated(None, OUT_OF_RANGE)


@given(st.text(max_size=60))
def test_any_text_gives_a_share_or_a_reason(text: str) -> None:
    for found in (stated_confidence(text), stated_confidence(text, named=True), best_guess(text)):
        if found.confidence is None:
            assert found.reason in (NO_NUMBER, OUT_OF_RANGE)
        else:
            assert 0.0 <= found.confidence <= 1.0
            assert found.reason is None


@given(st.integers(0, 100))
def test_every_number_of_the_scale_is_read(number: int) -> None:
    for text in (f"{number}", f"{number}%", f"Confidence: {number}", f"{number}/100", f"{number / 100:.2f}"):
        assert stated_confidence(text).confidence == pytest.approx(number / 100)
