from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf, empirical_covariance

from llmood.measures.covariance import StateStatistics, condition_number
from llmood.measures.moments import merge_moments, moments_of, second_moment_about


def world(
    samples: int, width: int, classes: int, seed: int = 0, offset: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=samples)
    means = generator.normal(size=(classes, width)) * 3
    rows = generator.normal(size=(samples, width)) @ generator.normal(size=(width, width))
    return rows + means[labels] + offset, labels


def gathered(states: np.ndarray, labels: np.ndarray | None, block: int) -> StateStatistics:
    found = StateStatistics()
    for start in range(0, len(states), block):
        part = slice(start, start + block)
        found.add(states[part], None if labels is None else labels[part])
    return found


def centred_by_class(states: np.ndarray, labels: np.ndarray) -> np.ndarray:
    rows = states.astype(np.float64).copy()
    for label in np.unique(labels):
        rows[labels == label] -= rows[labels == label].mean(axis=0)
    return rows


class TestAgainstScikitLearn:
    # More samples than dimensions and fewer, classes of more members than dimensions and fewer, far from the origin.
    @pytest.mark.parametrize(
        ("samples", "width", "classes", "offset"),
        [(400, 7, 3, 0.0), (60, 20, 5, 0.0), (30, 50, 4, 0.0), (300, 12, 2, 1e4), (9, 30, 9, 0.0)],
    )
    @pytest.mark.parametrize("block", [1, 17, 1000])
    def test_same_covariance(self, samples: int, width: int, classes: int, offset: float, block: int) -> None:
        states, labels = world(samples, width, classes, offset=offset)
        found = gathered(states, labels, block)
        within, overall = found.within_covariance(), found.overall_covariance()
        theirs = LedoitWolf(assume_centered=True).fit(centred_by_class(states, labels))
        np.testing.assert_allclose(within.matrix, theirs.covariance_, rtol=1e-9, atol=1e-9)
        assert within.shrinkage == pytest.approx(theirs.shrinkage_, abs=1e-9)
        theirs = LedoitWolf().fit(states)
        np.testing.assert_allclose(overall.matrix, theirs.covariance_, rtol=1e-9, atol=1e-9)
        assert overall.shrinkage == pytest.approx(theirs.shrinkage_, abs=1e-9)
        np.testing.assert_allclose(
            found.overall_covariance(shrink=False).matrix, empirical_covariance(states), rtol=1e-9, atol=1e-9
        )

    def test_one_class_is_the_overall_one(self) -> None:
        states, _ = world(80, 6, 1)
        found = gathered(states, None, 13)
        assert found.classes == [0]
        np.testing.assert_allclose(
            found.within_covariance().matrix, found.overall_covariance().matrix, rtol=1e-12
        )

    def test_float16_states_are_summed_in_float64(self) -> None:
        states = world(200, 5, 1)[0].astype(np.float16)
        theirs = LedoitWolf().fit(states.astype(np.float64))
        found = gathered(states, None, 31).overall_covariance()
        np.testing.assert_allclose(found.matrix, theirs.covariance_, rtol=1e-9)


class TestClasses:
    def test_means_in_sorted_order_of_names(self) -> None:
        found = StateStatistics()
        found.add(np.array([[1.0, 0.0], [3.0, 0.0]]), ["b", "a"])
        found.add(np.array([[5.0, 2.0]]), ["a"])
        assert found.classes == ["a", "b"]
        np.testing.assert_allclose(found.class_means(), [[4.0, 1.0], [1.0, 0.0]])

    def test_a_single_member_counts_and_adds_nothing(self) -> None:
        # Class 0 varies by ±1 in the first dimension; class 1 is one far row: 2 / 3 of variance, not 2 / 2.
        found = StateStatistics()
        found.add(np.array([[1.0, 0.0], [-1.0, 0.0], [50.0, 50.0]]), [0, 0, 1])
        np.testing.assert_allclose(found.within_covariance(shrink=False).matrix, [[2 / 3, 0.0], [0.0, 0.0]])

    @pytest.mark.parametrize("classes", [[0, 1, 2], [0, 0, 1]])
    def test_nothing_varies_within(self, classes: list[int]) -> None:
        found = StateStatistics()
        found.add(np.array([[0.1, 0.7], [0.1, 0.7], [3.0, 4.0]]), classes)
        with pytest.raises(ValueError, match="no class has two members that differ"):
            found.within_covariance()

    def test_all_the_same(self) -> None:
        found = StateStatistics()
        found.add(np.full((7, 3), 0.1))
        with pytest.raises(ValueError, match="all states are the same"):
            found.overall_covariance()

    def test_a_constant_feature_is_kept_finite_by_shrinkage(self) -> None:
        states, _ = world(50, 4, 1)
        states[:, 2] = 1.5
        found = gathered(states, None, 50)
        assert condition_number(found.overall_covariance(shrink=False).matrix) == np.inf
        assert 1 <= condition_number(found.overall_covariance().matrix) < 1e6


class TestBadInput:
    def test_nan_is_refused_by_row(self) -> None:
        states = np.zeros((4, 2))
        states[2, 1] = np.nan
        with pytest.raises(ValueError, match=r"row 2 \(1 in all\) holds NaN"):
            StateStatistics().add(states)

    def test_widths_and_lengths(self) -> None:
        found = StateStatistics()
        found.add(np.zeros((2, 3)))
        with pytest.raises(ValueError, match="must have 3 columns"):
            found.add(np.zeros((2, 4)))
        with pytest.raises(ValueError, match="classes must be 2"):
            found.add(np.zeros((2, 3)), [1])
        with pytest.raises(ValueError, match="shape"):
            found.add(np.zeros(3))

    def test_nothing_added(self) -> None:
        found = StateStatistics()
        found.add(np.zeros((0, 3)), [])
        with pytest.raises(ValueError, match="nothing to fit"):
            found.overall_covariance()


def test_condition_number() -> None:
    assert condition_number(np.diag([8.0, 2.0, 4.0])) == 4.0
    assert condition_number(np.zeros((2, 2))) == np.inf


@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.integers(0, 99))
def test_moments_are_the_same_however_they_are_cut(sizes: list[int], seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(sum(sizes), 3)) * [1, 10, 0.1] + [5, -100, 0]
    parts = [moments_of(part) for part in np.split(rows, np.cumsum(sizes)[:-1])]
    merged = parts[0]
    for part in parts[1:]:
        merged = merge_moments(merged, part)
    for ours, theirs in zip(merged, moments_of(rows), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(
        second_moment_about(merged, np.zeros(3)), rows.T @ rows / len(rows), rtol=1e-9, atol=1e-9
    )
