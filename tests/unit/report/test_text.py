from __future__ import annotations

import pytest

from llmood.report.text import count, interval, number, percent, score, shorten


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.98123, "0.981"),
        (1.0, "1.000"),
        (0.0, "0.000"),
        (0.99992, "0.9999"),  # not 1.000, which it isn't
        (0.00004, "0.00004"),
        (-0.25, "−0.250"),
        (-1e-12, "0.000000"),
        (0.5, "0.500"),
    ],
)
def test_number(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0716, "7.2"), (0.0, "0.0"), (1.0, "100.0"), (0.00002, "0.002"), (0.99999, "99.999")],
)
def test_percent(value: float, text: str) -> None:
    assert percent(value) == text


def test_intervals_with_a_minus_are_spelled_out() -> None:
    record = {"metric": "auroc_behind_best", "ci_low": -0.1, "ci_high": 0.2}
    assert interval(record) == "−0.100 to 0.200"
    assert interval({"metric": "auroc", "ci_low": 0.978, "ci_high": 0.984}) == "0.978–0.984"
    assert interval({"metric": "auroc", "ci_low": None, "ci_high": None}) is None


def test_counts_and_scores() -> None:
    assert count(10966) == "10\u202f966"
    assert score(-5.89) == "−5.890"
    assert score(float("inf")) == "inf"


def test_shorten_cuts_between_words() -> None:
    assert shorten("short") == "short"
    assert shorten("alpha beta gamma", 12) == "alpha beta…"
    assert shorten("x" * 20, 10) == "x" * 10 + "…"
