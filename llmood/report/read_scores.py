"""Scores as the report reads them: a column a scorer, and why samples have none."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from llmood.errors import StoreError

Floats = NDArray[np.float64]


def check_scored(folder: Path, samples: pa.Table | None, table: pa.Table | None) -> None:
    """See to it that every scorer has a row for each sample, and none for another.

    Raises:
        StoreError: it is otherwise.
    """
    if samples is None or table is None:
        return
    known = Counter(samples["sample_id"].to_pylist())
    scored: dict[str, Counter[str]] = {}
    for name, sample_id in zip(table["scorer"].to_pylist(), table["sample_id"].to_pylist(), strict=True):
        scored.setdefault(name, Counter())[sample_id] += 1
    for name, rows in scored.items():
        if rows != known:
            raise StoreError(
                f"{folder}: is damaged: the rows of {name} in scores.parquet are not those of samples.parquet",
                hint="'llmood run' makes both anew",
            )


def reasons_of(table: pa.Table | None) -> dict[str, dict[str, int]]:
    """By scorer, why samples have no score and how many, the most frequent first."""
    if table is None:
        return {}
    found: dict[str, Counter[str]] = {}
    without = table.filter(pc.is_valid(table["reason"]))
    for name, reason in zip(without["scorer"].to_pylist(), without["reason"].to_pylist(), strict=True):
        found.setdefault(name, Counter())[reason] += 1
    return {name: dict(counts.most_common()) for name, counts in found.items()}


def score_columns(
    samples: pa.Table | None, table: pa.Table | None
) -> tuple[dict[str, Floats], dict[str, dict[str, int]]]:
    """By scorer, the scores in the samples' order, NaN where there is none, and of each status but `ok` how many."""
    if samples is None or table is None:
        return {}, {}
    # A sample id can stand in two tasks only if its hash collides: rows are found by id.
    place = {sample_id: row for row, sample_id in enumerate(samples["sample_id"].to_pylist())}
    rows = np.array([place[sample_id] for sample_id in table["sample_id"].to_pylist()], dtype=np.int64)
    names = np.array(table["scorer"].to_pylist(), dtype=object)
    values = table["score"].to_numpy()
    status = np.array(table["status"].to_pylist(), dtype=object)
    scores, unscored = {}, {}
    for name in dict.fromkeys(names):
        own = names == name
        column = np.full(samples.num_rows, np.nan)
        column[rows[own]] = values[own]
        scores[str(name)] = column
        states, counts = np.unique(status[own].astype(str), return_counts=True)
        pairs = zip(states, counts, strict=True)
        unscored[str(name)] = {str(state): int(count) for state, count in pairs if state != "ok"}
    return scores, unscored
