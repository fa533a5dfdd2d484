"""What ECE and its kin would be if the confidences were perfectly calibrated: noise alone, no miscalibration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from llmood.metrics.calibration_base import CalibrationMetric, Confidences, calibration_metrics
from llmood.metrics.inputs import FloatArray, UndefinedMetric, check_values
from llmood.metrics.interval import check_level, percentile_ends
from llmood.metrics.resample import CHUNK
from llmood.seeds import derive_generator


@dataclass(frozen=True)
class Band:
    """Where a metric would lie if each answer were right with exactly its confidence.

    Attributes:
        expected: the mean over the draws; what noise alone gives.
        low, high: the central `level` of the draws.
        level: the level.
        draws: how many labellings were drawn.
    """

    expected: float
    low: float
    high: float
    level: float
    draws: int

    def holds(self, value: float) -> bool:
        """Whether a measured value could be noise: within the band, or below it."""
        return value <= self.high


def perfect_calibration_band(
    confidence: ArrayLike,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    metrics: Sequence[CalibrationMetric] | None = None,
) -> dict[str, Band]:
    """The band of each biased metric, by id: labels are drawn from the confidences, which stay as they are.

    Answers are taken to be right or wrong independently, given their confidences: where groups of answers err
    together, the true band is wider. It depends on no label and on no order of the rows. Source: Bröcker and Smith,
    "Increasing the Reliability of Reliability Diagrams" (Weather and Forecasting 22, 2007), who draw it for each bin.

    Args:
        confidence: (n,) in [0, 1].
        draws: how many labellings.
        level: of the central range.
        seed: the run's seed.
        metrics: which; by default all that are biased.

    Raises:
        ValueError: NaN, other confidences, a level outside (0, 1), no draws.
        UndefinedMetric: no samples.
    """
    check_level(level)
    values = check_values(confidence, "confidence")
    if ((values < 0.0) | (values > 1.0)).any():
        raise ValueError("confidence must lie in [0, 1]")
    if not len(values):
        raise UndefinedMetric("no samples")
    if draws < 1:
        raise ValueError(f"draws must be at least 1, not {draws}")
    asked = [
        metric
        for metric in (calibration_metrics() if metrics is None else metrics)
        if metric.of_labels is not None
    ]
    held = Confidences(np.sort(values))
    found: dict[str, list[FloatArray]] = {metric.id: [] for metric in asked}
    for labels in _labellings(held.values, draws, seed):
        for metric in asked:
            if metric.of_labels is not None:
                found[metric.id].append(metric.of_labels(held, labels))
    return {name: _band(np.concatenate(chunks), level) for name, chunks in found.items()}


def _labellings(confidence: FloatArray, draws: int, seed: int) -> Iterator[FloatArray]:
    """Labels (≤ rows, n), chunk by chunk; chunks of any size would read the same stream."""
    generator = derive_generator(seed, "perfect calibration")
    rows = max(1, CHUNK // len(confidence))
    for start in range(0, draws, rows):
        uniform = generator.random((min(rows, draws - start), len(confidence)))
        yield (uniform < confidence).astype(np.float64)


def _band(drawn: FloatArray, level: float) -> Band:
    low, high = percentile_ends(drawn, level)
    return Band(float(drawn.mean()), low, high, level, len(drawn))
