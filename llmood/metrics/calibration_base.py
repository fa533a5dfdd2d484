"""What a calibration metric is: of confidences in [0, 1] and which answers are right.

Its function takes (confidence (n,), correct (n,)). Two kinds are kept apart. A mean over samples (Brier, log loss) is
resampled. A distance that noise can only enlarge (ECE and its kin) is not: resampling adds noise to noise, so that its
percentile interval lies above the truth. Such a metric is *biased*, and has a debiased value and the band of values
that perfect calibration would give.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from llmood.metrics.base import Metric, MetricFunction, metrics_registry
from llmood.metrics.inputs import FloatArray, check_confidence

CALIBRATION = "calibration"

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Confidences:
    """Confidences (n,), and what is made of them once for all labellings and resamples: bins, a sorting."""

    values: FloatArray
    _made: dict[Any, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.values)

    def once(self, make: Callable[[FloatArray], T]) -> T:
        """What `make` makes of the confidences."""
        if make not in self._made:
            self._made[make] = make(self.values)
        made: T = self._made[make]
        return made


@dataclass(frozen=True, eq=False)
class Resampled:
    """Resamples of the same answers.

    Attributes:
        confidence: of the n answers.
        labels: (n,), 1 where the answer is right, else 0.
        weights: float64 (draws, n), how often each answer occurs in each draw.
    """

    confidence: Confidences
    labels: FloatArray
    weights: FloatArray
    _made: dict[Any, Any] = field(default_factory=dict, repr=False)

    def mean(self, values: FloatArray) -> FloatArray:
        """The mean of values (n,) in each draw, (draws,)."""
        mean: FloatArray = (self.weights @ values) / self.once(_sizes)
        return mean

    def once(self, make: Callable[[Resampled], T]) -> T:
        """What `make` makes of these resamples, made once for all the metrics that ask."""
        if make not in self._made:
            self._made[make] = make(self)
        made: T = self._made[make]
        return made


def _sizes(resampled: Resampled) -> FloatArray:
    sizes: FloatArray = resampled.weights.sum(axis=1)
    return sizes


# (confidences of n answers, labels (..., n) of 0 and 1) to (...): the same confidences under many labellings.
OfLabels = Callable[[Confidences, FloatArray], FloatArray]
# To (draws,); NaN where a resample leaves the metric undefined.
OfWeights = Callable[[Resampled], FloatArray]


@dataclass(frozen=True)
class CalibrationMetric(Metric):
    """A metric of confidences; see `Metric` for the other fields.

    Attributes:
        ideal: the value of perfect calibration in endless data; None where that hangs on more than calibration.
        of_weights: the same number of many resamples at once; None for a biased metric.
        of_labels: the same number under many labellings, for the band; None for one that isn't biased.
        debiased: (confidence, correct) to the value less an estimate of its bias; None for one that isn't biased.
    """

    ideal: float | None = None
    of_weights: OfWeights | None = None
    of_labels: OfLabels | None = None
    debiased: MetricFunction | None = None

    @property
    def is_biased(self) -> bool:
        """Noise can only enlarge it: it gets a debiased value and a band, and no percentile interval."""
        return self.of_labels is not None


def calibration_metrics() -> list[CalibrationMetric]:
    """All metrics of this question, in the order of their tables."""
    found = [metric for _, metric in metrics_registry if isinstance(metric, CalibrationMetric)]
    return sorted(found, key=lambda metric: metric.order)


def register_calibration(
    function: Callable[[ArrayLike, ArrayLike], float],
    *,
    description: str,
    title: str,
    order: int,
    higher_is_better: bool | None = False,
    bounds: tuple[float, float] = (0.0, 1.0),
    ideal: float | None = None,
    of_weights: OfWeights | None = None,
    of_labels: OfLabels | None = None,
    debiased: MetricFunction | None = None,
) -> None:
    """List a function of (confidence, correct) under its own name; see `CalibrationMetric` for the fields."""
    name = function.__name__
    metric = CalibrationMetric(
        id=name,
        question=CALIBRATION,
        function=function,
        higher_is_better=higher_is_better,
        positive_class="right",
        bounds=bounds,
        description=description,
        title=title,
        order=order,
        pooled=True,
        ideal=ideal,
        of_weights=of_weights,
        of_labels=of_labels,
        debiased=debiased,
    )
    metrics_registry.add(name, metric)


def labelled(confidence: ArrayLike, correct: ArrayLike) -> tuple[Confidences, FloatArray]:
    """Both arrays checked, correctness as 0 and 1; raises what `check_confidence` raises."""
    values, right = check_confidence(confidence, correct)
    return Confidences(values), right.astype(np.float64)
