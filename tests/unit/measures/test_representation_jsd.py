"""The divergence of representations: by hand, through matrix logarithms, and its bounds and symmetries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import logm
from scipy.stats import ortho_group

from llmood.measures.representation_jsd import representation_jsd

LOG_2 = np.log(2.0)


def made(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def by_logarithms(left: np.ndarray, right: np.ndarray) -> float:
    """H(C) = −tr(C log C)."""
    one, other = (rows.T @ rows / (rows**2).sum() for rows in (left, right))

    def entropy(matrix: np.ndarray) -> float:
        return float(-np.trace(matrix @ logm(matrix)).real)

    return entropy((one + other) / 2) - (entropy(one) + entropy(other)) / 2


def test_identical_and_orthogonal_sets() -> None:
    rows = made(0).normal(size=(30, 6))
    assert representation_jsd(rows, rows) == 0.0
    # Of other sizes: without a trace of 1 the mixture would be that of the larger set.
    assert representation_jsd(np.eye(8)[:2], np.eye(8)[2:]) == pytest.approx(LOG_2)
    assert representation_jsd([[1.0, 0.0]], [[0.0, 3.0]]) == LOG_2


def test_by_hand() -> None:
    # P has one direction, Q two: C mixed is diag(3/4, 1/4). H = 0.5623, less half of H(Q) = log 2.
    mixed = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert representation_jsd([[1.0, 0.0]], np.eye(2)) == pytest.approx(mixed - LOG_2 / 2)
    # Two lines at 60°: C mixed has eigenvalues (1 ± cos 60°) / 2, each alone has no entropy.
    assert representation_jsd([[1.0, 0.0]], [[0.5, np.sqrt(0.75)]]) == pytest.approx(mixed)


def test_through_logarithms() -> None:
    left, right = made(1).normal(size=(40, 5)), made(2).normal(0.4, 2.0, (23, 5))
    assert representation_jsd(left, right) == pytest.approx(by_logarithms(left, right))


def test_fewer_rows_than_dimensions() -> None:
    """Both ways to the eigenvalues give the same, and samples of one population are then far apart."""
    left, right = made(3).normal(size=(2, 20, 50))
    padded = np.pad(left, ((0, 40), (0, 0))), np.pad(right, ((0, 40), (0, 0)))
    found = representation_jsd(left, right)
    assert found == pytest.approx(representation_jsd(*padded))
    assert found > 0.2
    assert representation_jsd(*made(4).normal(size=(2, 5_000, 5))) < 0.001


@given(st.integers(0, 1000), st.integers(1, 12), st.integers(1, 12))
def test_bounds_and_symmetries(seed: int, n: int, m: int) -> None:
    generator = made(seed)
    left, right = generator.normal(size=(n, 4)), generator.normal(0.5, 1.0, (m, 4))
    turn = ortho_group.rvs(4, random_state=seed)
    found = representation_jsd(left, right)
    assert 0.0 <= found <= LOG_2
    for others in (
        (right, left),
        (left[::-1], -right),
        (left @ turn, right @ turn),
        (np.repeat(left, 3, axis=0), right),
        (1e-3 * left, 1e3 * right),
    ):
        assert representation_jsd(*others) == pytest.approx(found, abs=1e-9)
    assert representation_jsd(left, np.repeat(left, 2, axis=0)) == 0.0


def test_bad_input() -> None:
    rows = np.ones((3, 2))
    for empty in (np.zeros((3, 2)), np.empty((0, 2))):
        with pytest.raises(ValueError, match="right: no row has a direction"):
            representation_jsd(rows, empty)
    with pytest.raises(ValueError, match="2 columns"):
        representation_jsd(rows, np.ones((3, 1)))
    with pytest.raises(ValueError, match="left: row 0"):
        representation_jsd([[np.nan, 1.0]], rows)
