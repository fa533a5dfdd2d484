"""The smooth calibration error against its definition, summed directly over all pairs of a sample and a point."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

from llmood.metrics import ece_mass_15, mean_confidence_gap, smooth_ece
from llmood.metrics.calibration_smooth import debiased_smooth_ece
from llmood.metrics.inputs import FloatArray

POINTS = (np.arange(2000) + 0.5) / 2000


def kernel(width: float, confidence: FloatArray) -> FloatArray:
    """The reflected Gaussian at every point and sample, as a sum of images."""
    images = [sign * confidence + 2 * k for k in range(-3, 4) for sign in (1, -1)]
    total = sum(np.exp(-0.5 * ((POINTS[:, None] - image) / width) ** 2) for image in images)
    return np.asarray(total / (width * np.sqrt(2 * np.pi)))


def direct(confidence: FloatArray, correct: FloatArray) -> float:
    def excess(width: float) -> float:
        smoothed = kernel(width, confidence) @ (confidence - correct) / len(confidence)
        return float(np.abs(smoothed).mean()) - width

    return float(brentq(excess, 1e-3, 1.0, xtol=1e-9))


def sample(seed: int, n: int, power: float = 1.0) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    # Many next to 1, some exactly there, where the reflection matters.
    confidence = np.minimum(rng.beta(4.0, 1.0, size=n) * 1.02, 1.0)
    return confidence, rng.random(n) < confidence**power


@pytest.mark.parametrize(("n", "power"), [(10, 1.0), (200, 1.0), (200, 2.0), (200, 0.3), (800, 1.5)])
def test_agrees_with_the_direct_sum(n: int, power: float) -> None:
    confidence, correct = sample(n, n, power)
    assert smooth_ece(confidence, correct) == pytest.approx(direct(confidence, correct), abs=3e-5)


def test_of_one_confidence_is_its_distance_from_accuracy() -> None:
    for confidence in (0.0, 0.3, 0.9, 1.0):
        found = smooth_ece(np.full(8, confidence), np.arange(8) < 4)
        assert found == pytest.approx(abs(confidence - 0.5), abs=3e-5)


def test_ends() -> None:
    assert smooth_ece([1.0, 0.0, 1.0], [True, False, True]) == 0.0
    assert smooth_ece([1.0, 1.0], [False, False]) == pytest.approx(1.0)
    # Both sides of ½ by as much: the two cancel only where the kernel reaches.
    assert 0.2 < smooth_ece([0.0, 1.0], [True, False]) < 1.0


def test_lies_between_the_mean_gap_and_the_unbinned_error() -> None:
    for seed in range(10):
        confidence, correct = sample(seed, 100, 1.5)
        gaps = np.abs(confidence - correct).mean()
        assert abs(mean_confidence_gap(confidence, correct)) - 1e-4 <= smooth_ece(confidence, correct) <= gaps


def test_moves_little_where_confidences_do() -> None:
    # Right answers to one side of ½, wrong ones to the other: the ECE jumps to ½, this goes by the root of the move.
    correct = np.arange(100) < 50
    for move in (1e-3, -1e-3):
        confidence = np.where(correct, 0.5 + move, 0.5 - move)
        assert ece_mass_15(confidence, correct) == pytest.approx(0.5, abs=2e-3)
        assert smooth_ece(confidence, correct) == pytest.approx(0.02, abs=1e-3)
    assert smooth_ece(np.full(100, 0.5), correct) == ece_mass_15(np.full(100, 0.5), correct) == 0.0


def test_debiasing_is_the_mean_over_draws_of_noise() -> None:
    confidence, correct = sample(5, 150, 1.5)
    width = smooth_ece(confidence, correct)
    found = kernel(width, confidence)
    accuracy = found @ correct / found.sum(axis=1)
    own = np.interp(confidence, POINTS, accuracy)
    gap = found @ (confidence - correct) / 150
    spread = np.sqrt(found**2 @ (own * (1 - own))) / 150
    drawn = np.abs(gap + spread * np.random.default_rng(0).normal(size=(2000, len(POINTS)))).mean()
    assert debiased_smooth_ece(confidence, correct) == pytest.approx(2 * width - drawn, abs=2e-4)


def test_debiasing_takes_away_a_part_of_the_noise() -> None:
    values, debiased = [], []
    for seed in range(40):
        confidence, correct = sample(seed, 300)
        values.append(smooth_ece(confidence, correct))
        debiased.append(debiased_smooth_ece(confidence, correct))
    assert 0.0 < np.mean(debiased) < 0.75 * np.mean(values)
