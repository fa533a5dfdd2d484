from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import EmpiricalCovariance, LedoitWolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from llmood.measures.covariance import StateStatistics
from llmood.measures.mahalanobis import (
    Gaussians,
    mahalanobis,
    nearest_class,
    relative_mahalanobis,
    shared_gaussians,
)


def fit(states: np.ndarray, labels: np.ndarray | None, *, shrink: bool) -> tuple[Gaussians, Gaussians]:
    found = StateStatistics()
    found.add(states, labels)
    overall = found.overall()
    return (
        shared_gaussians(found.class_means(), found.within_covariance(shrink=shrink).matrix),
        shared_gaussians(overall.mean[None], found.overall_covariance(shrink=shrink).matrix),
    )


def world(seed: int, samples: int = 60, width: int = 4, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.arange(samples) % classes
    return generator.normal(size=(samples, width)) + 2.0 * generator.normal(size=(classes, width))[
        labels
    ], labels


class TestTruths:
    def test_the_fitted_rows_of_one_class_are_d_away_on_average(self) -> None:
        states, _ = world(0, width=5)
        fitted, _ = fit(states, None, shrink=False)
        assert mahalanobis(states, fitted).mean() == pytest.approx(5.0, abs=1e-10)

    def test_by_hand(self) -> None:
        # Means (0, 0) and (10, 0), variances 4 and 1: (2, 3) is 4/4 + 9/1 from the first, 64/4 + 9 from the other.
        fitted = shared_gaussians(np.array([[0.0, 0.0], [10.0, 0.0]]), np.diag([4.0, 1.0]))
        best, distances = nearest_class(np.array([[2.0, 3.0], [10.0, 0.0]]), fitted)
        np.testing.assert_allclose(distances, [10.0, 0.0], atol=1e-12)
        assert best.tolist() == [0, 1]
        assert fitted.condition_number == pytest.approx(4.0)

    def test_relative_is_0_for_one_class_against_all_of_it(self) -> None:
        states, _ = world(1)
        fitted, background = fit(states, None, shrink=True)
        np.testing.assert_allclose(relative_mahalanobis(states, fitted, background), 0.0, atol=1e-12)

    def test_a_direction_that_all_data_have_in_common_counts_less_relative(self) -> None:
        # The background varies a hundredfold along the first axis, and classes don't.
        fitted = shared_gaussians(np.zeros((1, 2)), np.eye(2))
        background = shared_gaussians(np.zeros((1, 2)), np.diag([100.0, 1.0]))
        found = relative_mahalanobis(np.array([[3.0, 0.0], [0.0, 3.0]]), fitted, background)
        np.testing.assert_allclose(found, [9 - 0.09, 0.0], atol=1e-12)


class TestAgainstOthers:
    @pytest.mark.parametrize("samples", [60, 9])
    def test_scikit_learn(self, samples: int) -> None:
        states, labels = world(2, samples=samples, width=12)
        others = np.random.default_rng(3).normal(size=(20, 12)) * 4
        fitted, background = fit(states, labels, shrink=True)
        means = np.stack([states[labels == label].mean(axis=0) for label in range(3)])
        theirs = LedoitWolf(assume_centered=True).fit(states - means[labels])
        expected = np.min([theirs.mahalanobis(others - mean) for mean in means], axis=0)
        np.testing.assert_allclose(mahalanobis(others, fitted), expected, rtol=1e-9)
        expected -= LedoitWolf().fit(states).mahalanobis(others)
        np.testing.assert_allclose(relative_mahalanobis(others, fitted, background), expected, rtol=1e-7)

    def test_unshrunk(self) -> None:
        states, labels = world(4)
        fitted, background = fit(states, labels, shrink=False)
        theirs = EmpiricalCovariance().fit(states)
        np.testing.assert_allclose(mahalanobis(states, background), theirs.mahalanobis(states), rtol=1e-9)
        # With equal priors a linear discriminant says the nearest class.
        discriminant = LinearDiscriminantAnalysis(solver="lsqr", priors=[1 / 3] * 3).fit(states, labels)
        assert nearest_class(states, fitted)[0].tolist() == discriminant.predict(states).tolist()


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=60)
def test_any_invertible_affine_map_changes_nothing(seed: int) -> None:
    generator = np.random.default_rng(seed)
    states, labels = world(seed)
    others = generator.normal(size=(15, 4)) * 3
    left, right = (np.linalg.qr(generator.normal(size=(4, 4)))[0] for _ in range(2))
    matrix = left @ np.diag(10.0 ** generator.uniform(-2, 2, 4)) @ right
    shift = generator.normal(size=4) * 100
    plain = fit(states, labels, shrink=False)
    mapped = fit(states @ matrix + shift, labels, shrink=False)
    for function in (
        lambda rows, pair: mahalanobis(rows, pair[0]),
        lambda rows, pair: relative_mahalanobis(rows, *pair),
    ):
        np.testing.assert_allclose(
            function(others @ matrix + shift, mapped), function(others, plain), rtol=1e-5, atol=1e-5
        )


def test_alone_and_among_others_it_is_the_same() -> None:
    states, labels = world(5)
    fitted, _ = fit(states, labels, shrink=True)
    together = mahalanobis(states, fitted)
    alone = [mahalanobis(row[None], fitted)[0] for row in states]
    np.testing.assert_allclose(alone, together, rtol=1e-10)


class TestBadInput:
    def test_singular(self) -> None:
        states = np.random.default_rng(0).normal(size=(4, 6))
        with pytest.raises(ValueError, match="6 dimensions is singular: shrink it"):
            fit(states, None, shrink=False)

    def test_two_rows_shrink_to_nothing(self) -> None:
        # Both rows are equally far from their mean, so that the sample seems to hold no error: s = 0.
        with pytest.raises(ValueError, match="singular"):
            fit(np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 0.0]]), None, shrink=True)

    def test_nan_and_widths(self) -> None:
        fitted = shared_gaussians(np.zeros((1, 2)), np.eye(2))
        with pytest.raises(ValueError, match="row 0"):
            mahalanobis(np.array([[np.nan, 0.0]]), fitted)
        with pytest.raises(ValueError, match="2 columns"):
            mahalanobis(np.zeros((1, 3)), fitted)
        with pytest.raises(ValueError, match="one mean, not 2"):
            relative_mahalanobis(np.zeros((1, 2)), fitted, shared_gaussians(np.zeros((2, 2)), np.eye(2)))

    def test_no_rows(self) -> None:
        assert mahalanobis(np.zeros((0, 2)), shared_gaussians(np.zeros((1, 2)), np.eye(2))).shape == (0,)
