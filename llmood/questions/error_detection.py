"""Does a scorer tell wrong answers from right ones? In each population apart, never pooled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from llmood.config import BootstrapConfig
from llmood.metrics import (
    Metric,
    Ranked,
    UndefinedMetric,
    bootstrap_intervals,
    error_detection_metrics,
)
from llmood.questions.error_loss import LOST, losses
from llmood.questions.error_quality import quality_records
from llmood.questions.errors import QUESTION, Answers, accuracy, interval_entries, record
from llmood.questions.judgements import Judgements
from llmood.questions.ood_detection import BEHIND_BEST, HEADLINE, LEAST_SCORED, NONE_SCORED, behind_entries
from llmood.questions.populations import Population, ScoredBenchmark
from llmood.questions.ranking import ranked
from llmood.questions.yes_no import yes_no_records
from llmood.records import MetricRecord
from llmood.scorers.baselines import BASELINES
from llmood.scorers.on_adapter import is_on_adapter
from llmood.seeds import derive_seed

TOO_FEW = f"not compared: it scored under {LEAST_SCORED * 100:g} % of the judged answers"
ALONE = "not compared: no other scorer scored enough answers"


def error_detection(
    scored: ScoredBenchmark,
    judgements: Judgements,
    bootstrap: BootstrapConfig,
    seed: int,
    on_step: Callable[[], None] = lambda: None,
) -> Iterator[MetricRecord]:
    """Of each population the accuracy, every metric of every scorer, and who is best; then what each scorer loses.

    Only the first adapter's answers are judged, so scorers of other adapters are left out.
    """
    metrics = error_detection_metrics()
    for population in populations_of(scored):
        own_seed = derive_seed(seed, "errors", population.task)
        yield accuracy(scored, judgements, population, bootstrap, own_seed)
        yield from yes_no_records(scored, judgements, population, bootstrap, own_seed)
        for scorer in scorers_of(scored) if len(judgements.rows(population)) else ():
            answers = Answers.of(scored, judgements, population, scorer)
            yield from _records(scored, answers, metrics, bootstrap, own_seed)
            if judgements.is_graded(population):
                yield from quality_records(scored, answers, bootstrap, own_seed)
            on_step()
        yield from _comparison(scored, judgements, population, metrics[0], bootstrap, own_seed)
        on_step()
    yield from losses(
        scored,
        judgements,
        scorers_of(scored),
        [metric for metric in metrics if metric.id in LOST],
        bootstrap=bootstrap,
        seed=seed,
        on_step=on_step,
    )


def populations_of(scored: ScoredBenchmark) -> tuple[Population, ...]:
    """The ID population, then the OOD ones."""
    return (scored.id, *scored.ood)


def scorers_of(scored: ScoredBenchmark) -> list[str]:
    """The scorers of the adapter whose answers are judged."""
    return [name for name in scored.scores if not is_on_adapter(name)]


def steps_of(scored: ScoredBenchmark, judgements: Judgements) -> int:
    """How often `error_detection` reports progress."""
    judged = sum(len(judgements.rows(population)) > 0 for population in populations_of(scored))
    return judged * len(scorers_of(scored)) + len(populations_of(scored)) + len(scored.ood)


def _records(
    scored: ScoredBenchmark,
    answers: Answers,
    metrics: list[Metric],
    bootstrap: BootstrapConfig,
    seed: int,
) -> Iterator[MetricRecord]:
    try:
        intervals = bootstrap_intervals(
            metrics,
            answers.scores,
            answers.wrong,
            groups=answers.groups.tolist(),
            draws=bootstrap.draws,
            level=bootstrap.level,
            seed=seed,
        )
    except UndefinedMetric as error:
        reason = error.reason if len(answers.scores) else NONE_SCORED
        for metric in metrics:
            yield _metric_record(scored, answers, metric, value=None, reason=reason)
        return
    for metric in metrics:
        yield _metric_record(scored, answers, metric, **interval_entries(intervals[metric.id]))


def _metric_record(scored: ScoredBenchmark, answers: Answers, metric: Metric, **value: Any) -> MetricRecord:
    error_rate = float(answers.wrong.mean()) if len(answers.wrong) else None
    return record(
        scored,
        answers,
        metric=metric.id,
        params={"error_rate": error_rate} if metric.depends_on_prevalence else {},
        positive_class=metric.positive_class,
        higher_is_better=metric.higher_is_better,
        **value,
    )


def _comparison(
    scored: ScoredBenchmark,
    judgements: Judgements,
    population: Population,
    headline: Metric,
    bootstrap: BootstrapConfig,
    seed: int,
) -> Iterator[MetricRecord]:
    """How far each scorer is behind the best, on the answers that all of those scored that scored nearly all."""
    asked = [name for name in scorers_of(scored) if name not in BASELINES]
    judged = len(judgements.rows(population))
    if len(asked) < 2 or not judged:
        return
    own = {name: Answers.of(scored, judgements, population, name) for name in asked}
    compared = [name for name in asked if len(own[name].scores) >= LEAST_SCORED * judged]
    own |= {name: Answers.of(scored, judgements, population, name, also=compared) for name in compared}
    places, reason = _ranked({name: own[name] for name in compared}, headline, bootstrap, seed)
    leader = next((name for name, place in places.items() if place.leads), "")
    for name in asked:
        if name in places:
            entries = behind_entries(places[name], leader)
        else:
            entries = {"value": None, "reason": reason if name in compared else TOO_FEW}
        yield record(
            scored, own[name], metric=BEHIND_BEST, positive_class="wrong", higher_is_better=False, **entries
        )


def _ranked(
    compared: Mapping[str, Answers], headline: Metric, bootstrap: BootstrapConfig, seed: int
) -> tuple[dict[str, Ranked], str | None]:
    """The scorers' places; or none, and why."""
    if len(compared) < 2:
        return {}, ALONE
    common = next(iter(compared.values()))
    scores = {name: answers.scores for name, answers in compared.items()}
    return ranked(headline, scores, common.wrong, common.groups.tolist(), bootstrap, seed)


__all__ = ["HEADLINE", "QUESTION", "error_detection", "populations_of", "scorers_of", "steps_of"]
