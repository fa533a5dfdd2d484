"""What does calibrating on ID rows buy on each population? The calibrated confidence against the scorer's own word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from llmood.calibrators import CalibrationError
from llmood.config import BootstrapConfig
from llmood.metrics import (
    CALIBRATION,
    CalibrationMetric,
    Estimate,
    UndefinedMetric,
    calibration_changes,
    calibration_metrics,
)
from llmood.questions.confidences import Confidence
from llmood.questions.errors import Answers, about_right, estimate_entries
from llmood.questions.ood_detection import NONE_SCORED
from llmood.questions.populations import Floats, ScoredBenchmark
from llmood.records import MetricRecord

CHANGE = "_change"
CHANGED = ("log_loss", "brier", "smooth_ece")


def change_records(
    scored: ScoredBenchmark,
    answers: Answers,
    made: Sequence[Confidence],
    bootstrap: BootstrapConfig,
    seed: int,
) -> Iterator[MetricRecord]:
    """metric(calibrated) − metric(own word) of one scorer on one population; below 0, calibrating helps there.

    None of a scorer that has no probability of its own: there is nothing before.

    Args:
        made: its confidences, that without a calibrator among them.
    """
    own = next((each for each in made if each.calibrator is None), None)
    calibrated = [each for each in made if each.calibrator is not None]
    if own is None or not calibrated:
        return
    metrics = [metric for metric in calibration_metrics() if metric.id in CHANGED]
    found, reasons = _changes(own, calibrated, answers, metrics, bootstrap, seed)
    for each in calibrated:
        name = str(each.calibrator)
        for metric in metrics:
            unmade = Estimate(None, bootstrap.level, reasons.get(name))
            yield about_right(
                scored,
                answers,
                question=CALIBRATION,
                calibrator=name,
                metric=metric.id + CHANGE,
                positive_class=metric.positive_class,
                higher_is_better=metric.higher_is_better,
                **estimate_entries(found.get((name, metric.id), unmade), {"n_calibration": each.n}),
            )


def _changes(
    own: Confidence,
    calibrated: Sequence[Confidence],
    answers: Answers,
    metrics: Sequence[CalibrationMetric],
    bootstrap: BootstrapConfig,
    seed: int,
) -> tuple[Mapping[tuple[str, str], Estimate], dict[str, str]]:
    """By calibrator and metric; and why there is nothing of a calibrator."""
    after: dict[str, Floats] = {}
    reasons: dict[str, str] = {}
    for each in calibrated:
        try:
            after[str(each.calibrator)] = each.of(answers.scores)
        except CalibrationError as error:
            reasons[str(each.calibrator)] = error.reason
    try:
        found = calibration_changes(
            own.of(answers.scores),
            after,
            ~answers.wrong,
            metrics,
            groups=answers.groups.tolist(),
            draws=bootstrap.draws,
            level=bootstrap.level,
            seed=seed,
        )
    except UndefinedMetric:
        return {}, dict.fromkeys(after, NONE_SCORED) | reasons
    return found, reasons
