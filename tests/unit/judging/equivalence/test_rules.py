"""Rules of equivalence: truth tables, what is asked of the model, and what is remembered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from llmood.engines.store import Store
from llmood.judging.equivalence.rules import AnswerPair, ExactRule, NliRule, NumericRule
from llmood.judging.equivalence.verdicts import Verdicts
from llmood.measures.nli import equivalent, undecided
from tests.nli_models import labelled

NO, MAYBE, YES = 0, 1, 2


@pytest.mark.parametrize(
    ("mode", "same"),
    [
        ("strict", {(YES, YES)}),
        ("lax", {(YES, YES), (YES, MAYBE), (MAYBE, YES)}),
    ],
)
def test_which_labels_mean_that_two_answers_say_the_same(mode: str, same: set[tuple[int, int]]) -> None:
    forward, backward = np.meshgrid([NO, MAYBE, YES], [NO, MAYBE, YES], indexing="ij")
    forward, backward = forward.ravel(), backward.ravel()
    strict = mode == "strict"
    found = equivalent(forward, backward, strict=strict)
    assert set(zip(forward[found].tolist(), backward[found].tolist(), strict=True)) == same
    # Where the way back isn't read, it could have changed nothing.
    assert not found[~undecided(forward, strict=strict)].any()


class Judge:
    """Verdicts from a table of premise and hypothesis; neutral where it has none."""

    def __init__(self, known: dict[tuple[str, str], int]) -> None:
        self.known = known
        self.asked: list[tuple[str, str]] = []

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        self.asked += pairs
        return np.array([labelled(self.known.get(pair, MAYBE)) for pair in pairs], dtype=np.float32)


def pair(first: str, second: str, question: str = "q") -> AnswerPair:
    return AnswerPair(question, first, second)


def test_the_way_back_is_read_only_where_it_decides() -> None:
    judge = Judge({("q a", "q b"): YES, ("q b", "q a"): YES, ("q a", "q c"): YES, ("q a", "q d"): NO})
    rule = NliRule(Verdicts(judge, {"engine": "test"}, Store()))
    assert rule.same([pair("a", "b"), pair("a", "c"), pair("a", "d")]) == [True, False, False]
    assert judge.asked == [("q a", "q b"), ("q a", "q c"), ("q a", "q d"), ("q b", "q a"), ("q c", "q a")]


def test_without_the_question_the_answers_stand_alone() -> None:
    judge = Judge({("a", "b"): YES, ("b", "a"): YES})
    assert NliRule(Verdicts(judge, {"engine": "test"}, Store()), question=False).same([pair("a", "b")]) == [
        True
    ]


def test_a_pair_is_asked_once_also_by_a_later_run() -> None:
    judge, store = Judge({("a", "b"): YES}), Store()
    first = Verdicts(judge, {"engine": "test"}, store)
    given = first.of([("a", "b"), ("a", "b"), ("b", "a")])
    assert given.tolist() == [[0, 0, 1], [0, 0, 1], [0, 1, 0]]
    assert (first.of([("b", "a")]).tolist(), first.asked, len(judge.asked)) == ([[0, 1, 0]], 2, 2)
    first.flush()
    later = Verdicts(judge, {"engine": "test"}, store)
    assert (later.of([("a", "b"), ("b", "a")]).tolist(), later.asked) == ([[0, 0, 1], [0, 1, 0]], 0)
    other = Verdicts(judge, {"engine": "another"}, store)
    assert (other.of([("a", "b")]).tolist(), other.asked) == ([[0, 0, 1]], 1)


def test_where_one_text_ends_decides_too() -> None:
    judge = Judge({("ab", "c"): YES})
    verdicts = Verdicts(judge, {"engine": "test"}, Store())
    assert verdicts.of([("ab", "c"), ("a", "bc")]).argmax(axis=1).tolist() == [YES, MAYBE]


def test_exact_is_the_same_words() -> None:
    pairs = [pair("The red one.", "red one"), pair("red", "blue"), pair("+", "+"), pair("+", "-")]
    assert ExactRule().same(pairs) == [True, False, True, False]
    assert ExactRule().entailment(pairs).tolist() == [[0, 1], [1, 0], [0, 1], [1, 0]]


def test_numeric_is_the_same_last_number() -> None:
    told = [
        *(
            ("3 + 4 = 7\nA: 7", "It is $7.00."),
            ("7", "8"),
            ("half", "The half!"),
            ("half", "none"),
            ("7", "seven"),
        ),
        *(("60 %", "0.6"), ("0.6", "60 %"), ("1,000", "1000"), ("7 of 9", "9 of 7")),
    ]
    expected = [True, False, True, False, False, True, True, True, False]
    assert NumericRule().same([pair(*both) for both in told]) == expected
    assert NumericRule().entailment([pair("7", "7.0"), pair("7", "8")]).tolist() == [[0, 1], [1, 0]]
    assert NumericRule().identity != ExactRule().identity
