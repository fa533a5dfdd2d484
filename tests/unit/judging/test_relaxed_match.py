"""Relaxed match: within five per cent of a number, word for word otherwise."""

from __future__ import annotations

import pytest

from llmood.judging.relaxed_match import is_within, relaxed_match


@pytest.mark.parametrize(
    ("answer", "reference", "right"),
    [
        ("105", "100", True),  # |105 − 100| = 5 = 0.05 · 100
        ("95", "100", True),
        ("105.1", "100", False),
        ("94.9", "100", False),
        (
            "-95",
            "-100",
            True,
        ),  # of |reference|: the published code divides by −100, and takes anything below it
        ("-300", "-100", False),
        ("0", "0", True),
        ("0.01", "0", False),  # 5 % of 0 is 0
        ("The value is about 4.1.", "4.0", True),
        ("60 %", "0.61", True),
        ("1950", "2019", True),  # a year is a number
        ("12,500", "12500", True),
        ("twelve", "12", False),
        ("Brazil", "brazil.", True),
        ("Brazil", "Chile", False),
        ("Q3 2020", "Q3 2021", False),  # no number alone: word for word
        ("Q3 2021", "Q3 2021", True),
        ("3 of 4", "3/4", False),
    ],
)
def test_hand_worked(answer: str, reference: str, right: bool) -> None:
    assert relaxed_match(answer, [reference]).correct is right


def test_any_reference_will_do() -> None:
    assert relaxed_match("Chile", ["12", "Chile"]).correct
    assert relaxed_match("12.5", ["Chile", "12"]).correct
    assert not relaxed_match("13", ["Chile", "12"]).correct


def test_the_share_is_an_argument() -> None:
    assert relaxed_match("110", ["100"], tolerance=0.1).correct
    assert not relaxed_match("101", ["100"], tolerance=0.0).correct
    for tolerance in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="tolerance"):
            relaxed_match("1", ["1"], tolerance=tolerance)


def test_is_within() -> None:
    assert is_within(1.05, 1.0, 0.0501)
    assert not is_within(1.06, 1.0, 0.05)
    assert is_within(-2.0, -2.0, 0.0)
