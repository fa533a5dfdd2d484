"""Sums of token log-probabilities and the likelihood ratio, worked by hand and against a plain loop."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from llmood.measures.token_statistics import likelihood_ratio, negative_log_likelihood, sum_scored_tokens

NAN, INF = math.nan, math.inf


def ragged(rows: Sequence[Sequence[float]], before: int = 0, after: int = 0) -> tuple[NDArray, NDArray]:
    """Flat values and offsets, maybe in the middle of a longer array (as a sliced Arrow list is)."""
    flat = [99.0] * before + [value for row in rows for value in row] + [-99.0] * after
    return np.array(flat), before + np.cumsum([0, *map(len, rows)])


def sums(rows: Sequence[Sequence[float]], **spans: NDArray) -> tuple[list[float], list[int]]:
    total, count = sum_scored_tokens(*ragged(rows), **spans)
    assert total.dtype == np.float64
    assert count.dtype == np.int64
    return total.tolist(), count.tolist()


def test_the_first_token_has_none_and_is_no_part_of_the_sum() -> None:
    assert sums([[NAN, -1.0, -2.5], [NAN, -4.0]]) == ([-3.5, -4.0], [2, 1])


def test_rows_without_a_scored_token() -> None:
    assert sums([[], [NAN], [NAN, -1.0], []]) == ([0.0, 0.0, -1.0, 0.0], [0, 0, 1, 0])


def test_no_rows_at_all() -> None:
    assert sums([]) == ([], [])


def test_offsets_need_not_start_at_zero() -> None:
    rows = [[NAN, -1.0], [NAN, -2.0, -3.0]]
    total, count = sum_scored_tokens(*ragged(rows, before=4, after=3))
    assert (total.tolist(), count.tolist()) == ([-1.0, -5.0], [1, 2])


def test_a_span_of_each_row() -> None:
    rows = [[NAN, -1.0, -2.0, -4.0], [NAN, -1.0, -2.0, -4.0]]
    start, end = np.array([2, 0]), np.array([4, 3])
    assert sums(rows, start=start, end=end) == ([-6.0, -3.0], [2, 2])
    assert sums(rows, start=start) == ([-6.0, -7.0], [2, 3])


def test_a_span_is_cut_to_its_row() -> None:
    rows = [[NAN, -1.0], [NAN, -8.0]]
    far = np.array([2**31 - 1, 2**31 - 1])
    assert sums(rows, end=far) == ([-1.0, -8.0], [1, 1])
    assert sums(rows, start=far) == ([0.0, 0.0], [0, 0])
    assert sums(rows, start=np.array([-5, 1])) == ([-1.0, -8.0], [1, 1])


def test_probability_zero_stays_in_its_row() -> None:
    assert sums([[NAN, -1.0], [NAN, -INF], [NAN, -2.0]]) == ([-1.0, -INF, -2.0], [1, 1, 1])


def test_sums_are_float64_whatever_the_engine_gives() -> None:
    # In float32, 2^24 and each −1 behind it would be the same number.
    values = np.array([-(2.0**24)] + [-1.0] * 10, dtype=np.float32)
    total, _ = sum_scored_tokens(values, np.array([0, 11]))
    assert total[0] == -(2.0**24) - 10


LOGPROBS = st.one_of(st.just(NAN), st.just(-INF), st.floats(-50, 0))
ROWS = st.lists(st.lists(LOGPROBS, max_size=6), max_size=8)


@given(ROWS, st.integers(0, 5), st.data())
def test_against_a_plain_loop(rows: list[list[float]], before: int, data: st.DataObject) -> None:
    edges = st.lists(st.integers(-2, 8), min_size=len(rows), max_size=len(rows))
    start, end = (np.array(data.draw(edges), dtype=np.int64) for _ in range(2))
    total, count = sum_scored_tokens(*ragged(rows, before, 2), start, end)
    for row, values in enumerate(rows):
        chosen = [
            value
            for position, value in enumerate(values)
            if max(start[row], 0) <= position < end[row] and not math.isnan(value)
        ]
        assert count[row] == len(chosen)
        assert total[row] == pytest.approx(math.fsum(chosen) if -INF not in chosen else -INF)


@given(ROWS)
def test_blocks_concatenated_equal_the_whole(rows: list[list[float]]) -> None:
    whole = sum_scored_tokens(*ragged(rows))
    middle = len(rows) // 2
    parts = [sum_scored_tokens(*ragged(part)) for part in (rows[:middle], rows[middle:])]
    for index in range(2):
        np.testing.assert_array_equal(whole[index], np.concatenate([part[index] for part in parts]))


# ------------------------------------------------------------------------------------ likelihood and its ratio


def test_negative_log_likelihood() -> None:
    total, tokens = np.array([-6.0, 0.0, -INF, 0.0]), np.array([3, 0, 2, 1])
    np.testing.assert_array_equal(negative_log_likelihood(total, tokens), [6.0, NAN, INF, 0.0])
    np.testing.assert_array_equal(negative_log_likelihood(total, tokens, mean=True), [2.0, NAN, INF, 0.0])


def test_probability_zero_under_one_model_or_both() -> None:
    base, tuned = np.array([-INF, -1.0, -INF, -3.0]), np.array([-1.0, -INF, -INF, -1.0])
    ratio = likelihood_ratio(base, tuned, np.array([2, 2, 2, 2]))
    np.testing.assert_array_equal(ratio, [-INF, INF, NAN, -2.0])


def test_the_mean_is_over_scored_tokens() -> None:
    ratio = likelihood_ratio(np.array([-3.0, -1.0]), np.array([-9.0, -1.0]), np.array([3, 0]), mean=True)
    np.testing.assert_array_equal(ratio, [2.0, NAN])


# METHODS §1, tests (i) to (v): two unigram models with known p (base) and q (tuned) over three tokens.
P, Q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6])
TEXTS = st.lists(st.lists(st.integers(0, 2), min_size=2, max_size=30), min_size=1, max_size=10)


def under(model: NDArray, texts: Sequence[Sequence[int]]) -> tuple[NDArray, NDArray]:
    rows = [[NAN, *np.log(model[list(text[1:])])] for text in texts]
    return sum_scored_tokens(*ragged(rows))


@given(TEXTS, st.booleans())
def test_i_a_model_against_itself_scores_zero(texts: list[list[int]], mean: bool) -> None:
    base, tokens = under(P, texts)
    assert likelihood_ratio(base, base, tokens, mean=mean).tolist() == [0.0] * len(texts)


@given(TEXTS)
def test_ii_it_is_the_counts_times_the_log_ratio(texts: list[list[int]]) -> None:
    base, tokens = under(P, texts)
    tuned, _ = under(Q, texts)
    counts = np.array([np.bincount(text[1:], minlength=3) for text in texts])
    expected = counts @ np.log(P / Q)
    np.testing.assert_allclose(likelihood_ratio(base, tuned, tokens), expected, atol=1e-12)
    means = likelihood_ratio(base, tuned, tokens, mean=True)
    np.testing.assert_allclose(means, expected / counts.sum(axis=1), atol=1e-12)


@given(st.lists(st.integers(0, 2), min_size=1), st.lists(st.integers(0, 2)))
def test_iii_question_and_answer_minus_question_is_the_answer_given_the_question(
    question: list[int], answer: list[int]
) -> None:
    both = [question + answer]

    def ratio(texts: list[list[int]], start: int = 0) -> float:
        rows = [[[NAN, *np.log(model[text[1:]])] for text in texts] for model in (P, Q)]
        (base, _), (tuned, _) = (sum_scored_tokens(*ragged(r), np.full(1, start)) for r in rows)
        return float(base[0] - tuned[0])

    assert ratio(both) - ratio([question]) == pytest.approx(ratio(both, len(question)), abs=1e-9)


@given(TEXTS, st.booleans())
def test_iv_swapping_the_models_negates(texts: list[list[int]], mean: bool) -> None:
    base, tokens = under(P, texts)
    tuned, _ = under(Q, texts)
    forth = likelihood_ratio(base, tuned, tokens, mean=mean)
    np.testing.assert_array_equal(forth, -likelihood_ratio(tuned, base, tokens, mean=mean))


def test_v_on_the_tuned_models_own_texts_it_is_the_divergence() -> None:
    texts = np.random.default_rng(0).choice(3, p=Q, size=(4000, 51)).tolist()
    base, tokens = under(P, texts)
    tuned, _ = under(Q, texts)
    divergence = float(Q @ np.log(Q / P))
    assert divergence > 0
    # 200,000 tokens: the standard error of the mean is 0.0017.
    assert -likelihood_ratio(base, tuned, tokens, mean=True).mean() == pytest.approx(divergence, abs=0.008)
