"""Does a scorer tell the ID population from each OOD one?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from llmood.config import BootstrapConfig
from llmood.metrics import (
    Metric,
    Ranked,
    UndefinedMetric,
    bootstrap_intervals,
    metrics_registry,
    smallest_detectable_difference,
)
from llmood.questions.populations import Contrast, Population, ScoredBenchmark
from llmood.questions.ranking import ranked
from llmood.records import MetricRecord
from llmood.scorers.baselines import BASELINES
from llmood.scorers.on_adapter import is_on_adapter
from llmood.seeds import derive_seed

QUESTION = "ood_detection"
HEADLINE = "auroc"
NONE_SCORED = "no sample was scored"
BEHIND_BEST = "auroc_behind_best"
LEAST_SCORED = 0.9  # of each population: who scored fewer is not compared with the others
TOO_FEW = f"not compared: it scored under {LEAST_SCORED * 100:g} % of the ID or of the OOD samples"
ALONE = "not compared: no other scorer scored enough samples"


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
        # The metrics see the scored samples alone, and of none they can't know that others were there.
        reason = str(error) if len(contrast.scores) else NONE_SCORED
        for metric in metrics:
            yield _metric_record(scored, ood, scorer, contrast, metric, value=None, reason=reason)
        return
    for metric in metrics:
        interval = intervals[metric.id]
        yield _metric_record(
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


def _metric_record(
    scored: ScoredBenchmark, ood: Population, scorer: str, contrast: Contrast, metric: Metric, **value: Any
) -> MetricRecord:
    return _record(
        scored,
        ood,
        scorer,
        contrast,
        metric=metric.id,
        params=_prevalence(contrast) if metric.depends_on_prevalence else {},
        positive_class=metric.positive_class,
        higher_is_better=metric.higher_is_better,
        **value,
    )


def _record(
    scored: ScoredBenchmark, ood: Population, scorer: str, contrast: Contrast, **entries: Any
) -> MetricRecord:
    return MetricRecord(
        benchmark=scored.name,
        question=QUESTION,
        scorer=scorer,
        id_task=scored.id.task,
        ood_task=ood.task,
        shift=ood.shift,
        severity=ood.severity,
        n=len(contrast.scores),
        n_negative=contrast.n_negative,
        n_positive=contrast.n_positive,
        n_unscored=contrast.n_unscored,
        **entries,
    )


def _prevalence(contrast: Contrast) -> dict[str, float | None]:
    n = len(contrast.scores)
    return {"prevalence": contrast.n_positive / n if n else None}


def _comparison(
    scored: ScoredBenchmark, ood: Population, bootstrap: BootstrapConfig, seed: int
) -> Iterator[MetricRecord]:
    """How far each scorer is behind the best, on the samples that all of those scored that scored nearly all."""
    asked = [name for name in scored.scores if name not in BASELINES and not is_on_adapter(name)]
    if len(asked) < 2:
        return
    contrasts = {name: scored.contrast(ood, name) for name in asked}
    compared = [name for name in asked if scored_nearly_all(contrasts[name], scored, ood)]
    contrasts |= {name: scored.contrast(ood, name, also=compared) for name in compared}
    places, reason = _ranked({name: contrasts[name] for name in compared}, scored, ood, bootstrap, seed)
    leader = next((name for name, place in places.items() if place.leads), "")
    for name in asked:
        if name in places:
            entries = behind_entries(places[name], leader)
        else:
            entries = {"value": None, "reason": reason if name in compared else TOO_FEW}
        yield _record(
            scored,
            ood,
            name,
            contrasts[name],
            metric=BEHIND_BEST,
            positive_class="ood",
            higher_is_better=False,
            **entries,
        )


def scored_nearly_all(contrast: Contrast, scored: ScoredBenchmark, ood: Population) -> bool:
    """Whether a contrast has nearly all of both populations."""
    # Of each population: what a scorer leaves out, it leaves out for all that it is compared with.
    pairs = ((contrast.n_negative, scored.id), (contrast.n_positive, ood))
    return all(n >= LEAST_SCORED * len(population.rows) for n, population in pairs)


def _ranked(
    compared: Mapping[str, Contrast],
    scored: ScoredBenchmark,
    ood: Population,
    bootstrap: BootstrapConfig,
    seed: int,
) -> tuple[dict[str, Ranked], str | None]:
    """The scorers' places; or none, and why."""
    if len(compared) < 2:
        return {}, ALONE
    common = next(iter(compared.values()))
    scores = {name: contrast.scores for name, contrast in compared.items()}
    own_seed = resample_seed(seed, scored, ood)
    return ranked(HEADLINE, scores, common.is_ood, common.groups.tolist(), bootstrap, own_seed)


def behind_entries(place: Ranked, leader: str) -> dict[str, Any]:
    """How far a scorer is behind the best, as a record says it."""
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
