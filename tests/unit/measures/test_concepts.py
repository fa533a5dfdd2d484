from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score

from llmood.measures.concepts import (
    classification_completeness,
    concept_scores,
    concept_separability,
    detection_completeness,
)


def groups(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    flags = np.arange(60) % 3 == 0
    return generator.normal(size=(60, 4)) + 2.0 * flags[:, None], flags


class TestCompleteness:
    def test_all_concepts_keep_everything_and_unrelated_ones_nothing(self) -> None:
        generator = np.random.default_rng(0)
        is_ood = np.arange(2000) >= 1000
        states = generator.normal(size=(2000, 4))
        states[is_ood, 0] *= 4

        def auroc(concepts: np.ndarray) -> float:
            decoded = states @ concepts @ concepts.T
            return float(roc_auc_score(is_ood, np.linalg.norm(decoded, axis=1)))

        rotation = np.linalg.qr(generator.normal(size=(4, 4)))[0]
        assert detection_completeness(auroc(rotation), auroc(np.eye(4))) == pytest.approx(1.0, abs=1e-9)
        assert detection_completeness(auroc(np.eye(4)[:, 1:]), auroc(np.eye(4))) == pytest.approx(
            0.0, abs=0.1
        )

    def test_by_hand(self) -> None:
        assert detection_completeness(0.7, 0.9) == pytest.approx(0.5)
        assert detection_completeness(0.4, 0.9) == pytest.approx(-0.25)
        assert classification_completeness(0.4, 0.7, 10) == pytest.approx(0.5)

    def test_a_detector_at_chance_defines_none(self) -> None:
        assert np.isnan(detection_completeness(0.7, 0.5))
        assert np.isnan(classification_completeness(0.7, 0.25, 4))


class TestSeparability:
    def test_scikit_learn_s_pooled_covariance(self) -> None:
        scores, flags = groups()
        pooled = (
            LinearDiscriminantAnalysis(solver="lsqr", store_covariance=True).fit(scores, flags).covariance_
        )
        gap = scores[~flags].mean(axis=0) - scores[flags].mean(axis=0)
        expected = gap @ np.linalg.solve(pooled, gap)
        assert concept_separability(scores, flags) == pytest.approx(expected, rel=1e-9)

    def test_by_hand_and_whatever_the_number_of_samples(self) -> None:
        scores, flags = np.array([[-1.0], [1.0], [4.0], [6.0]]), np.array([False, False, True, True])
        # Means 0 and 5, variance 1 in both.
        assert concept_separability(scores, flags) == pytest.approx(25.0)
        many = concept_separability(np.tile(scores, (50, 1)), np.tile(flags, 50))
        assert many == pytest.approx(25.0)

    def test_the_concepts_scale_and_mixing_do_not_matter(self) -> None:
        scores, flags = groups()
        matrix = np.random.default_rng(1).normal(size=(4, 4))
        plain = concept_separability(scores, flags)
        assert concept_separability(scores @ matrix + 7, flags) == pytest.approx(plain, rel=1e-6)
        assert concept_separability(scores, ~flags) == pytest.approx(plain, rel=1e-9)

    def test_more_concepts_than_samples(self) -> None:
        scores, flags = np.random.default_rng(0).normal(size=(6, 9)), np.arange(6) < 3
        with pytest.raises(ValueError, match="singular"):
            concept_separability(scores, flags)
        assert concept_separability(scores, flags, shrink=True) > 0

    def test_bad_input(self) -> None:
        with pytest.raises(ValueError, match="all samples on one side"):
            concept_separability(np.eye(3), np.ones(3, bool))
        with pytest.raises(ValueError, match="3 booleans"):
            concept_separability(np.eye(3), np.ones(3))


def test_concept_scores_are_the_largest_cosines_with_their_sign() -> None:
    states = np.array([[3.0, 0.0], [0.0, -2.0], [1.0, 1.0]])
    concepts = np.array([[2.0, 0.0], [0.0, 5.0], [1.0, 1.0]])
    np.testing.assert_allclose(concept_scores(states, concepts), [1.0, -1.0, 1.0])
    np.testing.assert_allclose(concept_scores(states[:1], concepts), [1.0, 0.0, np.sqrt(0.5)])
    with pytest.raises(ValueError, match="no position"):
        concept_scores(np.zeros((0, 2)), concepts)
