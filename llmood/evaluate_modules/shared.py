"""What every module is made of. `evaluate` copies a metric's own file elsewhere, and that file imports this one."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import evaluate
import numpy as np
from numpy.typing import ArrayLike, NDArray

from llmood.metrics import (
    CalibrationMetric,
    Estimate,
    Interval,
    Metric,
    UndefinedMetric,
    bootstrap_interval,
    calibration_estimates,
    metrics_registry,
)

INPUTS = """
Args:
    predictions: one {score} a sample, higher is {high}; not NaN: drop and count unscored samples first.
    references: 1 (or True) where the {what} is {positive}, 0 where it is {negative}.
    interval: also give the bootstrap interval.
    groups: with `interval`, what each sample was cut from, None for a sample of its own; a group is drawn whole.
    draws: with `interval`, how many resamples.
    level: with `interval`, the confidence level in (0, 1).
    seed: with `interval`, the seed of the resamples.

Returns:
    {name}: the metric; with `interval` also {name}_ci_low, {name}_ci_high, {name}_ci_method and
    {name}_ci_reason, which says why where there is no interval.

Raises:
    ValueError: the samples don't define the metric (one class only), NaN, or other references than 0 and 1.
"""


class Labels(NamedTuple):
    """What the references of a question say: `what` is `positive` where they are 1, and scores are `high` there."""

    what: str
    positive: str
    negative: str
    high: str
    score: str = "score"


LABELS = {
    "calibration": Labels("answer", "right", "wrong", "surer", "confidence in [0, 1]"),
    "ood_detection": Labels("sample", "OOD", "ID", "more OOD"),
    "error_detection": Labels("answer", "wrong", "right", "less sure"),
}


class RankingMetric(evaluate.Metric):  # type: ignore[misc] # evaluate is not annotated
    """A metric of llmood behind the interface of `evaluate`; `module_of` makes one for each."""

    metric: Metric

    def _info(self) -> Any:
        import datasets

        return evaluate.MetricInfo(
            description=f"{self.metric.title}: {self.metric.description}.",
            citation="",
            inputs_description=INPUTS.format(name=self.metric.id, **LABELS[self.metric.question]._asdict()),
            # References as numbers: as whole ones, or as booleans, 0.7 would become a label in silence.
            features=datasets.Features(
                {"predictions": datasets.Value("float64"), "references": datasets.Value("float64")}
            ),
        )

    def _compute(
        self,
        predictions: ArrayLike,
        references: ArrayLike,
        *,
        interval: bool = False,
        groups: Sequence[Hashable | None] | None = None,
        draws: int = 1000,
        level: float = 0.95,
        seed: int = 0,
    ) -> dict[str, Any]:
        name = self.metric.id
        scores = np.asarray(predictions, dtype=np.float64)
        labels = _labels(references, name, LABELS[self.metric.question])
        try:
            if not interval:
                return {name: self.metric(scores, labels)}
            found = _interval(self.metric, scores, labels, groups=groups, draws=draws, level=level, seed=seed)
        except UndefinedMetric as error:
            raise ValueError(f"{name} is undefined: {error.reason}") from error
        return {
            name: found.value,
            f"{name}_ci_low": found.low,
            f"{name}_ci_high": found.high,
            f"{name}_ci_method": found.method,
            f"{name}_ci_reason": found.reason,
        }


def module_of(metric: str) -> type[RankingMetric]:
    """The class that `evaluate.load` makes an instance of, called as the metric is."""
    # evaluate takes the first class of its own that a file holds, and calls it by the class's name.
    return type(metric, (RankingMetric,), {"metric": metrics_registry.get(metric), "__module__": __name__})


def _interval(
    metric: Metric, scores: NDArray[np.float64], labels: NDArray[np.bool_], **options: Any
) -> Interval | Estimate:
    if not isinstance(metric, CalibrationMetric):
        return bootstrap_interval(metric, scores, labels, **options)
    found = calibration_estimates(scores, labels, metrics=[metric], **options)[metric.id]
    if found.value is None:
        raise UndefinedMetric(str(found.reason))
    return found


def _labels(references: ArrayLike, name: str, labels: Labels) -> NDArray[np.bool_]:
    given: NDArray[Any] = np.asarray(references)
    if not np.isin(given, (0, 1)).all():
        raise ValueError(f"{name}: references must be 1 for {labels.positive} and 0 for {labels.negative}")
    return given.astype(np.bool_)
