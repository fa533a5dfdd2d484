from __future__ import annotations

import numpy as np
import pytest

from llmood.measures.mmd import gaussian_kernel, mmd


def made(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def by_hand(one: np.ndarray, other: np.ndarray) -> float:
    """Pair by pair, from the definition."""
    every = np.concatenate([one, other])
    apart = np.array([[((x - y) ** 2).sum() for y in every] for x in every])
    kernel = np.exp(-apart / (2 * np.median(apart[~np.eye(len(every), dtype=bool)])))
    n, m = len(one), len(other)
    left = sum(kernel[i, j] for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    right = sum(kernel[n + i, n + j] for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return float(left + right - 2 * kernel[:n, n:].mean())


def test_by_the_definition() -> None:
    one, other = made(0).normal(size=(7, 3)), made(1).normal(0.5, 1.0, (5, 3))
    assert mmd(one, other, made(2), permutations=19).statistic == pytest.approx(by_hand(one, other))


def test_two_points_by_hand() -> None:
    # All distances of different rows are 1, σ = 1: k = e^(−1/2) across and 1 within.
    found = mmd([0.0, 0.0], [1.0, 1.0], made(0), permutations=99)
    assert found.statistic == pytest.approx(2 - 2 * np.exp(-0.5))
    # Of six ways to part these rows two look like this.
    assert 0.2 < found.p_value < 0.5


def test_rows_that_are_all_the_same() -> None:
    assert (gaussian_kernel(np.full((4, 2), 0.1)) == 1.0).all()
    found = mmd(np.full(9, 0.1), np.full(5, 0.1), made(0))
    assert (round(found.statistic, 12), found.p_value) == (0.0, 1.0)


def test_p_values_where_nothing_differs() -> None:
    """Of 400 pairs of sets that are drawn alike, at most 5 % and two standard errors have p ≤ 0.05; no mean moves."""
    generator = made(4)
    found = [
        mmd(generator.normal(size=(30, 4)), generator.normal(size=(20, 4)), generator, permutations=99)
        for _ in range(400)
    ]
    assert np.mean([each.p_value <= 0.05 for each in found]) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)
    statistics = np.array([each.statistic for each in found])
    assert abs(statistics.mean()) < 3 * statistics.std() / np.sqrt(len(statistics))  # it is unbiased


def test_a_shift_is_seen_and_rows_are_bounded() -> None:
    one, other = made(5).normal(size=(5_000, 2)), made(6).normal(0.3, 1.0, (5_000, 2))
    found = mmd(one, other, made(7), permutations=199, most_rows=300)
    assert found.p_value == 1 / 200
    assert found == mmd(one, other, made(7), permutations=199, most_rows=300)


def test_bad_input() -> None:
    for rows in (np.zeros((1, 2)), np.array([[0.0, np.nan], [1.0, 2.0]])):
        with pytest.raises(ValueError, match="two rows or more"):
            mmd(rows, np.zeros((3, 2)), made(0))
    with pytest.raises(ValueError, match="2 numbers"):
        mmd(np.zeros((3, 2)), np.zeros((3, 1)), made(0))
