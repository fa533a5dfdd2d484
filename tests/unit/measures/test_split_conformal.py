from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from llmood.measures.split_conformal import (
    beta_binomial_interval,
    beta_range,
    least_alpha,
    least_rows,
    p_values,
    rank,
    threshold,
)
from llmood.measures.too_few import TooFewError, rounded_up

few = st.lists(st.sampled_from([-1.0, 0.0, 0.5, 0.5000001, 2.0, np.inf]), min_size=1, max_size=40)


def test_by_hand() -> None:
    # 2 is reached by three of the four, 5 by none: (1 + 3)/5, (1 + 0)/5.
    assert p_values([2.0, 5.0, 0.0, 4.0], [1.0, 2.0, 3.0, 4.0]).tolist() == [0.8, 0.2, 1.0, 0.4]
    assert threshold([3.0, 1.0, 4.0, 2.0], 0.2) == 4.0
    assert threshold([3.0, 1.0, 4.0, 2.0], 0.4) == 3.0
    assert threshold([3.0, 1.0, 4.0, 2.0], 0.59) == 3.0


def test_ties_count_against_the_flag() -> None:
    assert p_values([1.0], [1.0] * 9).tolist() == [1.0]
    assert threshold([1.0] * 19, 0.05) == 1.0
    assert p_values([2.0], [1.0] * 9).tolist() == [0.1]


@given(few, few, st.floats(0.01, 0.99))
def test_flagged_is_what_has_a_small_p_value(
    scores: list[float], calibration: list[float], alpha: float
) -> None:
    small = p_values(scores, calibration) <= alpha
    if 1 / (len(calibration) + 1) > alpha:
        assert not small.any()
    else:
        assert (np.asarray(scores) > threshold(calibration, alpha)).tolist() == small.tolist()


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.07, 0.1, 0.29, 0.3, 1 / 3, 0.999])
@pytest.mark.parametrize("n", [1, 2, 9, 19, 20, 29, 99, 100, 999, 4499])
def test_rank_is_the_largest_that_keeps_the_promise(n: int, alpha: float) -> None:
    allowed = [k for k in range(1, n + 1) if k / (n + 1) <= alpha]
    if allowed:
        assert rank(n, alpha) == allowed[-1]
    else:
        with pytest.raises(TooFewError):
            rank(n, alpha)


@pytest.mark.parametrize("n", [1, 12, 48, 6, 10**6])
def test_the_least_alpha_is_allowed_and_named(n: int) -> None:
    least = least_alpha(n)
    assert least is not None
    assert rank(n, least) == 1
    assert rank(n, rounded_up(least)) == 1
    assert least_rows(least) == n
    with pytest.raises(TooFewError, match=f"no α below {rounded_up(least):g}") as error:
        rank(n, least * 0.999)
    assert error.value.needed == least_rows(least * 0.999) > n


def test_too_few_by_hand() -> None:
    with pytest.raises(TooFewError) as error:
        threshold(np.zeros(18), 0.05)
    assert str(error.value) == "18 calibration rows can promise no α below 0.0527: α = 0.05 takes 19"
    with pytest.raises(TooFewError) as error:
        threshold(np.zeros(0), 0.05)
    assert str(error.value) == "0 calibration rows can promise nothing: α = 0.05 takes 19"
    assert threshold(np.arange(19.0), 0.05) == 18.0


def test_beta_range() -> None:
    # n = 1, k = 1: Beta(1, 1) is uniform.
    assert beta_range(1, 0.5, 0.9) == pytest.approx((0.05, 0.95))
    # k = 1 of 9: Beta(1, 9), 1 − (1 − q)^(1/9).
    assert beta_range(9, 0.1, 0.8) == pytest.approx((1 - 0.9 ** (1 / 9), 1 - 0.1 ** (1 / 9)))
    assert beta_range(1000, 0.05) == pytest.approx(stats.beta(50, 951).interval(0.9))


@pytest.mark.parametrize(
    ("n", "alpha", "n_test"), [(19, 0.05, 1), (50, 0.1, 7), (999, 0.05, 4500), (40, 0.9, 300)]
)
def test_beta_binomial_interval_is_scipys(n: int, alpha: float, n_test: int) -> None:
    k = rank(n, alpha)
    law = stats.betabinom(n_test, k, n + 1 - k)
    expected = law.ppf(0.005) / n_test, law.ppf(0.995) / n_test
    assert beta_binomial_interval(n, alpha, n_test) == pytest.approx(expected)


def test_beta_binomial_interval_of_a_million_rows_is_the_betas() -> None:
    assert beta_binomial_interval(999, 0.05, 1_000_000, 0.9) == pytest.approx(
        beta_range(999, 0.05, 0.9), abs=2e-4
    )


def test_bad_input() -> None:
    for scores in ([0.0, np.nan], [[1.0]]):
        with pytest.raises(ValueError, match="leave out the rows"):
            p_values(scores, [1.0])
        with pytest.raises(ValueError, match="leave out the rows"):
            threshold(scores, 0.5)
    for alpha in (0.0, 1.0, -0.1, np.nan):
        with pytest.raises(ValueError, match="between 0 and 1"):
            threshold([1.0], alpha)
        with pytest.raises(ValueError, match="between 0 and 1"):
            beta_range(100, 0.05, alpha)
    with pytest.raises(ValueError, match="one test row"):
        beta_binomial_interval(19, 0.05, 0)
