"""What does a scorer lose in detecting errors, from ID to near to far? On samples that may share groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from llmood.config import BootstrapConfig
from llmood.metrics import Interval, Metric, UndefinedMetric, mean_loss, metric_loss
from llmood.questions.errors import ACCURACY, Answers, answers_alone, interval_entries, record
from llmood.questions.judgements import Judgements
from llmood.questions.populations import Population, ScoredBenchmark
from llmood.records import MetricRecord
from llmood.seeds import derive_seed

LOSS = "_loss"
LOST = ("auroc", "prr")  # what is compared between populations: neither depends on how many answers are wrong
FROM = "from "  # a slice: the loss from another population than ID


def losses(
    scored: ScoredBenchmark,
    judgements: Judgements,
    scorers: Sequence[str],
    metrics: Sequence[Metric],
    *,
    bootstrap: BootstrapConfig,
    seed: int,
    on_step: Callable[[], None] = lambda: None,
) -> Iterator[MetricRecord]:
    """metric(from) − metric(to) of each scorer, and of accuracy, from ID to each OOD population and from near to far.

    Above 0, the scorer is worse there. A loss from near to far bears the slice `from <near task>`.
    """
    judged = [each for each in (scored.id, *scored.ood) if len(judgements.rows(each))]
    for to in scored.ood:
        starts = [scored.id, *(near for near in scored.ood if near.shift == "near" and to.shift == "far")]
        for start in starts:
            if start in judged and to in judged:
                own_seed = derive_seed(seed, "losses", start.task, to.task)
                yield from _of_pair(
                    scored,
                    judgements,
                    start,
                    to,
                    scorers=scorers,
                    metrics=metrics,
                    bootstrap=bootstrap,
                    seed=own_seed,
                )
        on_step()


def _of_pair(
    scored: ScoredBenchmark,
    judgements: Judgements,
    start: Population,
    to: Population,
    *,
    scorers: Sequence[str],
    metrics: Sequence[Metric],
    bootstrap: BootstrapConfig,
    seed: int,
) -> Iterator[MetricRecord]:
    settings: dict[str, Any] = {"draws": bootstrap.draws, "level": bootstrap.level, "seed": seed}
    sliced = None if start is scored.id else f"{FROM}{start.task}"

    def made(first: Answers, second: Answers, metric: str, better: bool, **entries: Any) -> MetricRecord:
        values = {"from": start.task, "n_from": len(first.wrong)}
        unscored = {"n_unscored_from": first.n_unscored}
        return record(
            scored,
            second,
            slice=sliced,
            metric=metric + LOSS,
            params={**values, **unscored},
            positive_class="wrong" if second.scorer else None,
            higher_is_better=not better,
            **entries,
        )

    first, second = (answers_alone(scored, judgements, each) for each in (start, to))
    groups = [*first.groups.tolist(), *second.groups.tolist()]
    found = mean_loss(~first.wrong, ~second.wrong, groups=groups, **settings)
    yield made(first, second, ACCURACY, True, **interval_entries(found))
    for scorer in scorers:
        first, second = (Answers.of(scored, judgements, each, scorer) for each in (start, to))
        groups = [*first.groups.tolist(), *second.groups.tolist()]
        for metric in metrics:
            entries: dict[str, Any]
            try:
                loss: Interval = metric_loss(
                    metric,
                    (first.scores, first.wrong),
                    (second.scores, second.wrong),
                    groups=groups,
                    **settings,
                )
                entries = interval_entries(loss)
            except UndefinedMetric as error:
                entries = {"value": None, "reason": error.reason}
            yield made(first, second, metric.id, bool(metric.higher_is_better), **entries)
