"""The choice that an answer names, by letter or by words."""

from __future__ import annotations

import pytest

from llmood.judging.multiple_choice import (
    NAMES_NONE,
    NAMES_SEVERAL,
    NO_RIGHT_CHOICE,
    TWO_RIGHT_CHOICES,
    multiple_choice,
    named_choices,
)

CHOICES = ["Paris", "London", "light yellow", "yellow"]


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ("B", {1}),
        ("b", {1}),
        ("B.", {1}),
        ("(B)", {1}),
        ("B) London", {1}),
        ("B\nQuestion: what else", {1}),
        ("The answer is B because", {1}),
        ("I think (C)", {2}),
        ("Option A", {0}),
        ("London", {1}),
        ("It is London.", {1}),
        ("light yellow", {2}),  # not yellow as well
        ("yellow, or light yellow", {2, 3}),
        ("Answer: B or C", {1, 2}),
        ("A and B", {0, 1}),
        ("B. It isn't Paris", {0, 1}),
        ("A dog", set()),
        ("The answer is A dog", set()),
        ("I am not sure", set()),
        ("Z", set()),
        ("", set()),
    ],
)
def test_named_choices(answer: str, named: set[int]) -> None:
    assert named_choices(answer, CHOICES) == named


@pytest.mark.parametrize("reference", ["B", "London", " london "])
def test_a_reference_is_a_letter_or_the_words(reference: str) -> None:
    assert multiple_choice("(B)", [reference], CHOICES) == (True, 1.0, None)
    assert multiple_choice("A", [reference], CHOICES) == (False, 0.0, None)


def test_naming_several_or_none_is_wrong_and_says_so() -> None:
    assert multiple_choice("Paris or London", ["B"], CHOICES) == (False, 0.0, NAMES_SEVERAL)
    assert multiple_choice("Rome", ["B"], CHOICES) == (False, 0.0, NAMES_NONE)


def test_what_it_is_undefined_for() -> None:
    assert multiple_choice("B", ["B"], []).correct is None
    assert multiple_choice("B", [], CHOICES).correct is None
    assert multiple_choice("B", ["Rome"], CHOICES) == (None, None, NO_RIGHT_CHOICE)
    assert multiple_choice("B", ["A"], ["B", "A"]) == (None, None, TWO_RIGHT_CHOICES)
    assert multiple_choice("", ["B"], CHOICES)[:2] == (False, 0.0)


def test_choices_in_another_script() -> None:
    choices = ["Москва", "Киев"]
    assert multiple_choice("Это Киев.", ["Киев"], choices).correct is True
    assert multiple_choice("Москва", ["B"], choices).correct is False


def test_choices_with_the_same_words_are_one() -> None:
    assert multiple_choice("B", ["A"], ["x", "x"]).correct is True


def test_several_references() -> None:
    assert multiple_choice("C", ["B", "C"], CHOICES).correct is True
