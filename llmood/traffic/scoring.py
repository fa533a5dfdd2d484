"""A detector at work: rows of the input to rows of the output."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from llmood.detector.verdicts import CHUNK_ROWS
from llmood.errors import ConfigError
from llmood.measures.false_discovery import benjamini_hochberg
from llmood.records import FAILED
from llmood.traffic.formats import plain
from llmood.traffic.labels import truth
from llmood.traffic.reading import Row
from llmood.traffic.reasons import without_words

if TYPE_CHECKING:
    from llmood.detector.verdicts import Verdicts as DetectorVerdicts  # noqa: F401 - what `Verdicts` stands for

ID = "id"
BATCH_FLAG = "batch_flag"
PLACES = [("row", pa.int64()), ("line", pa.int64()), (ID, pa.string())]

Scored = dict[str, Any]


class Verdicts(Protocol):
    """What scores records: `detector.verdicts.Verdicts`."""

    def chunks(self, records: Iterable[Any], *, rows: int = ...) -> Iterator[pa.Table]:
        """A table of so many rows after the other, in the records' order."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """A detector at work.

    Attributes:
        verdicts: its engine is at hand.
        schema: the columns of its verdicts.
        identity: its digest.
        keep: columns of the input that are copied into the output.
        labels: what is known of the rows: `correct` or `ood` → the column of the input that says so.
        batch: so many rows after the other are one batch for Benjamini and Hochberg.
        alpha: the share of false alarms, among all (and among the flags of a batch) that is promised.
        rows: scored at a time; whole batches.
    """

    verdicts: Verdicts
    schema: pa.Schema
    identity: str
    keep: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    batch: int | None = None
    alpha: float = 0.05
    rows: int = CHUNK_ROWS

    def __post_init__(self) -> None:
        own = {name for name, _ in PLACES} | {*self.schema.names, *self.labels, BATCH_FLAG}
        clash = next((name for name in self.keep if name in own), None)
        if clash is not None:
            raise ConfigError(f"--keep {clash}: is a column of the output already")

    @property
    def chunk(self) -> int:
        """Rows scored at a time: no batch is cut."""
        return self.rows if self.batch is None else -(-self.rows // self.batch) * self.batch

    @property
    def columns(self) -> pa.Schema:
        """Those of the output."""
        own = [column for column in self.schema if column.name != "row"]
        batch = [] if self.batch is None else [(BATCH_FLAG, pa.bool_())]
        labels = [(name, pa.bool_()) for name in self.labels]
        return pa.schema([*PLACES, *own, *batch, *labels, *((name, pa.string()) for name in self.keep)])

    def score(self, rows: Sequence[Row]) -> list[Scored]:
        """Some rows with their verdicts, from the first of a batch on; one that can't be read says why."""
        (table,) = self.verdicts.chunks([row.record for row in rows], rows=len(rows))
        found = [
            self._joined(row, verdict)
            for row, verdict in zip(rows, table.drop_columns("row").to_pylist(), strict=True)
        ]
        if self.batch is not None:
            for start in range(0, len(found), self.batch):
                _flag_batch(found[start : start + self.batch], self.alpha)
        return found

    def check(self, rows: Sequence[Row]) -> None:
        """Refuse labels that none of the first rows has.

        Raises:
            ConfigError: a column is missing.
        """
        records = [row.record for row in rows if row.record is not None]
        for name, column in self.labels.items():
            if records and not any(column in record for record in records):
                raise ConfigError(f"--{name} {column}: none of the first {len(rows)} rows has that column")

    def absent(self, rows: Sequence[Row]) -> list[str]:
        """Columns to copy that none of some rows has; later ones may."""
        records = [row.record for row in rows if row.record is not None]
        return [name for name in self.keep if records and not any(name in record for record in records)]

    def _joined(self, row: Row, verdict: Scored) -> Scored:
        record = row.record or {}
        found = {"row": row.number, "line": row.line, ID: plain(record.get(ID)), **verdict}
        if row.reason is not None:
            found["reason"] = row.reason
        if found["status"] == FAILED:
            found["reason"] = without_words(found["reason"])
        if self.batch is not None:
            found[BATCH_FLAG] = None
        found |= {name: truth(record.get(column)) for name, column in self.labels.items()}
        return found | {name: plain(record.get(name)) for name in self.keep}


def _flag_batch(rows: Sequence[Scored], alpha: float) -> None:
    there = [row for row in rows if row["p_value"] is not None]
    flags = benjamini_hochberg([row["p_value"] for row in there], alpha)
    for row, flag in zip(there, flags.tolist(), strict=True):
        row[BATCH_FLAG] = flag
