"""Does a scorer follow how good an answer is? For rules whose quality lies between right and wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llmood.config import BootstrapConfig
from llmood.metrics import UndefinedMetric, prr_interval, spearman_interval
from llmood.questions.errors import Answers, interval_entries, record
from llmood.questions.populations import ScoredBenchmark
from llmood.records import MetricRecord

SPEARMAN = "spearman_quality"
PRR = "prr_quality"


def quality_records(
    scored: ScoredBenchmark, answers: Answers, bootstrap: BootstrapConfig, seed: int
) -> Iterator[MetricRecord]:
    """PRR over graded quality, and the rank correlation of the score with 1 − quality."""
    settings: dict[str, Any] = {
        "groups": answers.groups.tolist(),
        "draws": bootstrap.draws,
        "level": bootstrap.level,
        "seed": seed,
    }
    for metric in (PRR, SPEARMAN):
        try:
            found = (
                prr_interval(answers.scores, answers.quality, **settings)
                if metric == PRR
                else spearman_interval(answers.scores, 1.0 - answers.quality, **settings)
            )
            entries = interval_entries(found)
        except UndefinedMetric as error:
            entries = {"value": None, "reason": error.reason}
        yield record(scored, answers, metric=metric, positive_class="wrong", higher_is_better=True, **entries)
