"""The last number of an answer, and whether it is the reference's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.judging.numeric_match import NO_NUMBER, NO_NUMBER_WANTED, numeric_match, read_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18", 18.0),
        ("so 3 + 4 is 7.", 7.0),
        ("The total is $1,234.50.", 1234.5),
        ("1,000,000 people", 1_000_000.0),
        ("1,2345", 2345.0),  # no thousands: two numbers
        ("3,5", 5.0),
        ("1'234 francs", 1234.0),
        ("1\u202f234", 1234.0),
        ("1 234", 234.0),  # a plain space ends a number
        ("\u22123", -3.0),
        ("-$5", -5.0),
        ("10-5", 5.0),  # a minus behind a digit is no sign
        ("(-4)", -4.0),
        ("1e-3", 0.001),
        (".5", 0.5),
        ("3/4", 0.75),
        ("1 3/4 cups", 1.75),
        ("2½", 2.5),
        ("⅓", 1 / 3),
        ("5 km", 5.0),
        ("5km", 5.0),
        ("٣٤٫٥", 34.5),
        ("１２", 12.0),
        ("3/4/2020", 2020.0),  # a date
        ("version 1.2.3", 1.2),
    ],
)
def test_read_number(text: str, value: float) -> None:
    found = read_number(text)
    assert found is not None
    assert found.value == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "no", "x2", "10²", "7/0", "-", "%"])
def test_no_number(text: str) -> None:
    assert read_number(text) is None


@pytest.mark.parametrize(
    ("answer", "reference", "correct"),
    [
        ("18.0", "18", True),
        ("18.5", "18", False),
        ("60 %", "60", True),  # only one of them says percent: 60 or 0.6
        ("60%", "0.6", True),
        ("60", "60 %", True),
        ("0.6", "60 percent", True),
        ("0.6 %", "60 %", False),  # both do: as written
        ("0.75", "3/4", True),
        ("0", "0", True),
        ("0.001", "0", False),
    ],
)
def test_numeric_match(answer: str, reference: str, correct: bool) -> None:
    assert numeric_match(answer, [reference])[:2] == (correct, float(correct))


def test_the_tolerance_is_a_share_of_the_reference() -> None:
    assert numeric_match("1009", ["1000"], tolerance=0.01).correct is True
    assert numeric_match("1011", ["1000"], tolerance=0.01).correct is False
    assert numeric_match("-1009", ["-1000"], tolerance=0.01).correct is True
    assert numeric_match("0.005", ["0"], tolerance=0.01).correct is True
    assert numeric_match("20001", ["20000"]).correct is False


def test_it_says_how_it_read_and_never_what() -> None:
    assert numeric_match("first 3, then 45 %", ["45"]).reason == "read the last of 2 numbers, a percentage"
    assert numeric_match("3/4", ["45"]).reason == "read one number, a fraction"


def test_what_it_is_undefined_for_and_what_is_wrong() -> None:
    assert numeric_match("1", []).correct is None
    assert numeric_match("1", ["none"]) == (None, None, NO_NUMBER_WANTED)
    assert numeric_match("1", ["none", "1"]).correct is True
    assert numeric_match("dunno", ["1"]) == (False, 0.0, NO_NUMBER)
    assert numeric_match("", ["1"])[:2] == (False, 0.0)


@given(st.integers(-(10**12), 10**12))
def test_a_whole_number_is_read_however_it_is_grouped(number: int) -> None:
    for written in (str(number), f"{number:,}", f"is {number:,}.", f"{number}.0"):
        found = read_number(written)
        assert found is not None
        assert found.value == number
        assert numeric_match(written, [str(number)], tolerance=0.0).correct is True


@given(st.text())
def test_any_text_is_read_or_not(text: str) -> None:
    found = read_number(text)
    assert found is None or abs(found.value) < float("inf")
