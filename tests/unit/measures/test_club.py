"""CLUB by hand, by its definition pair by pair, and of Gaussians whose information is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from llmood.measures.club import club, club_terms

RHO = 0.6


def made(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def by_definition(outputs: np.ndarray, means: np.ndarray, variances: np.ndarray) -> float:
    """Log-density by log-density."""
    n = len(outputs)
    logs = np.array(
        [[norm.logpdf(y, means[i], np.sqrt(variances[i])).sum() for y in outputs] for i in range(n)]
    )
    mixed = (logs.sum(axis=1) - logs.diagonal()) / (n - 1)
    return float((logs.diagonal() - mixed).mean())


def test_four_rows_by_hand() -> None:
    # x = ±1 and e = ±1 in all four ways, y = ρx + √(1 − ρ²)e: their covariance with x is ρ exactly. Over all j, j = i
    # too, this is ρ² / (1 − ρ²) = 0.5625; over the others it is n / (n − 1) of it.
    x, e = np.array([[1.0], [1.0], [-1.0], [-1.0]]), np.array([[1.0], [-1.0], [1.0], [-1.0]])
    y = RHO * x + np.sqrt(1 - RHO**2) * e
    assert club(y, RHO * x, 1 - RHO**2) == pytest.approx(0.5625 * 4 / 3)


def test_a_gaussian_with_the_true_channel() -> None:
    """ρ² / (1 − ρ²), which is above the information, 0.223: the bound isn't tight."""
    x, e = made(0).normal(size=(2, 200_000, 1))
    y = RHO * x + np.sqrt(1 - RHO**2) * e
    terms = club_terms(y, RHO * x, 1 - RHO**2)
    error = terms.std() / np.sqrt(len(terms))
    assert abs(terms.mean() - 0.5625) < 4 * error < 0.02
    assert terms.mean() > -0.5 * np.log(1 - RHO**2)


def test_by_the_definition() -> None:
    generator = made(1)
    outputs, means = generator.normal(3.0, 1.0, (2, 9, 4))
    variances = generator.uniform(0.3, 2.0, (9, 4))
    assert club(outputs, means, variances) == pytest.approx(by_definition(outputs, means, variances))


def test_what_the_published_code_says() -> None:
    """The same with j = i among the mixed-up pairs: (n − 1) / n of it."""
    outputs, means = made(2).normal(size=(2, 6, 3))
    spread = ((outputs[None] - means[:, None]) ** 2).mean(axis=1) - (outputs - means) ** 2
    assert club(outputs, means, 0.7) * 5 / 6 == pytest.approx((spread / 1.4).sum(axis=1).mean())


def test_terms_are_the_influence_of_rows() -> None:
    """Resampled CLUB and the mean of resampled terms differ in second order only."""
    generator = made(3)
    x, noise = generator.normal(size=(2, 400, 2))
    outputs, variances = x + noise, generator.uniform(0.5, 2.0, (400, 2))
    terms = club_terms(outputs, x, variances)
    draws = [generator.integers(0, 400, 400) for _ in range(200)]
    exact = np.array([club(outputs[rows], x[rows], variances[rows]) for rows in draws])
    linear = np.array([terms[rows].mean() for rows in draws])
    assert np.corrcoef(exact, linear)[0, 1] > 0.99
    assert linear.std() == pytest.approx(exact.std(), rel=0.1)


@given(st.integers(0, 1000), st.floats(-50, 50), st.floats(0.1, 10))
def test_order_place_and_scale_change_nothing(seed: int, place: float, scale: float) -> None:
    generator = made(seed)
    outputs, means = generator.normal(size=(2, 7, 3))
    variances = generator.uniform(0.5, 2.0, (7, 3))
    order = generator.permutation(7)
    terms = club_terms(outputs, means, variances)
    np.testing.assert_allclose(
        club_terms(outputs[order], means[order], variances[order]), terms[order], atol=1e-9
    )
    moved = club_terms(place + scale * outputs, place + scale * means, scale**2 * variances)
    np.testing.assert_allclose(moved, terms, atol=1e-7)


def test_what_says_nothing() -> None:
    outputs = made(4).normal(size=(8, 2))
    assert club(outputs, np.zeros((8, 2)), 1.0) == pytest.approx(0.0)
    assert club(outputs, outputs, np.inf) == 0.0
    assert club(np.ones((8, 2)), outputs, 1.0) == pytest.approx(0.0)


def test_bad_input() -> None:
    rows = np.zeros((3, 2))
    with pytest.raises(ValueError, match="two rows or more"):
        club(rows[:1], rows[:1], 1.0)
    with pytest.raises(ValueError, match="two rows or more"):
        club(rows, rows[:2], 1.0)
    with pytest.raises(ValueError, match="2 columns"):
        club(rows, rows[:, :1], 1.0)
    with pytest.raises(ValueError, match="above 0"):
        club(rows, rows, [1.0, 0.0])
    with pytest.raises(ValueError, match="above 0"):
        club(rows, rows, np.nan)
    with pytest.raises(ValueError, match="outputs: row 1"):
        club([[0.0], [np.nan]], rows[:2, :1], 1.0)
