"""Where sentences end, and where a full stop ends none."""

from __future__ import annotations

import pytest

from llmood.judging.equivalence.sentences import sentences


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        (
            "Dr. J. Smith paid 3.50 to Acme Inc. in May. He left.",
            ["Dr. J. Smith paid 3.50 to Acme Inc. in May.", "He left."],
        ),
        ("“Go.” She went (at last.) Then… nothing.", ["“Go.”", "She went (at last.)", "Then…", "nothing."]),
        ("1. First\n2. Second\n\nDone", ["1. First", "2. Second", "Done"]),
        ("今日は晴れ。明日は雨？「はい。」", ["今日は晴れ。", "明日は雨？", "「はい。」"]),
        ("यह एक है। वह दो है।", ["यह एक है।", "वह दो है।"]),
        ("نعم. هل هذا صحيح؟ لا", ["نعم.", "هل هذا صحيح؟", "لا"]),
        ("... !! \n —", []),
        ("", []),
        ("no full stop", ["no full stop"]),
        ("v1.2 of a.b/c.d", ["v1.2 of a.b/c.d"]),
        ("It is 5 p.m. now. Yes.", ["It is 5 p.m. now.", "Yes."]),
    ],
)
def test_sentences(text: str, found: list[str]) -> None:
    assert sentences(text) == found


@pytest.mark.parametrize("text", ["A b. C d! E. f", "…a\n\nb…c.", "x. . . y"])
def test_no_word_is_lost(text: str) -> None:
    letters = [letter for letter in text if letter.isalnum()]
    assert [letter for part in sentences(text) for letter in part if letter.isalnum()] == letters
