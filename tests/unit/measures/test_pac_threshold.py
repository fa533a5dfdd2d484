from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from llmood.measures.pac_threshold import pac_least_alpha, pac_least_rows, pac_rank, pac_threshold
from llmood.measures.split_conformal import rank, threshold
from llmood.measures.too_few import TooFewError, rounded_up


def test_by_hand() -> None:
    # One row: P(Beta(1, 1) > α) = 1 − α.  Two: (1 − α)² for the largest, 1 − α² for the second.
    assert pac_threshold([3.0], 0.9, 0.1001) == 3.0
    assert pac_threshold([3.0, 1.0], 0.5, 0.25) == 3.0
    assert pac_threshold([3.0, 1.0], 0.5, 0.75) == 1.0
    assert pac_threshold([3.0, 1.0], 0.5, 0.7499) == 3.0


@pytest.mark.parametrize(("n", "alpha", "delta"), [(45, 0.05, 0.1), (200, 0.05, 0.05), (999, 0.1, 0.01)])
def test_the_largest_rank_that_keeps_the_promise(n: int, alpha: float, delta: float) -> None:
    k = pac_rank(n, alpha, delta)
    assert stats.beta(k, n + 1 - k).sf(alpha) <= delta < stats.beta(k + 1, n - k).sf(alpha)
    assert k <= rank(n, alpha)


@pytest.mark.parametrize("n", [1, 44, 45, 1000, 100_000])
@pytest.mark.parametrize("delta", [0.01, 0.1, 0.5])
def test_the_least_alpha_is_allowed_and_named(n: int, delta: float) -> None:
    least = pac_least_alpha(n, delta)
    assert least is not None
    assert pac_rank(n, least, delta) == 1
    with pytest.raises(TooFewError, match=f"no α below {rounded_up(least):g}") as error:
        pac_rank(n, least * 0.999, delta)
    assert error.value.needed > n
    assert pac_rank(error.value.needed, least * 0.999, delta) == 1


def test_least_rows() -> None:
    assert pac_least_rows(0.05, 0.1) == 45
    assert pac_least_alpha(0, 0.1) is None


def test_the_promise_on_uniform_scores() -> None:
    """Over 2,000 calibration sets the exact rate, 1 − t, is above α in at most δ of them, and two standard errors."""
    alpha, delta, simulations = 0.05, 0.1, 2_000
    generator = np.random.default_rng(7)
    sets = [generator.random(300) for _ in range(simulations)]
    exceeds = np.mean([1 - pac_threshold(known, alpha, delta) > alpha for known in sets])
    allowed = delta + 2 * np.sqrt(delta * (1 - delta) / simulations)
    assert exceeds <= allowed
    # It isn't kept by caution alone, and the threshold that holds on average doesn't keep it.
    assert exceeds >= 0.05
    assert np.mean([1 - threshold(known, alpha) > alpha for known in sets]) > 0.4


def test_ties_keep_the_promise() -> None:
    alpha, delta = 0.1, 0.1
    generator = np.random.default_rng(8)
    found = [pac_threshold(generator.integers(0, 12, 100), alpha, delta) for _ in range(2_000)]
    # P(s > t) of whole numbers 0 to 11.
    exceeds = np.mean([(11 - value) / 12 > alpha for value in found])
    assert exceeds <= delta + 2 * np.sqrt(delta * (1 - delta) / 2_000)


def test_bad_input() -> None:
    for alpha, delta in ((0.0, 0.1), (0.1, 1.0)):
        with pytest.raises(ValueError, match="between 0 and 1"):
            pac_threshold([1.0], alpha, delta)
