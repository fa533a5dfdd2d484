"""Yes or no: what an answer says, and what it is judged as."""

from __future__ import annotations

import pytest

from llmood.judging.yes_no import NOT_WANTED, SAYS_BOTH, SAYS_NEITHER, read_yes_no, yes_no


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Yes.", True),
        ("no", False),
        ("TRUE", True),
        ("False!", False),
        ("No, it is true that there are some.", False),  # the first word decides
        ("The statement is true.", True),
        ("The statement is not true.", False),
        ("It isn't correct.", False),
        ("That is not false.", True),
        ("There is no black block, so the statement is true.", True),  # no, there, is no answer
        ("There is no dog in the picture.", False),
        ("The right box holds a yellow one.", None),  # right is a side
        ("Nobody knows.", None),  # and no part of a word
        ("yes and no", None),
        ("It may be true or false.", None),
        ("", None),
    ],
)
def test_what_a_text_says(text: str, says: bool | None) -> None:
    assert read_yes_no(text) is says


def test_words_of_one_meaning_are_one() -> None:
    assert yes_no("True", ["yes"]) == (True, 1.0, None)
    assert yes_no("no", ["false"]) == (True, 1.0, None)
    assert yes_no("yes", ["false", "no"]) == (False, 0.0, None)


def test_neither_and_both_are_wrong_and_say_so() -> None:
    assert yes_no("a dog", ["no"]) == (False, 0.0, SAYS_NEITHER)
    assert yes_no("yes and no", ["no"]) == (False, 0.0, SAYS_BOTH)


@pytest.mark.parametrize("references", [["a dog"], ["yes", "no"]])
def test_a_reference_that_is_neither(references: list[str]) -> None:
    assert yes_no("yes", references) == (None, None, NOT_WANTED)
