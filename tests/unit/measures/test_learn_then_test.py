from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from llmood.measures.learn_then_test import (
    cautious_thresholds,
    error_p_values,
    fixed_sequence,
    learn_then_test,
    least_error,
    least_rows,
)
from llmood.measures.too_few import TooFewError


def test_p_values() -> None:
    # 0 of 2: (1 − 0.3)²; 1 of 2: 1 − 0.3²; nothing answered shows nothing.
    assert error_p_values([0, 1, 0], [2, 2, 0], 0.3).tolist() == pytest.approx([0.49, 0.91, 1.0])
    assert error_p_values([3], [40], 0.2)[0] == pytest.approx(stats.binomtest(3, 40, 0.2, "less").pvalue)


def test_fixed_sequence() -> None:
    values = [0.01, 0.04, 0.2, 0.01, 0.01, 0.9]
    assert fixed_sequence(values, 0.05).tolist() == [True, True, False, False, False, False]
    # Two starts, at 0 and at 3, with 0.025 each.
    assert fixed_sequence(values, 0.05, starts=2).tolist() == [True, False, False, True, True, False]
    assert fixed_sequence([0.0] * 5, 0.05, starts=5).all()
    assert not fixed_sequence([], 0.05).any()


def test_by_hand() -> None:
    # 44 right answers show an error of at most 0.1 with δ = 0.01 (0.9⁴⁴ = 0.0097), 43 don't; one mistake spoils it.
    scores, wrong = np.arange(45.0), np.arange(45) == 44
    assert learn_then_test(scores, wrong, 0.1, 0.01, [43.0, 44.0], starts=1) == 43.0
    assert learn_then_test(scores, wrong, 0.1, 0.01, [42.0, 43.0], starts=1) == -np.inf
    assert learn_then_test(scores, wrong, 0.1, 0.01, [43.0, 43.5], starts=1) == 43.5


def test_the_least_error_is_allowed_and_named() -> None:
    for n in (1, 44, 5_000):
        least = least_error(n, 0.1)
        assert least is not None
        right = np.zeros(n, dtype=bool)
        assert learn_then_test(np.zeros(n), right, least, 0.1, [-1.0, -0.5, -0.1, 0.0]) == 0.0
        with pytest.raises(TooFewError) as error:
            learn_then_test(np.zeros(n), right, least * 0.999, 0.1, [0.0])
        assert error.value.needed == least_rows(least * 0.999, 0.1) > n


def test_cautious_thresholds() -> None:
    other = np.arange(1000.0)
    found = cautious_thresholds(other, 800, 0.1, 0.1)
    # 36 right answers are needed, 72 of 800 are 9 %.
    assert least_rows(0.1, 0.1) == 36
    assert (found[0], found[-1], len(found)) == (89.0, 999.0, 50)
    assert cautious_thresholds(other, 10, 0.1, 0.1).tolist() == [999.0]
    assert cautious_thresholds(np.zeros(3), 800, 0.1, 0.1).tolist() == [0.0]


def steady(scores: np.ndarray) -> np.ndarray:
    return scores**3


def hump(scores: np.ndarray) -> np.ndarray:
    """The most certain answers are often wrong: the error among the answered falls before it rises."""
    return np.where(scores < 0.1, 0.25, np.where(scores < 0.7, 0.01, 0.6))


@pytest.mark.parametrize("chance", [steady, hump])
def test_the_promise_where_the_risk_is_known(chance: Callable[[np.ndarray], np.ndarray]) -> None:
    alpha, delta, n, simulations = 0.1, 0.1, 400, 1_000
    generator = np.random.default_rng(11)
    grid = (np.arange(100_000) + 0.5) / 100_000
    error_up_to = np.cumsum(chance(grid)) / np.arange(1, len(grid) + 1)
    exceeds, nothing = 0, 0
    for _ in range(simulations):
        scores, other = generator.random(n), generator.random(200)
        wrong = generator.random(n) < chance(scores)
        value = learn_then_test(scores, wrong, alpha, delta, cautious_thresholds(other, n, alpha, delta))
        nothing += value == -np.inf
        exceeds += value > -np.inf and error_up_to[int(value * 100_000)] > alpha
    assert exceeds / simulations <= delta + 2 * np.sqrt(delta * (1 - delta) / simulations)
    assert nothing / simulations < 0.3  # and mostly it answers something


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="starts is a number from 1 to 2"):
        fixed_sequence([0.1, 0.2], 0.1, starts=3)
    with pytest.raises(ValueError, match="other rows"):
        cautious_thresholds([], 10, 0.1, 0.1)
