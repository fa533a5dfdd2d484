"""How a confidence fares as a shift grows: what it, its errors and accuracy do from grade to grade.

Of every family of graded populations (see `severity`): the rank correlation of the grade with what is found at each
grade, which stands in `params`; and over the answers of all grades together, whether the surer answers are the right
ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from llmood.calibrators import CalibrationError
from llmood.config import BootstrapConfig
from llmood.metrics import (
    CALIBRATION,
    Estimate,
    UndefinedMetric,
    answer_losses,
    bootstrap_interval,
    grade_means,
    grade_rank_intervals,
    log_loss,
    rank_with_grade,
    raulc,
    smooth_ece,
    spearman_accuracy,
)
from llmood.questions.confidences import Confidence
from llmood.questions.errors import ACCURACY, Answers, answers_alone, estimate_entries, interval_entries
from llmood.questions.judgements import Judgements
from llmood.questions.ood_detection import NONE_SCORED
from llmood.questions.populations import Floats, Population, ScoredBenchmark
from llmood.questions.severity import Family, families
from llmood.records import MetricRecord
from llmood.seeds import derive_seed

WITH = "spearman_severity_"
RAULC = "raulc"
SURER = "spearman_accuracy"
LOG_LOSS = "log_loss"
MEANS = ("mean_confidence", "mean_confidence_gap", "brier", LOG_LOSS)
MEASURED: Mapping[str, Callable[[Floats, NDArray[np.bool_]], float]] = {
    "smooth_ece": smooth_ece,
    RAULC: lambda confidence, right: raulc(-confidence, right),
}
METRICS = (RAULC, SURER, *(f"{WITH}{name}" for name in (ACCURACY, *MEANS, *MEASURED)))
NO_MEAN = "no interval: what is found at a grade is no mean over its answers"
OVERLAP = "no interval: copies of an answer would be its own neighbours"


@dataclass(frozen=True, slots=True)
class _Graded:
    """The judged answers of a family that a scorer scored, grade by grade, 0 first.

    Attributes:
        grades: those that have answers.
        grade: (n,) of each answer.
    """

    family: Family
    scorer: str | None
    rule: str | None
    grades: list[int]
    grade: NDArray[np.int64]
    scores: Floats
    right: NDArray[np.bool_]
    groups: list[str]
    n_unscored: int

    @classmethod
    def of(cls, family: Family, answers: Callable[[Population], Answers]) -> Self:
        populations = [(0, family.origin), *((each.severity or 0, each) for each in family.grades)]
        found = [(grade, answers(population)) for grade, population in populations]
        parts = [each for _, each in found]
        return cls(
            family,
            parts[0].scorer,
            next((each.rule for each in parts if each.rule is not None), None),
            [grade for grade, each in found if len(each.wrong)],
            np.concatenate([np.full(len(each.wrong), grade) for grade, each in found]),
            np.concatenate([each.scores for each in parts]),
            ~np.concatenate([each.wrong for each in parts]),
            np.concatenate([each.groups for each in parts]).tolist(),
            sum(each.n_unscored for each in parts),
        )

    def each(self, measured: Callable[[Floats, NDArray[np.bool_]], float], confidence: Floats) -> list[float]:
        """Something of (confidence, right) at each grade.

        Raises:
            UndefinedMetric: at a grade.
        """
        found = []
        for grade in self.grades:
            rows = self.grade == grade
            try:
                found.append(float(measured(confidence[rows], self.right[rows])))
            except UndefinedMetric as error:
                raise UndefinedMetric(f"at grade {grade}, {error.reason}") from None
        return found


def severity_of_confidence(
    scored: ScoredBenchmark,
    judgements: Judgements,
    confidences: Mapping[str, Sequence[Confidence]],
    bootstrap: BootstrapConfig,
    seed: int,
    on_step: Callable[[], None] = lambda: None,
) -> Iterator[MetricRecord]:
    """Of every family: the rank correlation of grade and accuracy, then each confidence's records."""
    for family in families(scored):
        settings: dict[str, Any] = {
            "draws": bootstrap.draws,
            "level": bootstrap.level,
            "seed": derive_seed(seed, "severity of confidence", family.name),
        }
        alone = _Graded.of(family, partial(answers_alone, scored, judgements))
        if len(alone.grade):
            right = alone.right.astype(np.float64)
            yield from _of_means(scored, alone, {ACCURACY: right}, settings, {})
            for scorer, made in confidences.items():
                graded = _Graded.of(family, partial(Answers.of, scored, judgements, scorer=scorer))
                for each in made:
                    yield from _of_confidence(scored, graded, each, settings)
        on_step()


def _of_confidence(
    scored: ScoredBenchmark, graded: _Graded, made: Confidence, settings: dict[str, Any]
) -> Iterator[MetricRecord]:
    params: dict[str, Any] = {} if made.calibrator is None else {"n_calibration": made.n}
    named = {"calibrator": made.calibrator}
    try:
        confidence = _confidence(graded, made)
    except CalibrationError as error:
        for name in METRICS:
            if name != f"{WITH}{ACCURACY}":
                yield _record(scored, graded, name, params, value=None, reason=error.reason, **named)
        return
    yield _record(scored, graded, RAULC, params, **_raulc(graded, confidence, settings), **named)
    yield _record(scored, graded, SURER, params, **_surer(graded, confidence), **named)
    try:
        log_loss(confidence, graded.right)
    except UndefinedMetric as error:
        yield _record(scored, graded, f"{WITH}{LOG_LOSS}", params, value=None, reason=error.reason, **named)
        values = _values(graded, confidence, MEANS[:-1])
    else:
        values = _values(graded, confidence, MEANS)
    yield from _of_means(scored, graded, values, settings, params, **named)
    for name, measured in MEASURED.items():
        at_each: dict[str, Any] = {}
        try:
            at_each["values"] = graded.each(measured, confidence)
            entries = {"value": rank_with_grade(graded.grades, at_each["values"]), "reason": NO_MEAN}
        except UndefinedMetric as error:
            entries = {"value": None, "reason": error.reason}
        yield _record(scored, graded, f"{WITH}{name}", {**params, **at_each}, **entries, **named)


def _confidence(graded: _Graded, made: Confidence) -> Floats:
    """Of each answer.

    Raises:
        CalibrationError: there is none.
    """
    if not len(graded.grade):
        raise CalibrationError(NONE_SCORED)
    return made.of(graded.scores)


def _values(graded: _Graded, confidence: Floats, names: Sequence[str]) -> dict[str, Floats]:
    """What each answer adds to the means of these names."""
    right = graded.right.astype(np.float64)
    made: dict[str, Callable[[], Floats]] = {
        "mean_confidence": lambda: confidence,
        "mean_confidence_gap": lambda: confidence - right,
        "brier": lambda: (confidence - right) ** 2,
        LOG_LOSS: lambda: answer_losses(confidence, right),
    }
    return {name: made[name]() for name in names}


def _of_means(
    scored: ScoredBenchmark,
    graded: _Graded,
    values: Mapping[str, Floats],
    settings: dict[str, Any],
    params: Mapping[str, Any],
    **entries: Any,
) -> Iterator[MetricRecord]:
    found: Mapping[str, Estimate] = grade_rank_intervals(
        graded.grade, values, groups=graded.groups, **settings
    )
    for name, estimate in found.items():
        at_each = grade_means(graded.grade, values[name])[1].tolist()
        shown = estimate_entries(estimate, {})
        del shown["params"]
        yield _record(scored, graded, f"{WITH}{name}", {**params, "values": at_each}, **shown, **entries)


def _raulc(graded: _Graded, confidence: Floats, settings: dict[str, Any]) -> dict[str, Any]:
    """Over all grades; RAULC is PRR (see `metrics.raulc`), which has intervals."""
    try:
        found = bootstrap_interval("prr", -confidence, ~graded.right, groups=graded.groups, **settings)
    except UndefinedMetric as error:
        return {"value": None, "reason": error.reason}
    return interval_entries(found)


def _surer(graded: _Graded, confidence: Floats) -> dict[str, Any]:
    try:
        return {"value": spearman_accuracy(confidence, graded.right), "reason": OVERLAP}
    except UndefinedMetric as error:
        return {"value": None, "reason": error.reason}


def _record(
    scored: ScoredBenchmark, graded: _Graded, metric: str, params: Mapping[str, Any], **entries: Any
) -> MetricRecord:
    family = graded.family
    told = {"family": family.name, "grades": graded.grades, "origin": family.origin.task}
    return MetricRecord(
        benchmark=scored.name,
        question=CALIBRATION,
        scorer=graded.scorer,
        correctness=graded.rule,
        population="ood",
        id_task=scored.id.task,
        ood_task=family.name,
        shift=family.grades[0].shift,
        metric=metric,
        params={**told, **params},
        n=len(graded.grade),
        n_negative=int((~graded.right).sum()),
        n_positive=int(graded.right.sum()),
        n_unscored=graded.n_unscored,
        positive_class="right",
        higher_is_better=None if metric.startswith(WITH) else True,
        **entries,
    )
