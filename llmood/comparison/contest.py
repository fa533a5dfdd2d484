"""One scorer against another over every common OOD set: records, and Holm's correction over all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from llmood.comparison.pairing import Joined, Pairing
from llmood.comparison.sides import Side
from llmood.metrics import (
    Difference,
    Metric,
    UndefinedMetric,
    holm,
    paired_difference,
    smallest_detectable_difference,
)
from llmood.questions.ood_detection import resample_seed
from llmood.questions.populations import Contrast, Population, ScoredBenchmark
from llmood.records import MetricRecord

QUESTION = "comparison"


@dataclass(frozen=True)
class Contest:
    """Two sides with a scorer each."""

    first: Side
    other: Side
    scorer_a: str
    scorer_b: str
    pairing: Pairing

    @property
    def sides(self) -> tuple[Side, Side]:
        return replace(self.first, scorer=self.scorer_a), replace(self.other, scorer=self.scorer_b)


@dataclass(frozen=True)
class Settings:
    """How the differences are resampled."""

    draws: int
    level: float
    seed: int


@dataclass(frozen=True)
class Result:
    """A record before Holm's correction, and the difference in it.

    Attributes:
        identical: whether both sides gave every common sample the same score: there is nothing to test.
    """

    record: MetricRecord
    difference: Difference | None = None
    identical: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)


def tests_of(contest: Contest) -> int:
    """On how many common OOD sets its two sides can differ."""
    scored = contest.pairing.scored(contest.scorer_a, contest.scorer_b)
    return sum(not _identical(*_contrasts(scored, ood)) for ood in scored.ood)


def results_of(contest: Contest, metrics: Sequence[Metric], settings: Settings) -> Iterator[Result]:
    """A result for each common OOD set and metric."""
    scored = contest.pairing.scored(contest.scorer_a, contest.scorer_b)
    for ood, joined in zip(scored.ood, contest.pairing.ood, strict=True):
        for metric in metrics:
            yield _result(contest, scored, ood, joined, metric, settings)


def _result(
    contest: Contest,
    scored: ScoredBenchmark,
    ood: Population,
    joined: Joined,
    metric: Metric,
    settings: Settings,
) -> Result:
    a, b = _contrasts(scored, ood)
    params = _counts(contest, scored, ood, joined, metric)
    value, reason, difference = None, None, None
    try:
        difference = paired_difference(
            metric,
            a.scores,
            b.scores,
            a.is_ood,
            groups=a.groups.tolist(),
            draws=settings.draws,
            level=settings.level,
            seed=resample_seed(settings.seed, scored, ood),
        )
        value = difference.value
        params["a"]["value"], params["b"]["value"] = metric(a.scores, a.is_ood), metric(b.scores, b.is_ood)
    except UndefinedMetric as error:
        reason = error.reason
    record = MetricRecord(
        benchmark=scored.name,
        question=QUESTION,
        scorer=contest.scorer_a,
        id_task=scored.id.task,
        ood_task=ood.task,
        shift=ood.shift,
        severity=ood.severity,
        metric=f"{metric.id}_difference",
        value=value,
        reason=reason,
        n=len(a.scores),
        n_negative=a.n_negative,
        n_positive=a.n_positive,
        n_unscored=a.n_unscored,
        positive_class=metric.positive_class,
        higher_is_better=metric.higher_is_better,
    )
    return Result(record, difference, _identical(a, b), params)


def _contrasts(scored: ScoredBenchmark, ood: Population) -> tuple[Contrast, Contrast]:
    return scored.contrast(ood, "a", also=["b"]), scored.contrast(ood, "b", also=["a"])


def _identical(a: Contrast, b: Contrast) -> bool:
    return bool(np.array_equal(a.scores, b.scores))


def _counts(
    contest: Contest, scored: ScoredBenchmark, ood: Population, joined: Joined, metric: Metric
) -> dict[str, Any]:
    """The two sides, and every sample that one of them lacks."""
    id_joined = contest.pairing.id
    sides = {
        key: {
            "letter": side.letter,
            "run": side.run.folder,
            "scorer": side.scorer,
            "value": None,
            "n_unscored": scored.contrast(ood, key).n_unscored,
            "only_here": {"id": only_id, "ood": only_ood},
        }
        for key, side, only_id, only_ood in (
            ("a", contest.sides[0], id_joined.only_a, joined.only_a),
            ("b", contest.sides[1], id_joined.only_b, joined.only_b),
        )
    }
    return {"metric": metric.id, **sides, "n_common": len(id_joined.a) + len(joined.a)}


def adjusted(results: Sequence[Result], level: float) -> Iterator[MetricRecord]:
    """The records with their intervals and p-values, adjusted over all that could differ."""
    tested = [
        result.difference.p_value
        for result in results
        if result.difference is not None and not result.identical
    ]
    p_holm = iter(holm(tested).tolist() if tested else [])
    for result in results:
        difference = result.difference
        if difference is None:
            yield replace(result.record, params={**result.params, "comparisons": len(tested)})
            continue
        # A difference that can't be is no test: were it counted, it would only weaken the others.
        p_adjusted = difference.p_value if result.identical else next(p_holm)
        yield replace(
            result.record,
            ci_low=difference.low,
            ci_high=difference.high,
            ci_level=difference.level,
            ci_method="paired_percentile",
            params={
                **result.params,
                "better": _better(result.record, p_adjusted <= 1.0 - level),
                "p_value": difference.p_value,
                "p_holm": p_adjusted,
                "comparisons": len(tested),
                "identical": result.identical,
                "smallest_detectable": _detectable(difference),
                "draws": difference.draws,
            },
        )


def _better(record: MetricRecord, shown: bool) -> str | None:
    """The side that is better, `a` or `b`; None where these samples don't show it."""
    if not shown or not record.value:
        return None
    return "a" if (record.value > 0) == record.higher_is_better else "b"


def _detectable(difference: Difference) -> float | None:
    try:
        return smallest_detectable_difference(difference.standard_error, difference.level)
    except UndefinedMetric:
        return None
