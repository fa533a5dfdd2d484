"""Derived prompts as text, and what each of them shows."""

from __future__ import annotations

import pytest

from llmood.errors import UnknownNameError
from llmood.prompting.base import Material, Shot, Turns, template_of
from llmood.prompting.confidence import CONFIDENCE
from llmood.prompting.judge import JUDGE
from llmood.prompting.p_true import P_TRUE
from llmood.prompting.p_true_few_shot import P_TRUE_FEW_SHOT
from llmood.prompting.p_true_sampled import P_TRUE_SAMPLED
from llmood.records import Message

PROMPT = (Message("user", "Q: Where is Bergen?\nA:"),)


def test_without_a_template_an_answer_stands_right_behind_its_prompt() -> None:
    turns = CONFIDENCE.make(Material(PROMPT, " Norway"))
    assert turns.text.startswith("Q: Where is Bergen?\nA: Norway\n\nHow likely")
    assert turns.text.endswith("\nConfidence:")
    assert [message.role for message in turns.messages] == ["user", "assistant", "user"]


def test_turns_of_one_message_are_that_message_and_the_lead() -> None:
    assert Turns((Message("user", "Say A."),), "Here:").text == "Say A.\nHere:"


def test_the_question_is_the_last_turn_s() -> None:
    chat = (Message("user", "one?"), Message("assistant", "1"), Message("user", " two? "))
    assert Material(chat).question == "two?"
    assert Material(()).question == ""


def test_p_true_shows_question_answer_and_two_letters() -> None:
    text = P_TRUE.make(Material(PROMPT, " Norway \n")).text
    assert "Possible answer: Norway\n" in text
    assert "A) True\nB) False\n" in text
    assert text.endswith("is:\n")  # the letter is a token of its own, with no space before it


def test_shots_stand_before_the_question_each_with_its_letter() -> None:
    shots = (Shot("2 + 2?", "4", True), Shot("3 + 3?", "7", False))
    turns = P_TRUE_FEW_SHOT.make(Material(PROMPT, " Norway \n", shots=shots))
    choice = """Is the possible answer true or false?
A) True
B) False
Reply with the letter A or B alone.
"""
    assert turns.text == (
        f"Question: 2 + 2?\nPossible answer: 4\n{choice}The possible answer is:\nA\n\n"
        f"Question: 3 + 3?\nPossible answer: 7\n{choice}The possible answer is:\nB\n\n"
        f"Question: Q: Where is Bergen?\nA:\nPossible answer: Norway\n{choice}The possible answer is:\n"
    )
    (turn,) = turns.messages
    assert turn.role == "user"
    assert turns.text.removesuffix("\nThe possible answer is:\n") == turn.content
    assert (
        P_TRUE_FEW_SHOT.make(Material(PROMPT, "Norway")).text == P_TRUE.make(Material(PROMPT, "Norway")).text
    )


def test_brainstormed_answers_are_each_there_once_and_the_answer_is_one_of_them() -> None:
    text = P_TRUE_SAMPLED.make(Material(PROMPT, "Norway", ("Sweden", "Norway", "Finland"))).text
    assert "Brainstormed answers:\nSweden\nNorway\nFinland\nPossible answer: Norway\n" in text
    assert "Sweden\nNorway\nPossible" in P_TRUE_SAMPLED.make(Material(PROMPT, "Norway", ("Sweden",))).text


def test_a_judge_sees_every_right_answer() -> None:
    text = JUDGE.make(Material(PROMPT, "Norway", references=("Norway", " Norge"))).text
    assert "- Norway\n- Norge\n" in text


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="no template 'p_true@99'"):
        template_of("derived:p_true@99")
