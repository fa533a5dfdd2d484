from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from llmood.measures.clustering import opener_clusters, verdict_clusters
from llmood.measures.nli import Verdict, combined_verdict, equivalent
from llmood.measures.token_statistics import Integers

MATRICES = st.integers(1, 7).flatmap(lambda k: arrays(bool, (k, k)))


def one_by_one(verdicts: NDArray[np.bool_], *, steal: bool = False) -> list[int]:
    """The published loop, with and without its quirk."""
    k = len(verdicts)
    found = [-1] * k
    number = 0
    for opener in range(k):
        if found[opener] >= 0:
            continue
        found[opener] = number
        for answer in range(opener + 1, k):
            if verdicts[opener, answer] and (steal or found[answer] < 0):
                found[answer] = number
        number += 1
    return found


def test_an_answer_joins_the_first_opener_that_means_the_same() -> None:
    # 0 ~ 2; 1 ~ 2 and 1 ~ 3, but 2 is with 0 already; 3 joins 1.
    verdicts = np.zeros((4, 4), dtype=bool)
    verdicts[0, 2] = verdicts[1, 2] = verdicts[1, 3] = True
    assert verdict_clusters(verdicts).tolist() == [0, 1, 0, 1]
    assert verdict_clusters(verdicts, steal=True).tolist() == [0, 1, 1, 1]


def test_only_openers_are_compared_with() -> None:
    # 0 ~ 1 and 1 ~ 2, but not 0 ~ 2: 1 is no opener, so 2 opens a cluster.
    verdicts = np.zeros((3, 3), dtype=bool)
    verdicts[0, 1] = verdicts[1, 2] = True
    assert verdict_clusters(verdicts).tolist() == [0, 0, 1]


@given(MATRICES, st.booleans())
def test_equals_the_loop(verdicts: NDArray[np.bool_], steal: bool) -> None:
    assert verdict_clusters(verdicts, steal=steal).tolist() == one_by_one(verdicts, steal=steal)


@given(st.lists(MATRICES, max_size=4))
@settings(max_examples=50)
def test_questions_side_by_side_equal_each_alone_and_no_pair_is_asked_twice(
    questions: list[NDArray[np.bool_]],
) -> None:
    asked: list[tuple[int, int, int]] = []

    def ask(question: Integers, opener: Integers, answer: Integers) -> NDArray[np.bool_]:
        triples = list(zip(question.tolist(), opener.tolist(), answer.tolist(), strict=True))
        asked.extend(triples)
        return np.array([questions[q][i, j] for q, i, j in triples])

    found = opener_clusters(np.array([len(each) for each in questions], dtype=int), ask)
    alone = [one_by_one(each) for each in questions]
    assert found.tolist() == list(itertools.chain(*alone))
    assert len(set(asked)) == len(asked)
    # Each answer meets openers in order, up to the one that it joins.
    for question, clusters in enumerate(alone):
        openers = {number: clusters.index(number) for number in set(clusters)}
        needed = sum(
            1
            for answer, own in enumerate(clusters)
            for number, opener in openers.items()
            if opener < answer and number <= own
        )
        assert sum(triple[0] == question for triple in asked) == needed


def test_equal_answers_take_one_comparison_each() -> None:
    calls: list[int] = []

    def ask(question: Integers, opener: Integers, answer: Integers) -> NDArray[np.bool_]:
        calls.append(len(question))
        return np.ones(len(question), dtype=bool)

    assert opener_clusters(np.array([10, 0, 1, 5]), ask).tolist() == [0] * 16
    assert calls == [9 + 4]


def test_no_answers() -> None:
    assert verdict_clusters(np.zeros((0, 0), dtype=bool)).tolist() == []
    with pytest.raises(ValueError, match=r"shape \(K, K\), not \(2, 3\)"):
        verdict_clusters(np.zeros((2, 3), dtype=bool))


def test_strict_and_lax_equivalence() -> None:
    pairs = list(itertools.product(Verdict, Verdict))
    forward, backward = (np.array(side) for side in zip(*pairs, strict=True))
    strict = {pair for pair, same in zip(pairs, equivalent(forward, backward), strict=True) if same}
    lax = {
        pair for pair, same in zip(pairs, equivalent(forward, backward, strict=False), strict=True) if same
    }
    e, n = Verdict.ENTAILMENT, Verdict.NEUTRAL
    assert strict == {(e, e)}
    # No contradiction, and not neutral both ways.
    assert lax == {(e, e), (e, n), (n, e)}


def test_two_verdicts_as_one() -> None:
    c, n, e = Verdict
    forward, backward = np.array([c, n, e, e, e, c]), np.array([c, n, e, n, c, n])
    assert combined_verdict(forward, backward).tolist() == [c, n, e, e, n, c]
    assert combined_verdict(backward, forward).tolist() == [c, n, e, e, n, c]
