from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import softmax

from llmood.measures.nearest import nearest_neighbours
from llmood.measures.sdm import (
    admitted,
    distance_band,
    distance_quantiles,
    fit_admission,
    matching_run,
    rescaled_similarity,
    sdm_log_probabilities,
)

LOGITS = np.random.default_rng(0).normal(size=(20, 3)) * 4


class TestActivation:
    def test_softmax_is_a_special_case(self) -> None:
        found = sdm_log_probabilities(LOGITS, np.full(20, math.e - 2), np.ones(20))
        np.testing.assert_allclose(np.exp(found), softmax(LOGITS, axis=1), rtol=1e-12)

    def test_far_from_everything_all_classes_are_the_same(self) -> None:
        found = sdm_log_probabilities(LOGITS, np.full(20, 100), np.zeros(20))
        np.testing.assert_allclose(np.exp(found), 1 / 3, rtol=1e-12)

    def test_sharper_the_more_similar_and_the_nearer(self) -> None:
        def top(similarity: float, distance: float) -> np.ndarray:
            return sdm_log_probabilities(LOGITS, np.full(20, similarity), np.full(20, distance)).max(axis=1)

        assert (top(10, 0.5) > top(1, 0.5)).all()
        assert (top(10, 0.9) > top(10, 0.5)).all()

    def test_base_2_plus_q(self) -> None:
        # (2 + 6)^(½ · 2) and (2 + 6)^0: 8 to 1.
        found = sdm_log_probabilities(np.array([[2.0, 0.0]]), np.array([6]), np.array([0.5]))
        np.testing.assert_allclose(np.exp(found), [[8 / 9, 1 / 9]], rtol=1e-12)


class TestSimilarity:
    def test_five_points_by_hand(self) -> None:
        train = np.array([[0.0], [1.0], [2.0], [3.0], [10.0]])
        labels, predictions = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 1])
        queries = np.array([[0.1], [9.0], [1.9]])
        near = nearest_neighbours(queries, train, 5).indices
        # From 0.1: rows 0 and 1 agree, row 2 was predicted wrong. From 9: rows 4 and 3, then row 2.
        # From 1.9 the nearest is row 2.
        assert matching_run(near, labels, predictions, np.array([0, 1, 0])).tolist() == [2, 2, 0]
        # None is predicted 1 near 0.1.
        assert matching_run(near, labels, predictions, np.array([1, 1, 1])).tolist() == [0, 2, 0]

    def test_a_run_is_at_most_the_neighbours_there_are(self) -> None:
        neighbours = np.array([[0, 1, 2]])
        assert matching_run(neighbours, np.zeros(3, int), np.zeros(3, int), np.zeros(1, int)).tolist() == [3]

    def test_rescaled(self) -> None:
        # (2 + 98)^½ = 10; q itself where that is smaller.
        found = rescaled_similarity(np.array([98, 2, 0]), np.array([0.5, 1.0, 0.5]))
        np.testing.assert_allclose(found, [10.0, 2.0, 0.0])


class TestDistance:
    def test_quantiles_by_hand(self) -> None:
        found = distance_quantiles(
            np.array([1.0, 2.0, 3.0, 4.0, 0.1, 2.0, 4.0]),
            np.array([0, 0, 0, 0, 0, 1, 1]),
            np.array(
                [1, 5, 2, 1, 0, 1, 1]
            ),  # the distance of 0.1 is of a row without a match, and not counted
            2,
        )
        # Up to the smallest of both 1; at 2 a quarter of class 0 is nearer, at 3 a half of either.
        np.testing.assert_allclose(
            found(np.array([0.5, 1.0, 2.0, 3.0, 4.0, 4.1])), [1.0, 1.0, 0.75, 0.5, 0.25, 0.0]
        )

    def test_a_class_without_calibration_rows(self) -> None:
        found = distance_quantiles(np.array([1.0]), np.array([0]), np.array([1]), 2)
        assert found(np.array([0.0, 1.0])).tolist() == [0.0, 0.0]

    def test_far_from_two_blobs_it_is_0(self) -> None:
        generator = np.random.default_rng(0)
        centres, labels = np.array([[0.0, 0.0], [8.0, 0.0]]), np.arange(200) % 2
        train, held_out = (centres[labels] + generator.normal(size=(200, 2)) for _ in range(2))
        nearest = nearest_neighbours(held_out, train, 1).distances[:, 0]
        quantiles = distance_quantiles(nearest, labels, np.ones(200), 2)
        far = nearest_neighbours(np.array([[4.0, 60.0]]), train, 1).distances[:, 0]
        assert quantiles(far).tolist() == [0.0]
        assert quantiles(nearest).mean() == pytest.approx(0.5, abs=0.1)

    def test_band(self) -> None:
        similarity, labels = np.array([1.0, 2.0, 3.0, 1.0, 5.0]), np.array([0, 0, 0, 1, 1])
        low, high = distance_band(np.array([0.9, 0.9]), np.array([2.5, 1.0]), similarity, labels, 2, 0.95)
        # Below 2.5 there are 2 of class 0 and 1 of class 1; below 1.0 none.
        width = math.sqrt(math.log(2 / 0.05) / 2)
        np.testing.assert_allclose(low, [max(0.9 - width, 0.0), 0.0])
        np.testing.assert_allclose(high, [1.0, 1.0])
        many = np.tile(similarity, 1000), np.tile(labels, 1000)
        low, high = distance_band(np.array([0.5]), np.array([2.5]), *many, 2, 0.95)
        np.testing.assert_allclose([low[0], high[0]], [0.5 - width / 1000**0.5, 0.5 + width / 1000**0.5])


class TestAdmission:
    def test_by_hand(self) -> None:
        # From q′ = 1 on, the second row of class 0 has 0.4; from 2 on, every true class has at least 0.9.
        similarity = np.array([1.0, 2.0, 3.0, 2.0, 3.0, 0.0])
        labels = np.array([0, 0, 0, 1, 1, 0])
        own = np.array([0.4, 0.9, 0.95, 0.92, 0.99, 0.1])
        probabilities = np.where(np.arange(2) == labels[:, None], own[:, None], 1 - own[:, None])
        found = fit_admission(similarity, probabilities, labels, 0.9)
        assert found.similarity == 2.0
        np.testing.assert_allclose(found.thresholds, [0.9, 0.92])
        new = np.array([[0.91, 0.09], [0.09, 0.91], [0.05, 0.95], [0.95, 0.05]])
        assert admitted(np.array([2.0, 5.0, 5.0, 1.9]), new, found).tolist() == [True, False, True, False]

    def test_the_quantile_leaves_out_a_share(self) -> None:
        # One of ten may lie below: index ⌊0.1 · 10⌋ = 1 of the ascending ones, although 1 − 0.9 rounds below 0.1.
        own = np.concatenate([[0.2], np.linspace(0.91, 0.99, 9)])
        probabilities = np.tile(np.column_stack([own, 1 - own]), (2, 1))
        probabilities[10:] = probabilities[10:, ::-1]
        found = fit_admission(np.ones(20), probabilities, np.repeat([0, 1], 10), 0.9)
        assert found.similarity == 1.0
        np.testing.assert_allclose(found.thresholds, 0.91)

    def test_the_least_similarity_that_holds_by_trying_them_all(self) -> None:
        for seed in range(30):
            generator = np.random.default_rng(seed)
            labels = generator.integers(2, size=40)
            similarity = generator.integers(0, 12, size=40).astype(float)
            own = np.minimum(generator.uniform(0.4, 1.0, 40) + similarity / 40, 1.0)
            probabilities = np.where(np.arange(2) == labels[:, None], own[:, None], 1 - own[:, None])
            expected = math.inf
            for least in np.unique(similarity[similarity > 0])[::-1]:
                kept = [np.sort(own[(similarity >= least) & (labels == label)]) for label in (0, 1)]
                if min(map(len, kept)) and min(one[int(0.25 * len(one))] for one in kept) >= 0.75:
                    expected = least
            assert fit_admission(similarity, probabilities, labels, 0.75).similarity == expected

    def test_a_weak_model_admits_nobody(self) -> None:
        probabilities = np.full((6, 2), 0.5)
        found = fit_admission(np.arange(6.0), probabilities, np.arange(6) % 2, 0.95)
        assert found.similarity == math.inf
        assert not admitted(np.full(6, 1e9), np.tile([1.0, 0.0], (6, 1)), found).any()

    def test_a_class_that_was_never_seen_admits_nobody(self) -> None:
        found = fit_admission(np.ones(4), np.tile([0.99, 0.01], (4, 1)), np.zeros(4, int), 0.9)
        assert found.similarity == math.inf

    def test_admitted_answers_are_as_accurate_as_promised(self) -> None:
        # A model that is right with the probability it states, and surer where similarity is high.
        generator = np.random.default_rng(2)

        def drawn(samples: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            similarity = generator.uniform(0, 10, samples)
            own = 0.5 + 0.5 * np.minimum(similarity / 8, 1.0)
            first = generator.integers(2, size=samples)
            probabilities = np.where(np.arange(2) == first[:, None], own[:, None], 1 - own[:, None])
            labels = np.where(generator.uniform(size=samples) < own, first, 1 - first)
            return similarity, probabilities, labels

        admission = fit_admission(*drawn(4000), 0.9)
        similarity, probabilities, labels = drawn(4000)
        chosen = admitted(similarity, probabilities, admission)
        right = probabilities.argmax(axis=1) == labels
        assert chosen.mean() > 0.2
        for label in (0, 1):
            assert right[chosen & (labels == label)].mean() >= 0.9
        assert right.mean() < 0.9

    @pytest.mark.parametrize("alpha", [0.5, 1.0])
    def test_alpha(self, alpha: float) -> None:
        with pytest.raises(ValueError, match="alpha must lie"):
            fit_admission(np.ones(2), np.full((2, 2), 0.5), np.array([0, 1]), alpha)
