"""How often does a model say yes, and how well does it tell when to? Of answers that are judged by `yes_no`.

A model that says yes to everything is right as often as yes is right. Source: POPE (Li et al., EMNLP 2023).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from llmood.config import BootstrapConfig
from llmood.metrics import UndefinedMetric, f1_interval, mean_interval
from llmood.questions.errors import answers_alone, interval_entries, record
from llmood.questions.judgements import YES_NO, Judgements
from llmood.questions.populations import Population, ScoredBenchmark
from llmood.records import MetricRecord

YES_RATE = "yes_rate"
F1_YES = "f1_yes"
METRICS = (YES_RATE, F1_YES)
NOT_KEPT = "what the references say was not kept"


def yes_no_records(
    scored: ScoredBenchmark,
    judgements: Judgements,
    population: Population,
    bootstrap: BootstrapConfig,
    seed: int,
) -> Iterator[MetricRecord]:
    """The share of answers that say yes, and the F1 of yes; nothing where another rule judges.

    An answer that says neither, or both, says no yes: it lowers both. `params` says how many there are, and how often
    yes is right.
    """
    rows = judgements.rows(population)
    wanted = judgements.wants_yes[rows]
    if not len(rows) or judgements.rule(population) != YES_NO:
        return
    answers = answers_alone(scored, judgements, population)
    settings: dict[str, Any] = {
        "groups": answers.groups.tolist(),
        "draws": bootstrap.draws,
        "level": bootstrap.level,
        "seed": seed,
    }
    known = not np.isnan(wanted).any()
    unclear = judgements.unclear[rows]
    yes = wanted == 1.0
    said = ~unclear & (yes != answers.wrong)
    params = {"wanted_yes": float(yes.mean()) if known else None, "neither": int(unclear.sum())}
    for metric in METRICS:
        try:
            if not known:
                raise UndefinedMetric(NOT_KEPT)
            found = (
                mean_interval(said.astype(np.float64), **settings)
                if metric == YES_RATE
                else f1_interval(said, yes, **settings)
            )
            entries = interval_entries(found)
        except UndefinedMetric as error:
            entries = {"value": None, "reason": error.reason}
        yield record(
            scored,
            answers,
            metric=metric,
            params=params,
            positive_class=None if metric == YES_RATE else "yes",
            higher_is_better=None if metric == YES_RATE else True,
            **entries,
        )
