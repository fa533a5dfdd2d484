"""Which samples a scorer gets most wrong: those that the report shows, and that are explained."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from llmood.questions.populations import Floats, ScoredBenchmark
from llmood.scorers.baselines import BASELINES
from llmood.scorers.on_adapter import is_on_adapter

FALSE_ALARMS = 8
MISSES = 5

Rows = NDArray[np.int64]


def asked_for(scorers: Iterable[str]) -> list[str]:
    """The scorers that were asked for, on the first adapter, without the baselines."""
    return [name for name in scorers if name not in BASELINES and not is_on_adapter(name)]


def highest(values: Floats, rows: Rows, wanted: int) -> Rows:
    """Those of the rows with the highest scores, the highest first; what has none is left out."""
    return _first(-values[rows], rows, wanted)


def lowest(values: Floats, rows: Rows, wanted: int) -> Rows:
    """Those of the rows with the lowest scores, the lowest first; what has none is left out."""
    return _first(values[rows], rows, wanted)


def mistakes(scored: ScoredBenchmark) -> Rows:
    """The rows of all samples that the report shows: the first scorer's false alarms, and its misses by OOD set.

    Sets that are a grade of a family are not shown.
    """
    for scorer in asked_for(scored.scores)[:1]:
        values = scored.scores[scorer]
        # A population's rows are in the order of ids, the report's in the file's.
        found = [highest(values, np.sort(scored.id.rows), FALSE_ALARMS)]
        found += [
            lowest(values, np.sort(ood.rows), MISSES)
            for ood in scored.ood
            if ood.family is None or ood.severity is None
        ]
        return np.concatenate(found)
    return np.empty(0, np.int64)


def _first(keys: Floats, rows: Rows, wanted: int) -> Rows:
    there = ~np.isnan(keys)
    # Stable: samples with the same score stay in the rows' order.
    return np.asarray(rows[there][np.argsort(keys[there], kind="stable")[:wanted]])
