"""Is a confidence right as often as it says in each domain and each language of a population?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from llmood.config import BootstrapConfig
from llmood.metrics import calibration_metrics
from llmood.metrics.familiarity import LEAST_GROUPS
from llmood.questions.calibration import confidence_records, judged_populations
from llmood.questions.confidences import Confidence
from llmood.questions.errors import Answers
from llmood.questions.judgements import Judgements
from llmood.questions.populations import Population, ScoredBenchmark
from llmood.records import MetricRecord
from llmood.seeds import derive_seed

SLICED = ("brier", "log_loss", "mean_confidence_gap")
"""Means, which have intervals: in a small slice, binned errors are mostly noise."""


@dataclass(frozen=True, slots=True)
class _Slices:
    """One population by one column.

    Attributes:
        parts: the name of each slice, and what of the population is in it.
        not_sliced: why judged answers are in none → how many.
    """

    by: str
    parts: dict[str, Population]
    not_sliced: dict[str, int]


def calibration_slices(
    scored: ScoredBenchmark,
    judgements: Judgements,
    confidences: Mapping[str, Sequence[Confidence]],
    columns: Mapping[str, Sequence[str | None]],
    *,
    bootstrap: BootstrapConfig,
    seed: int,
    on_step: Callable[[], None] = lambda: None,
) -> Iterator[MetricRecord]:
    """The metrics that are means, in each slice of each population that has two or more of them.

    A slice has judged answers of at least `LEAST_GROUPS` independent groups, as the slices of `familiarity` need for an
    interval; what is in none is counted in `params.not_sliced`.

    Args:
        columns: what slices are made by → what each sample has there, None where it has nothing.
    """
    metrics = [metric for metric in calibration_metrics() if metric.id in SLICED]
    for population in judged_populations(scored, judgements):
        own_seed = derive_seed(seed, "errors", population.task)
        for by, names in columns.items():
            found = _slices(scored, judgements, population, by, names)
            for name, part in found.parts.items():
                for scorer, made in confidences.items():
                    answers = Answers.of(scored, judgements, part, scorer)
                    for each in made:
                        yield from confidence_records(
                            scored,
                            answers,
                            each,
                            metrics,
                            bootstrap,
                            own_seed,
                            of_slice=f"{by}:{name}",
                            params={"by": by, "not_sliced": found.not_sliced},
                        )
        on_step()


def _slices(
    scored: ScoredBenchmark,
    judgements: Judgements,
    population: Population,
    by: str,
    names: Sequence[str | None],
) -> _Slices:
    judged = judgements.rows(population)
    groups: dict[str, set[str]] = {}
    for row in judged.tolist():
        groups.setdefault(names[row] or "", set()).add(str(scored.groups[row]))
    if len(groups) < 2:  # it is the whole population
        return _Slices(by, {}, {})
    kept = [name for name in sorted(groups) if name and len(groups[name]) >= LEAST_GROUPS]
    own = np.array([names[row] or "" for row in population.rows.tolist()])
    parts = {name: replace(population, rows=population.rows[own == name]) for name in kept}
    left = Counter(
        f"in a {by} of under {LEAST_GROUPS} independent groups" if names[row] else f"without a {by}"
        for row in judged.tolist()
        if names[row] not in parts
    )
    return _Slices(by, parts, dict(sorted(left.items())))
