"""The reliability curve: accuracy beside confidence, bin by bin."""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from llmood.metrics.calibration_base import labelled
from llmood.metrics.calibration_bins import BINS, Binned, Rule
from llmood.metrics.inputs import FloatArray
from llmood.metrics.interval import Groups, check_level
from llmood.metrics.proportions import wilson
from llmood.metrics.resample import number_groups


class ReliabilityBin(NamedTuple):
    """One bin that holds samples; `pandas.DataFrame(reliability_curve(…))` has these columns.

    Attributes:
        low, high: its edges; of equally full bins, the smallest and the largest confidence in it.
        n: how many samples.
        mean_confidence: of these samples.
        accuracy: the share that is right.
        ci_low, ci_high: Wilson's interval of the accuracy, of this bin alone.
    """

    low: float
    high: float
    n: int
    mean_confidence: float
    accuracy: float
    ci_low: float
    ci_high: float


def reliability_curve(
    confidence: ArrayLike,
    correct: ArrayLike,
    bins: int = BINS,
    rule: Rule = "width",
    *,
    groups: Groups | None = None,
    level: float = 0.95,
) -> list[ReliabilityBin]:
    """The bins that hold samples, lowest first; those of `ece_width_15` or `ece_mass_15` by default.

    Args:
        confidence: (n,) in [0, 1].
        correct: (n,) bool.
        bins: how many.
        rule: "width" for equally wide ones, "mass" for equally full ones.
        groups: (n,) what each sample was cut from, None for a sample of its own; intervals are those of as many samples
            as a bin has groups.
        level: of the intervals.

    Raises:
        ValueError: NaN, wrong shapes, a confidence outside [0, 1], no bins, a level outside (0, 1).
        UndefinedMetric: no samples.
    """
    z = NormalDist().inv_cdf((1.0 + check_level(level)) / 2.0)
    if bins < 1:
        raise ValueError(f"bins must be at least 1, not {bins}")
    held, labels = labelled(confidence, correct)
    values = held.values
    binned = Binned.of(values, rule, bins)
    edges = _edges(values, binned, rule, bins)
    independent = _independent(binned, groups)
    rows = zip(
        edges, binned.size, binned.confidence / binned.size, binned.accuracy(labels), independent, strict=True
    )
    found = []
    for (low, high), size, mean, accuracy, n in rows:
        ci_low, _, ci_high = wilson(accuracy * n, n, z)
        found.append(
            ReliabilityBin(
                low, high, int(size), float(mean), float(accuracy), max(ci_low, 0.0), min(ci_high, 1.0)
            )
        )
    return found


def _edges(values: FloatArray, binned: Binned, rule: Rule, bins: int) -> list[tuple[float, float]]:
    if rule == "width":
        edges = np.linspace(0.0, 1.0, bins + 1)
        return [(float(edges[place]), float(edges[place + 1])) for place in binned.bins]
    members = [values[column == 1.0] for column in binned.member.T]
    return [(float(held.min()), float(held.max())) for held in members]


def _independent(binned: Binned, groups: Groups | None) -> list[float]:
    """How many independent groups each bin has."""
    unit = number_groups(groups, len(binned.member))
    return [float(len(np.unique(unit[column == 1.0]))) for column in binned.member.T]
