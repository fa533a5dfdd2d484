"""All scorers over all observations, in one pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from llmood.engines.observations import Block, Observations
from llmood.errors import ConfigError
from llmood.records import EVALUATED, FAILED, OK, UNSCORED, Split
from llmood.scorers.base import Scorer
from llmood.tables import SCORES


@dataclass(frozen=True, slots=True)
class ScorerColumn:
    """One scorer's scores of all samples, in the samples' order.

    Attributes:
        values: float64 (n,), NaN where `status` is not ok.
        status, reasons: object arrays of (n,) strings; a reason is None where the score is ok.
    """

    scorer: str
    values: NDArray[np.float64]
    status: NDArray[np.object_]
    reasons: NDArray[np.object_]
    fitted_on: str | None
    definition: str | None = None


def fit_all(scorers: Mapping[str, Scorer], observations: Observations) -> None:
    """Let every scorer that learns learn from its own split, never from what is measured.

    Raises:
        ConfigError: the run has no rows of that split, or no verdicts where a scorer learns from them.
    """
    check_verdicts(scorers, judged=observations.verdicts is not None)
    splits: dict[Split, Observations] = {}  # one of each, so that scorers share what they read of it
    for name, scorer in scorers.items():
        if scorer.fitted_on is None:
            continue
        rows = _rows(name, observations, scorer.fitted_on, splits)
        chosen_on = scorer.chosen_on
        scorer.fit(rows, _rows(name, observations, chosen_on, splits) if chosen_on else None)


def check_verdicts(scorers: Mapping[str, Scorer], *, judged: bool) -> None:
    """Refuse a scorer that learns from which answers are right where none is judged.

    Raises:
        ConfigError: there is one.
    """
    learning = next((name for name, scorer in scorers.items() if scorer.reads_correctness), None)
    if learning is not None and not judged:
        raise ConfigError(
            f"scorers: {learning} learns from which answers are right, and this run judges none",
            hint="'correctness' says how they are judged; a task needs references, choices or labels for it",
        )


def background_of(scorers: Mapping[str, Scorer]) -> tuple[str, str] | None:
    """The background that scorers name, and the first of them; None where none does.

    Raises:
        ConfigError: they name two: a run reads one.
    """
    named = {}
    for name, scorer in scorers.items():
        try:
            named[name] = scorer.background
        except ValueError as error:
            raise ConfigError(f"scorers: {name}: {error}", hint="a run reads one background") from None
    first = next((name for name, background in named.items() if background is not None), None)
    if first is None:
        return None
    asked = str(named[first])
    other = next((name for name, each in named.items() if each not in (None, asked)), None)
    if other is not None:
        raise ConfigError(
            f"scorers: {first} has the background {asked} and {other} {named[other]}, and a run reads one",
            hint="make a run of each, and 'llmood compare' them; if they are one task, name it in one way",
        )
    return first, asked


def check_background(scorers: Mapping[str, Scorer], read: str | None, source: str) -> None:
    """Refuse a background that wasn't read when the observations were made.

    Args:
        read: the one that was, as the configuration named it.
        source: what has the observations.

    Raises:
        ConfigError: another one is named.
    """
    wanted = background_of(scorers)
    if wanted is not None and wanted[1] != read:
        name, asked = wanted
        raise ConfigError(
            f"scorers: {name} reads the background {asked}, and {source} holds {read or 'none'}",
            hint="'llmood run' with that scorer in the configuration reads it",
        )


def _rows(
    name: str, observations: Observations, split: Split, splits: dict[Split, Observations]
) -> Observations:
    if split == EVALUATED:
        raise ValueError(f"{name}: nothing is fitted on the split that is measured")
    if split not in splits:
        splits[split] = observations.of(split)
    rows = splits[split]
    if rows.samples.num_rows == 0:
        raise ConfigError(
            f"scorers: {name} learns from '{split}' rows, and the run read none",
            hint="'llmood run' with that scorer in the configuration reads them",
        )
    return rows


def score_all(observations: Observations, scorers: Mapping[str, Scorer]) -> list[ScorerColumn]:
    """Score every sample under every scorer; the observations are read once, block by block."""
    total = observations.samples.num_rows
    columns = [_empty(name, scorer, total) for name, scorer in scorers.items()]
    captures = sorted({spec for scorer in scorers.values() for spec in scorer.needs})
    for block in observations.blocks(captures, _columns_read(scorers)):
        for column, (name, scorer) in zip(columns, scorers.items(), strict=True):
            _score_block(column, name, scorer, block)
    return columns


def scores_table(columns: list[ScorerColumn], sample_ids: list[str]) -> pa.Table:
    """The long table of `scores.parquet`: scorers in their order, samples in theirs."""
    parts = [
        pa.table(
            {
                "sample_id": pa.array(sample_ids, pa.string()),
                "scorer": pa.array([column.scorer] * len(sample_ids), pa.string()),
                # NaN is no score: it is stored as null, so that no reader can rank it.
                "score": pa.array(column.values, pa.float64(), from_pandas=True),
                "status": pa.array(column.status, pa.string()),
                "reason": pa.array(column.reasons, pa.string()),
                "fitted_on": pa.array([column.fitted_on] * len(sample_ids), pa.string()),
                "definition": pa.array([column.definition] * len(sample_ids), pa.string()),
            }
        ).cast(SCORES)
        for column in columns
    ]
    return pa.concat_tables(parts).replace_schema_metadata(SCORES.metadata)


def _empty(name: str, scorer: Scorer, total: int) -> ScorerColumn:
    return ScorerColumn(
        name,
        np.full(total, np.nan),
        np.full(total, UNSCORED, object),
        np.full(total, None, object),
        scorer.fitted_on,
        scorer.definition,
    )


def _columns_read(scorers: Mapping[str, Scorer]) -> dict[str, list[str]] | None:
    """The union of what the scorers read of each capture kind; None where one of them wants all."""
    wanted: dict[str, set[str]] = {}
    for scorer in scorers.values():
        for spec in scorer.needs:
            if spec.kind not in scorer.columns:
                return None
            wanted.setdefault(spec.kind, set()).update(scorer.columns[spec.kind])
    return {kind: sorted(names) for kind, names in wanted.items()}


def _score_block(column: ScorerColumn, name: str, scorer: Scorer, block: Block) -> None:
    scores = scorer.score(block)
    values = np.asarray(scores.values, dtype=np.float64)
    if values.shape != (len(block),):
        raise ValueError(f"{name}: {values.shape} scores for a block of {len(block)} rows")
    missing = np.isnan(values)
    unexplained = missing & np.array([reason is None for reason in scores.reasons], dtype=bool)
    if unexplained.any():
        raise ValueError(f"{name}: a score that is not a number, without a reason")
    failed = np.zeros(len(block), dtype=bool)
    for spec in scorer.needs:
        failed |= block.failed(spec)
    rows = block.positions
    column.values[rows] = values
    column.status[rows] = np.where(missing, np.where(failed, FAILED, UNSCORED), OK)
    column.reasons[rows] = [
        reason if gone else None for reason, gone in zip(scores.reasons, missing, strict=True)
    ]
