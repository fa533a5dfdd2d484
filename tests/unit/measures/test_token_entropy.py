from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.measures.token_entropy import (
    entropy,
    entropy_bounds,
    fisher_rao_from_uniform,
    max_token_entropy,
    mean_token_entropy,
    renyi_divergence_from_uniform,
    self_certainty,
)

UNIFORM = np.full((1, 8), -math.log(8))
PEAKED = np.log(np.array([0.5, 0.25, 0.125, 0.125]))
SURE = np.array([0.0, -np.inf, -np.inf, -np.inf])
WEIGHTS = st.lists(st.floats(1e-3, 1.0), min_size=2, max_size=12)


def distribution(weights: list[float]) -> np.ndarray:
    return np.array(weights) / np.sum(weights)


def test_entropy() -> None:
    assert entropy(UNIFORM) == pytest.approx(math.log(8), abs=1e-12)
    assert entropy(PEAKED) == pytest.approx(1.75 * math.log(2), abs=1e-12)
    assert entropy(SURE) == 0.0


def test_bounds_by_hand() -> None:
    # ½ and ¼ known of six tokens. The rest, ¼: spread over four, or one more ¼.
    lower, upper = entropy_bounds(np.log([0.5, 0.25]), np.array(0.25), 6)
    assert lower == pytest.approx(1.5 * math.log(2), abs=1e-12)
    assert upper == pytest.approx(math.log(2) + 0.25 * math.log(16), abs=1e-12)
    # 0.4 and 0.15: the rest, 0.45, holds three of 0.15. 0.4, 0.2: 0.4 holds two of 0.2.
    lower, _ = entropy_bounds(np.log([0.4, 0.15]), None, 10)
    assert lower == pytest.approx(-0.4 * math.log(0.4) - 4 * 0.15 * math.log(0.15), abs=1e-9)
    # 0.6, 0.25: the rest is 0.15 and fits one token.
    lower, _ = entropy_bounds(np.log([0.6, 0.25]), None, 10)
    assert lower == pytest.approx(-sum(p * math.log(p) for p in (0.6, 0.25, 0.15)), abs=1e-12)


@given(WEIGHTS, st.data())
def test_the_truth_lies_between_the_bounds_which_meet_when_all_is_known(
    weights: list[float], choice: st.DataObject
) -> None:
    p = np.sort(distribution(weights))[::-1]
    k = choice.draw(st.integers(1, len(p)))
    exact = float(entropy(np.log(p)))
    lower, upper = entropy_bounds(np.log(p[:k]), p[k:].sum(), len(p))
    assert lower - 1e-9 <= exact <= upper + 1e-9
    if k >= len(p) - 1:
        assert lower == pytest.approx(exact, abs=1e-6)
        assert upper == pytest.approx(exact, abs=1e-6)
    fewer = entropy_bounds(np.log(p[: max(1, k - 1)]), None, len(p))
    assert fewer.lower <= lower + 1e-9
    assert fewer.upper >= upper - 1e-9


def test_bounds_take_many_tokens_at_once() -> None:
    top = np.log([[0.5, 0.25], [0.9, 0.1]])
    lower, upper = entropy_bounds(top, np.array([0.25, 0.0]), 100)
    assert lower.shape == upper.shape == (2,)
    assert lower[1] == upper[1] == pytest.approx(entropy(top[1]))


def test_bounds_refuse_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="doesn't fit 2 tokens"):
        entropy_bounds(np.log([0.5, 0.1]), np.array(0.4), 4)
    with pytest.raises(ValueError, match="3 log-probabilities of a vocabulary of 2"):
        entropy_bounds(np.log([0.5, 0.3, 0.2]), None, 2)
    with pytest.raises(ValueError, match="0 log-probabilities"):
        entropy_bounds(np.zeros(0), None, 2)


def test_mean_and_max() -> None:
    values, offsets = np.array([1.0, 3.0, np.nan, 2.0, np.nan]), np.array([0, 3, 3, 4, 5])
    np.testing.assert_array_equal(mean_token_entropy(values, offsets), [2.0, np.nan, 2.0, np.nan])
    np.testing.assert_array_equal(max_token_entropy(values, offsets), [3.0, np.nan, 2.0, np.nan])


def test_distances_to_the_uniform_distribution_by_hand() -> None:
    p = np.exp(PEAKED)
    assert self_certainty(PEAKED) == pytest.approx(np.mean(np.log(0.25 / p)), abs=1e-12)
    order_half = -2 * math.log(np.sum(np.sqrt(p * 0.25)))
    assert renyi_divergence_from_uniform(PEAKED) == pytest.approx(order_half, abs=1e-12)
    order_two = math.log(np.sum(p**2 / 0.25))
    assert renyi_divergence_from_uniform(PEAKED, alpha=2) == pytest.approx(order_two, abs=1e-12)
    assert fisher_rao_from_uniform(PEAKED) == pytest.approx(
        2 / math.pi * math.acos(np.sum(np.sqrt(p * 0.25))), abs=1e-12
    )


def test_order_1_is_kullback_leibler() -> None:
    expected = math.log(4) - entropy(PEAKED)
    assert renyi_divergence_from_uniform(PEAKED, alpha=1) == pytest.approx(expected, abs=1e-12)
    assert renyi_divergence_from_uniform(PEAKED, alpha=1 + 1e-6) == pytest.approx(expected, abs=1e-5)


def test_the_ends_of_the_ranges() -> None:
    for function in (self_certainty, renyi_divergence_from_uniform, fisher_rao_from_uniform):
        # arccos turns a rounding of 1e-16 below 1 into 1e-8.
        assert function(UNIFORM) == pytest.approx(0.0, abs=1e-7)
    assert np.isposinf(self_certainty(SURE))
    assert renyi_divergence_from_uniform(SURE) == pytest.approx(math.log(4), abs=1e-12)
    assert fisher_rao_from_uniform(SURE) == pytest.approx(2 / math.pi * math.acos(0.5), abs=1e-12)


def test_temperature_flattens() -> None:
    # At temperature 2, p is in the ratio of square roots.
    root = np.sqrt(np.exp(PEAKED))
    flat = np.log(root / root.sum())
    for function in (renyi_divergence_from_uniform, fisher_rao_from_uniform):
        assert function(PEAKED, temperature=2.0) == pytest.approx(function(flat), abs=1e-12)
        with pytest.raises(ValueError, match="temperature must be above 0"):
            function(PEAKED, temperature=0.0)
    with pytest.raises(ValueError, match="alpha must be above 0"):
        renyi_divergence_from_uniform(PEAKED, alpha=0.0)


@given(WEIGHTS, st.sampled_from([0.3, 0.5, 1.0, 2.0]))
def test_bounds_and_permutations(weights: list[float], alpha: float) -> None:
    log_p = np.log(distribution(weights))
    size = math.log(len(log_p))
    assert -1e-12 <= entropy(log_p) <= size + 1e-12
    assert -1e-9 <= renyi_divergence_from_uniform(log_p, alpha) <= size
    assert 0.0 <= fisher_rao_from_uniform(log_p) < 1.0
    assert self_certainty(log_p) >= -1e-12
    turned = log_p[::-1]
    for function in (entropy, self_certainty, renyi_divergence_from_uniform, fisher_rao_from_uniform):
        assert function(turned) == pytest.approx(function(log_p), abs=1e-7)
