"""Is a confidence right as often as it says? In each population apart, before and after calibration on ID rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from llmood.calibrators import CalibrationError
from llmood.config import BootstrapConfig
from llmood.metrics import (
    CALIBRATION,
    CalibrationMetric,
    Estimate,
    UndefinedMetric,
    calibration_estimates,
    calibration_metrics,
)
from llmood.questions.calibration_change import change_records
from llmood.questions.confidences import Confidence
from llmood.questions.error_detection import populations_of
from llmood.questions.errors import Answers, about_right, estimate_entries
from llmood.questions.judgements import Judgements
from llmood.questions.ood_detection import NONE_SCORED
from llmood.questions.populations import Floats, Population, ScoredBenchmark
from llmood.records import MetricRecord
from llmood.seeds import derive_seed

QUESTION = CALIBRATION
SLOW = "smooth_ece"
SLOW_DRAWS = 200
"""Of the band of the one metric whose draws take ten times as long as those of all others together."""


def calibration(
    scored: ScoredBenchmark,
    judgements: Judgements,
    confidences: Mapping[str, Sequence[Confidence]],
    bootstrap: BootstrapConfig,
    seed: int,
    on_step: Callable[[], None] = lambda: None,
) -> Iterator[MetricRecord]:
    """Every calibration metric of every confidence on every judged population, and what calibrators change there.

    Biased metrics (ECE and its kin) have no interval: `params` holds the debiased value and the band of values that
    perfect calibration would give. `params.n_calibration` says how many answers a calibrator learned from.
    """
    metrics = calibration_metrics()
    for population in judged_populations(scored, judgements):
        own_seed = derive_seed(seed, "errors", population.task)  # the resamples of error detection
        for scorer, made in confidences.items():
            answers = Answers.of(scored, judgements, population, scorer)
            for each in made:
                yield from confidence_records(scored, answers, each, metrics, bootstrap, own_seed)
                on_step()
            yield from change_records(scored, answers, made, bootstrap, own_seed)


def steps_of(
    scored: ScoredBenchmark, judgements: Judgements, confidences: Mapping[str, Sequence[Confidence]]
) -> int:
    """How often `calibration` reports progress."""
    return len(judged_populations(scored, judgements)) * sum(len(made) for made in confidences.values())


def judged_populations(scored: ScoredBenchmark, judgements: Judgements) -> list[Population]:
    """The populations that have judged answers, ID first."""
    return [each for each in populations_of(scored) if len(judgements.rows(each))]


def confidence_records(
    scored: ScoredBenchmark,
    answers: Answers,
    confidence: Confidence,
    metrics: Sequence[CalibrationMetric],
    bootstrap: BootstrapConfig,
    seed: int,
    *,
    of_slice: str | None = None,
    params: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[MetricRecord]:
    """These metrics of one confidence.

    Args:
        of_slice: what the answers are a slice of their population by.
        params: beside what the metrics add.
    """
    found: Mapping[str, Estimate] = {}
    reason = None
    try:
        found = _estimates(confidence.of(answers.scores), answers, metrics, bootstrap, seed)
    except CalibrationError as error:
        reason = error.reason
    except UndefinedMetric:
        reason = NONE_SCORED
    learned = {} if confidence.calibrator is None else {"n_calibration": confidence.n}
    for metric in metrics:
        estimate = found.get(metric.id, Estimate(None, bootstrap.level, reason))
        yield about_right(
            scored,
            answers,
            question=QUESTION,
            calibrator=confidence.calibrator,
            slice=of_slice,
            metric=metric.id,
            positive_class=metric.positive_class,
            higher_is_better=metric.higher_is_better,
            **estimate_entries(estimate, {**params, **learned}),
        )


def _estimates(
    confidence: Floats,
    answers: Answers,
    metrics: Sequence[CalibrationMetric],
    bootstrap: BootstrapConfig,
    seed: int,
) -> dict[str, Estimate]:
    found: dict[str, Estimate] = {}
    slow = [metric for metric in metrics if metric.id == SLOW]
    for own, draws in (
        ([metric for metric in metrics if metric.id != SLOW], bootstrap.draws),
        (slow, min(SLOW_DRAWS, bootstrap.draws)),
    ):
        found |= calibration_estimates(
            confidence,
            ~answers.wrong,
            groups=answers.groups.tolist(),
            draws=draws,
            level=bootstrap.level,
            seed=seed,
            metrics=own,
        )
    return found
