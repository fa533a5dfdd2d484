"""Scorers of the given answer beside the draws, of the tokens that matter, and of long answers: by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from llmood.engines.captures import EQUIVALENCE
from llmood.scorers.base import scorers
from tests.answering import Inference, Said, Sample, scored

LOG2 = math.log(2)
# Two tokens: the probability of "red" is 1/4, 1/2 a token; the others have 1/4 a token.
RED = Said("red", (-LOG2, -LOG2), (1.0, 2.0))
BLUE = Said("blue", (-2 * LOG2,), (1.0,))
GREEN = Said("green", (-2 * LOG2,), (1.0,))
SAMPLES: list[Sample] = [
    (RED, [RED, RED, Said("The red!", (-LOG2, -LOG2)), RED]),
    (RED, [RED, RED, BLUE, BLUE]),
    (RED, [BLUE, GREEN, BLUE, GREEN]),
]
HAND = {
    "self_consistency.answer": (0.0, 0.5, 1.0),
    "cocoa.msp": (0.0, 0.5 * 2 * LOG2, 2 * LOG2),
    "cocoa.ppl": (0.0, 0.5 * LOG2, LOG2),
    "cocoa.mte": (0.0, 0.5 * 1.5, 1.5),
    # Different references: red, which weighs 1/2, and what else was drawn, 1/4 each, as far off as can be.
    "semantic_density": (0.0, 1 / 3, 1 / 2),
}
BY_ANSWER = [
    name
    for name, entry in scorers
    if {"response", "generations", EQUIVALENCE} <= {spec.kind for spec in entry.make().needs}
]


@pytest.mark.parametrize("name", HAND)
def test_by_hand(name: str) -> None:
    assert np.allclose(scored(name, SAMPLES).values, HAND[name], atol=1e-6)


def test_all_of_them_are_looked_at() -> None:
    assert set(BY_ANSWER) == set(HAND)


@pytest.mark.parametrize("name", BY_ANSWER)
def test_one_draw_is_enough_and_a_draw_without_words_is_none(name: str) -> None:
    empty = Said(" ", (-LOG2,))
    alone, beside = scored(name, [(RED, [BLUE, empty]), (RED, [BLUE, BLUE])]).values
    assert alone == pytest.approx(beside)
    (once,) = scored(name, [(RED, [BLUE])]).values
    assert once == pytest.approx(beside)


@pytest.mark.parametrize("name", BY_ANSWER)
def test_what_cannot_be_scored_says_why(name: str) -> None:
    empty = Said("  ", (-LOG2,), (1.0,))
    column = scored(
        name,
        [
            (None, [RED, BLUE]),
            (RED, None),
            (empty, [RED, BLUE]),
            (RED, [empty, empty]),
            (RED, [RED, BLUE]),
        ],
    )
    assert list(column.status) == ["failed", "failed", "unscored", "unscored", "ok"]
    assert list(column.reasons) == ["broke", "broke", "empty answer", "every draw is empty", None]


@pytest.mark.parametrize(
    ("name", "of_answer", "of_draws"),
    [
        ("self_consistency.answer", None, None),
        ("cocoa.msp", "the answer has no log-probabilities", None),
        ("cocoa.ppl", "the answer has no log-probabilities", None),
        ("cocoa.mte", None, None),
        (
            "semantic_density",
            "the answer has no log-probabilities",
            "some draws have no log-probabilities",
        ),
    ],
)
def test_missing_log_probabilities_matter_to_those_that_read_them(
    name: str, of_answer: str | None, of_draws: str | None
) -> None:
    silent = Said("red", None, (1.0, 2.0))
    column = scored(name, [(silent, [RED, BLUE]), (RED, [RED, Said("blue", None)])])
    assert list(column.reasons) == [of_answer, of_draws]


def test_missing_entropies_matter_to_their_mean() -> None:
    column = scored("cocoa.mte", [(Said("red", (-LOG2,)), [RED, BLUE]), (RED, [RED, BLUE])])
    assert list(column.reasons) == ["the answer has no token entropies", None]


def test_an_answer_without_doubt_or_without_distance_has_no_uncertainty() -> None:
    sure = Said("red", (0.0, -0.0), (0.0, 0.0))
    for name in ("cocoa.msp", "cocoa.ppl", "cocoa.mte"):
        column = scored(name, [(sure, [BLUE, BLUE]), (Said("red", (-math.inf,), (1.0,)), [RED, RED])])
        assert column.values.tolist() == [0.0, 0.0]


THERE, BACK = ("red", "blue"), ("blue", "red")


def test_a_density_is_read_from_the_answer_to_the_draw_and_a_similarity_both_ways() -> None:
    nli = Inference({THERE: (0.25, 0.5, 0.25), BACK: (0.0, 0.25, 0.75)})
    # d² = 0.25 + 0.5 / 2 = 0.5; the answer weighs 1/2, the draw 1/4: 1 − (1/2 + 1/8) / (3/4).
    (density,) = scored("semantic_density", [(RED, [BLUE, BLUE])], nli=nli).values
    assert density == pytest.approx(1 / 6, abs=1e-6)
    (product,) = scored("cocoa.ppl", [(RED, [BLUE, RED])], nli=nli).values
    assert product == pytest.approx(LOG2 * (1 - 0.5) / 2, abs=1e-6)


def test_of_draws_with_the_same_words_the_likeliest_is_the_reference() -> None:
    nli = Inference({THERE: (0.0, 1.0, 0.0)})
    other = Said("blue", (-LOG2,))
    (one,) = scored("semantic_density", [(RED, [BLUE, other])], nli=nli).values
    (turned,) = scored("semantic_density", [(RED, [other, BLUE])], nli=nli).values
    # Answer and draw weigh 1/2 each; half of the draw's weight is near.
    assert one == turned == pytest.approx(1 / 4, abs=1e-6)


# ------------------------------------------------------------------------------------------------- tokens that matter

AB = Said("ab", (-LOG2, -2 * LOG2, -9.0))  # its end adds no word, and so no surprise


def test_a_token_weighs_what_the_answer_loses_without_it() -> None:
    assert scored("token_sar", [(AB, None)]).values[0] == pytest.approx(1.5 * LOG2)
    # Without "a" half of it is left, without "b" all.
    nli = Inference(
        {
            ("ab", "b"): (0, 0.5, 0.5),
            ("b", "ab"): (0, 0.5, 0.5),
            ("ab", "a"): (0, 0, 1),
            ("a", "ab"): (0, 0, 1),
        }
    )
    assert scored("token_sar", [(AB, None)], nli=nli).values[0] == pytest.approx(LOG2)
    assert len(nli.asked) == 4


def test_an_answer_of_one_token_is_all_that_matters() -> None:
    assert scored("token_sar", [(Said("a", (-LOG2, -5.0)), None)]).values[0] == pytest.approx(LOG2)


def test_answers_whose_tokens_say_nothing_are_not_weighed() -> None:
    column = scored("token_sar", [(None, None), (Said("", (-1.0,)), None), (Said("ab", None), None)])
    assert list(column.reasons) == ["broke", "empty answer", "the answer has no log-probabilities"]
    assert list(column.status) == ["failed", "unscored", "unscored"]


def test_sar_is_of_relevant_tokens_and_alike_draws() -> None:
    cd = Said("cd", (-LOG2, -LOG2, -3.0))
    apart = scored("sar", [(None, [AB, cd])]).values[0]
    assert apart == pytest.approx((1.5 * LOG2 + LOG2) / 2)
    alike = scored("sar", [(None, [cd, cd])]).values[0]
    assert alike == pytest.approx(-math.log(0.5 + 0.5 / 0.001))


# ---------------------------------------------------------------------------------------------------- long answers

LONG = [Said("A red sun. A blue sky."), Said("A red sun. A green sky.")]


def test_a_sentence_that_another_draw_shares_is_supported() -> None:
    assert scored("luq", [(None, LONG)]).values[0] == pytest.approx(0.5)


def test_support_is_entailment_where_neutral_is_left_out() -> None:
    known = {
        ("A red sun. A green sky.", "A blue sky."): (0.6, 0.2, 0.2),
        ("A red sun. A blue sky.", "A green sky."): (0.1, 0.6, 0.3),
    }
    nli = Inference(known)
    # Of the first draw (1 + 1/4) / 2 is supported, of the second (1 + 3/4) / 2.
    assert scored("luq", [(None, LONG)], nli=nli).values[0] == pytest.approx(0.25)
    assert sorted(nli.asked) == sorted(known)


def test_a_model_that_knows_no_contradiction_supports_as_far_as_it_entails() -> None:
    known = {("A red sun. A green sky.", "A blue sky."): (0.0, 0.8, 0.2)}
    # Of the first draw 1 and 0.2 are supported, of the second 1 and 0.
    found = scored("luq", [(None, LONG)], nli=Inference(known, contradicts=False)).values[0]
    assert found == pytest.approx(0.45)


def test_the_question_is_not_read_with_sentences() -> None:
    nli = Inference()
    rule = {"rule": "nli", "mode": "strict", "question": True}
    column = scored("luq", [(None, LONG)], nli=nli, equivalence=rule)
    assert not any("question" in text for pair in nli.asked for text in pair)
    assert column.definition == "equivalence: rule=nli, mode=strict, question=False"


def test_draws_without_words_support_nothing_and_have_no_say() -> None:
    empty, mute = Said(" "), Said("…")
    values = scored("luq", [(None, [*LONG, empty]), (None, [*LONG, LONG[0]])]).values
    assert values[0] == pytest.approx(0.5)
    # Two of three say the same: of each (1 + 1/2) / 2 is supported, of the other (1 + 0) / 2.
    assert values[1] == pytest.approx(1 - (0.75 + 0.75 + 0.5) / 3)
    column = scored("luq", [(None, [mute, mute])])
    assert list(column.reasons) == ["not defined for these answers"]
