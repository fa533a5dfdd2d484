"""Records of traffic to verdicts, a chunk at a time; the engine is loaded once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from llmood.detector.content import Content
from llmood.detector.form import Read
from llmood.detector.observing import Watch
from llmood.detector.prompts import make_prompts
from llmood.engines.store import Store
from llmood.records import FAILED
from llmood.scoring import ScorerColumn, score_all
from llmood.tasks.row_errors import RowError

if TYPE_CHECKING:
    import pandas as pd

CHUNK_ROWS = 4096  # scored at a time: what is lost where a process dies


class Verdicts:
    """A detector whose engine is at hand: what is loaded for one chunk stays for the next.

    Args:
        store: where observations are kept; by default nowhere, once a chunk is scored.
        folder: where paths of pictures start; None: records may name no files.
    """

    def __init__(
        self, content: Content, watch: Watch, store: Store | None = None, folder: Path | None = None
    ) -> None:
        self._content = content
        self._watch = watch
        self._store = store
        self._folder = folder

    def score(self, records: Iterable[Mapping[str, Any]] | pd.DataFrame) -> pd.DataFrame:
        """A row for each record, in their order: see `Detector.score`."""
        tables = list(self.chunks(records))
        return pa.concat_tables([self._content.schema.empty_table(), *tables]).to_pandas()

    def chunks(
        self, records: Iterable[Mapping[str, Any]] | pd.DataFrame, *, rows: int = CHUNK_ROWS
    ) -> Iterator[pa.Table]:
        """The same as tables of so many rows, as they are made: memory holds one chunk."""
        stream, first = iter(as_records(records)), 0
        while chunk := list(islice(stream, rows)):
            yield self._verdicts(chunk, first)
            first += len(chunk)

    def _verdicts(self, records: Sequence[Any], first: int) -> pa.Table:
        reads, faults = self._read(records)
        columns = [_Filling(name, len(records)) for name in self._content.scorers]
        for own in _rounds(reads):
            faults |= self._score(own, columns)
        for column in columns:
            column.fail(faults)
        parts = [column.column for column in columns]
        score = self._content.score(parts)
        if len(parts) > 1:  # a record that became no prompt is no scorer's failure
            for row, reason in faults.items():
                score.reasons[row] = reason
        found = {
            "row": np.arange(first, first + len(records)),
            "score": score.values,
            "status": score.status,
            "reason": score.reasons,
            **{part.scorer: part.values for part in parts},
            **self._content.decide(score, parts),
        }
        schema = self._content.schema
        return pa.table(
            [pa.array(found[name], schema.field(name).type, from_pandas=True) for name in schema.names],
            schema=schema,
        )

    def _read(self, records: Sequence[Any]) -> tuple[list[Read], dict[int, str]]:
        reads, faults = [], {}
        for row, record in enumerate(records):
            try:
                reads.append(self._content.form.read(record, row, self._folder))
            except RowError as error:
                faults[row] = str(error)
        return reads, faults

    def _score(self, own: Mapping[str, list[Read]], columns: Sequence[_Filling]) -> dict[int, str]:
        """Score questions that are all different; say which of them, and of their like, became no prompt."""
        firsts = {reads[0].row: reads for reads in own.values()}
        watch = self._watch
        made = make_prompts(
            [reads[0] for reads in own.values()], engine=watch.engine, captures=watch.captures
        )
        if made.prompts:
            with watch.observe(made, self._store) as observations:
                scored = score_all(observations, self._content.scorers)
            rows = [[read.row for read in own[prompt.sample_id]] for prompt in made.prompts]
            for filling, column in zip(columns, scored, strict=True):
                filling.fill(rows, column)
        return {read.row: reason for row, reason in made.faults.items() for read in firsts[row]}


class _Filling:
    """One scorer's column of a chunk, filled question by question."""

    def __init__(self, name: str, total: int) -> None:
        self.column = ScorerColumn(
            name, np.full(total, np.nan), np.full(total, FAILED, object), np.full(total, None, object), None
        )

    def fill(self, rows: Sequence[Sequence[int]], scored: ScorerColumn) -> None:
        """Lay the score of each question where all its records stand."""
        source = np.repeat(np.arange(len(rows)), [len(own) for own in rows])
        target: NDArray[np.int64] = np.fromiter((row for own in rows for row in own), np.int64)
        self.column.values[target] = scored.values[source]
        self.column.status[target] = scored.status[source]
        self.column.reasons[target] = scored.reasons[source]

    def fail(self, faults: Mapping[int, str]) -> None:
        """Say why records were never scored."""
        for row, reason in faults.items():
            self.column.reasons[row] = reason


def _rounds(reads: Iterable[Read]) -> Iterator[dict[str, list[Read]]]:
    """Records of one question and one answer together, by question; other answers to it in a later round.

    A question is scored once, however often it comes.
    """
    found: list[dict[str, list[Read]]] = []
    places: dict[str, dict[str | None, int]] = {}
    for read in reads:
        answers = places.setdefault(read.sample.sample_id, {})
        place = answers.setdefault(read.response, len(answers))
        if place == len(found):
            found.append({})
        found[place].setdefault(read.sample.sample_id, []).append(read)
    yield from found


def as_records(records: Iterable[Mapping[str, Any]] | pd.DataFrame) -> Iterable[Any]:
    """Records one by one; of a data frame its rows, what is missing as None."""
    if isinstance(records, Mapping | str):
        raise TypeError("records are a list of mappings, or a data frame; for one record, a list of it")
    if hasattr(records, "to_dict"):
        table = pa.Table.from_pandas(records, preserve_index=False)
        return (row for batch in table.to_batches(CHUNK_ROWS) for row in batch.to_pylist())
    return records
