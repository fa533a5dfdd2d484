"""Does a scorer tell the ID population from each OOD one?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from llmood.config import BootstrapConfig
from llmood.metrics import (
    Metric,
    Ranked,
    UndefinedMetric,
    bootstrap_intervals,
    metrics_registry,
    rank_scorers,
    smallest_detectable_difference,
)
from llmood.questions.populations import Contrast, Population, ScoredBenchmark
from llmood.records import MetricRecord
from llmood.scorers.baselines import BASELINES
from llmood.seeds import derive_seed

QUESTION = "ood_detection"
HEADLINE = "auroc"
BEHIND_BEST = "auroc_behind_best"


def ood_detection(
    scored: ScoredBenchmark, bootstrap: BootstrapConfig, seed: int, on_step: Callable[[], None] = lambda: None
) -> Iterator[MetricRecord]:
    """Every metric of every scorer against every OOD population, then who is best on each."""
    metrics = [metric for _, metric in metrics_registry if metric.question == QUESTION]
    for ood, scorer in scored.pairs():
        yield from _records(scored, ood, scorer, metrics, bootstrap, seed)
        on_step()
    for ood in scored.ood:
        yield from _comparison(scored, ood, bootstrap, seed)
        on_step()


def resample_seed(seed: int, scored: ScoredBenchmark, ood: Population) -> int:
    """One seed a pair of populations: all scorers see the same resamples."""
    return derive_seed(seed, "bootstrap", scored.id.task, ood.task)


def _records(
    scored: ScoredBenchmark,
    ood: Population,
    scorer: str,
    metrics: list[Metric],
    bootstrap: BootstrapConfig,
    seed: int,
) -> Iterator[MetricRecord]:
    contrast = scored.contrast(ood, scorer)
    try:
        intervals = bootstrap_intervals(
            [metric.id for metric in metrics],
            contrast.scores,
            contrast.is_ood,
            groups=contrast.groups.tolist(),
            draws=bootstrap.draws,
            level=bootstrap.level,
            seed=resample_seed(seed, scored, ood),
        )
    except UndefinedMetric as error:
        for metric in metrics:
            yield _record(scored, ood, scorer, contrast, metric, value=None, reason=str(error))
        return
    for metric in metrics:
        interval = intervals[metric.id]
        yield _record(
            scored,
            ood,
            scorer,
            contrast,
            metric,
            value=interval.value,
            reason=interval.reason,
            ci_low=interval.low,
            ci_high=interval.high,
            ci_level=None if interval.low is None else interval.level,
            ci_method=interval.method,
        )


def _record(
    scored: ScoredBenchmark, ood: Population, scorer: str, contrast: Contrast, metric: Metric, **value: object
) -> MetricRecord:
    return MetricRecord(
        **value,  # type: ignore[arg-type]
        benchmark=scored.name,
        question=QUESTION,
        scorer=scorer,
        id_task=scored.id.task,
        ood_task=ood.task,
        shift=ood.shift,
        severity=ood.severity,
        metric=metric.id,
        params=_prevalence(contrast) if metric.id.startswith("aupr") else {},
        n=len(contrast.scores),
        n_negative=contrast.n_negative,
        n_positive=contrast.n_positive,
        n_unscored=contrast.n_unscored,
        positive_class=metric.positive_class,
        higher_is_better=metric.higher_is_better,
    )


def _prevalence(contrast: Contrast) -> dict[str, float | None]:
    n = len(contrast.scores)
    return {"prevalence": contrast.n_positive / n if n else None}


def _comparison(
    scored: ScoredBenchmark, ood: Population, bootstrap: BootstrapConfig, seed: int
) -> Iterator[MetricRecord]:
    """How far each scorer is behind the best, on the samples that all of them scored."""
    rows = np.concatenate([scored.id.rows, ood.rows])
    is_ood = np.repeat([False, True], [len(scored.id.rows), len(ood.rows)])
    names = [
        name
        for name in scored.scores
        if name not in BASELINES and not np.isnan(scored.scores[name][rows]).all()
    ]
    common = (
        ~np.isnan([scored.scores[name][rows] for name in names]).any(axis=0)
        if names
        else np.zeros(len(rows), bool)
    )
    if len(names) < 2:
        return
    try:
        ranked = rank_scorers(
            HEADLINE,
            {name: scored.scores[name][rows[common]] for name in names},
            is_ood[common],
            groups=scored.groups[rows[common]].tolist(),
            draws=bootstrap.draws,
            level=bootstrap.level,
            seed=resample_seed(seed, scored, ood),
        )
    except UndefinedMetric:
        return  # the scorers' own records of this population say why
    leader = next(name for name, place in ranked.items() if place.leads)
    for name, place in ranked.items():
        yield MetricRecord(
            benchmark=scored.name,
            question=QUESTION,
            scorer=name,
            id_task=scored.id.task,
            ood_task=ood.task,
            shift=ood.shift,
            severity=ood.severity,
            metric=BEHIND_BEST,
            positive_class="ood",
            higher_is_better=False,
            n=int(common.sum()),
            n_negative=int((common & ~is_ood).sum()),
            n_positive=int((common & is_ood).sum()),
            n_unscored=int((~common).sum()),
            **_behind(place, leader),  # type: ignore[arg-type]
        )


def _behind(place: Ranked, leader: str) -> dict[str, object]:
    difference = place.difference
    if difference is None:
        return {"value": 0.0, "params": {"best": leader, "ties_with_best": True}}
    try:
        detectable: float | None = smallest_detectable_difference(difference.standard_error, difference.level)
    except UndefinedMetric:
        detectable = None
    return {
        "value": difference.value,
        "ci_low": difference.low,
        "ci_high": difference.high,
        "ci_level": difference.level,
        "ci_method": "paired_percentile",
        "params": {
            "best": leader,
            "ties_with_best": place.best,
            "p_holm": place.p_value,
            "smallest_detectable": detectable,
            "draws": difference.draws,
        },
    }
