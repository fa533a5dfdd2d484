"""RAULC and the smoothed Spearman correlation against their definitions, written out."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from llmood.metrics import UndefinedMetric, prr, raulc, spearman_accuracy
from llmood.metrics.inputs import BoolArray, FloatArray


def area_under_the_lift(order: FloatArray, correct: BoolArray) -> float:
    ranked = correct[np.argsort(order, kind="stable")]
    accuracies = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    return float((accuracies / correct.mean()).mean() - 1.0)


def test_raulc_is_the_ratio_of_areas_under_the_lift() -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        uncertainty, correct = rng.normal(size=60), rng.random(60) < 0.7
        oracle = area_under_the_lift((~correct).astype(float), correct)
        expected = area_under_the_lift(uncertainty, correct) / oracle
        assert raulc(uncertainty, correct) == pytest.approx(expected, abs=1e-12)
        assert raulc(uncertainty, correct) == prr(uncertainty, correct)


def test_raulc_by_hand() -> None:
    # Right, wrong, right: accuracies 1, 1/2, 2/3 over 2/3; the oracle's 1, 1, 2/3.
    lift, oracle = (1 + 1 / 2 + 2 / 3) / 2 - 1, (1 + 1 + 2 / 3) / 2 - 1
    assert raulc([1.0, 2.0, 3.0], [True, False, True]) == pytest.approx(lift / oracle, abs=1e-14)
    assert raulc([1.0, 1.0, 1.0], [True, False, True]) == pytest.approx(0.0, abs=1e-14)
    for correct in ([True, True], [False, False]):
        with pytest.raises(UndefinedMetric, match="every answer is"):
            raulc([1.0, 2.0], correct)


def test_spearman_of_averages() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(400)
    correct = rng.random(400) < confidence
    order = np.argsort(confidence)
    runs = [order[start : start + 100] for start in range(301)]
    expected = scipy.stats.spearmanr(
        [confidence[run].mean() for run in runs], [round(correct[run].mean(), 9) for run in runs]
    ).statistic
    assert spearman_accuracy(confidence, correct) == pytest.approx(expected, abs=1e-12)
    assert spearman_accuracy(confidence, correct) > 0.9
    assert spearman_accuracy(-confidence, correct) == pytest.approx(-expected, abs=1e-12)


def test_spearman_takes_ties_whole() -> None:
    # Accuracies 0 | 1/3 three times | 1, in runs of two: 1/6, 1/3, 1/3, 2/3.
    confidence, correct = np.array([0.1, 0.5, 0.5, 0.5, 0.9]), np.array([False, True, False, False, True])
    assert spearman_accuracy(confidence, correct, neighbours=2) == pytest.approx(1.0)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(5)
        assert spearman_accuracy(confidence[order], correct[order], neighbours=2) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("confidence", "correct", "neighbours", "error", "message"),
    [
        (
            [0.1, 0.2],
            [True, False],
            100,
            UndefinedMetric,
            "2 answers: averages over 100 neighbours need more",
        ),
        ([0.1, 0.2], [True, True], 1, UndefinedMetric, "every answer is right"),
        ([0.1, 0.1], [True, False], 1, UndefinedMetric, "constant"),
        ([0.1, np.inf], [True, False], 1, UndefinedMetric, "infinite"),
        ([0.1, 0.2], [True, False], 0, ValueError, "neighbours must be at least 1"),
    ],
)
def test_refuses(
    confidence: list[float], correct: list[bool], neighbours: int, error: type[ValueError], message: str
) -> None:
    with pytest.raises(error, match=message):
        spearman_accuracy(confidence, correct, neighbours)
