"""Is a score only the length of the text? Its rank correlation with the number of prompt tokens."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from llmood.metrics import UndefinedMetric, spearman
from llmood.questions.populations import Floats, Population, ScoredBenchmark
from llmood.records import MetricRecord
from llmood.scorers.on_adapter import is_on_adapter

QUESTION = "length_confound"
METRIC = "spearman_length"


def length_confound(scored: ScoredBenchmark) -> Iterator[MetricRecord]:
    """Spearman(score, length) of every scorer within ID, and within each OOD population."""
    length = scored.scores["length"]
    for population in (scored.id, *scored.ood):
        for scorer, scores in scored.scores.items():
            if scorer == "length" or is_on_adapter(scorer):
                continue
            yield _record(scored, population, scorer, scores[population.rows], length[population.rows])


def _spearman(values: Floats, length: Floats) -> tuple[float | None, str | None]:
    try:
        return spearman(values, length), None
    except UndefinedMetric as error:
        return None, str(error)


def _record(
    scored: ScoredBenchmark, population: Population, scorer: str, values: Floats, length: Floats
) -> MetricRecord:
    kept = ~np.isnan(values) & ~np.isnan(length)  # a length is not known where nobody gave the tokens
    value, reason = _spearman(values[kept], length[kept])
    return MetricRecord(
        **scored.about(population),
        question=QUESTION,
        scorer=scorer,
        metric=METRIC,
        value=value,
        reason=reason,
        n=int(kept.sum()),
        n_unscored=int((~kept).sum()),
    )
