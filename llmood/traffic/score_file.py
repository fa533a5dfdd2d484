"""Score the rows of a file or a stream, in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from llmood import interrupts
from llmood.errors import ConfigError
from llmood.progress import Progress
from llmood.tables import write_json
from llmood.traffic.formats import check_suffix, plain, write_rows
from llmood.traffic.progress_file import ProgressFile
from llmood.traffic.reading import Row, chunks, count_rows, identity_of, rows_of_file
from llmood.traffic.summary import Summary

CHUNK_ROWS = 4096
SUMMARY = ".summary.json"
ID = "id"
PLACES = [("row", pa.int64()), ("line", pa.int64()), (ID, pa.string())]

Scored = dict[str, Any]


class Verdicts(Protocol):
    """What scores records: `detector.verdicts.Verdicts`."""

    def chunks(self, records: Iterable[Any], *, rows: int = ..., first: int = ...) -> Iterator[pa.Table]:
        """A table of so many rows after the other, in the records' order."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """A detector at work.

    Attributes:
        verdicts: its engine is at hand.
        schema: the columns of its verdicts.
        about: what a record of a summary says of it: `benchmark`, `scorer`, `id_task`.
        identity: its digest.
        keep: columns of the input that are copied into the output.
        chunk: rows scored at a time.
        promised: the share of ID questions that it flags at most.
    """

    verdicts: Verdicts
    schema: pa.Schema
    about: Mapping[str, Any]
    identity: str
    keep: Sequence[str] = ()
    chunk: int = CHUNK_ROWS
    promised: float | None = None

    @property
    def columns(self) -> pa.Schema:
        """Those of the output."""
        own = [field for field in self.schema if field.name != "row"]
        return pa.schema([*PLACES, *own, *((name, pa.string()) for name in self.keep)])

    def score(self, rows: Sequence[Row]) -> list[Scored]:
        """Some rows with their verdicts; one that can't be read says why."""
        (table,) = self.verdicts.chunks([row.record for row in rows], rows=len(rows))
        found = []
        for row, verdict in zip(rows, table.drop_columns("row").to_pylist(), strict=True):
            record = row.record or {}
            reason = {} if row.reason is None else {"reason": row.reason}
            kept = {name: plain(record.get(name)) for name in self.keep}
            found.append(
                {"row": row.number, "line": row.line, ID: plain(record.get(ID)), **verdict, **reason, **kept}
            )
        return found


def scoring_by(
    detector: Detector, verdicts: Verdicts, *, keep: Sequence[str] = (), chunk: int | None = None
) -> Scoring:
    """A detector that was read from its folder, at work.

    Args:
        verdicts: what `Detector.open` gives.

    Raises:
        ConfigError: a kept column would stand where a verdict's does.
    """
    content = detector.content
    taken = {name for name, _ in PLACES} | set(content.schema.names)
    clash = next((name for name in keep if name in taken), None)
    if clash is not None:
        raise ConfigError(f"--keep {clash}: is a column of the output already")
    flagging = next((each for each in detector.thresholds if each.target == FALSE_ALARMS), None)
    return Scoring(
        verdicts,
        content.schema,
        {
            "benchmark": content.name,
            "scorer": next(iter(content.scorers)) if len(content.scorers) == 1 else SCORE,
            "id_task": content.data["task"],
        },
        detector.digest,
        tuple(dict.fromkeys(keep)),
        chunk or CHUNK_ROWS,
        None if flagging is None else flagging.alpha,
    )


@dataclass(frozen=True, slots=True)
class ScoredFile:
    """What became of a file: where its rows are, and what they look like as a whole."""

    path: Path
    summary: Summary


def score_stream(
    scoring: Scoring, rows: Iterator[Row], write: Callable[[Sequence[Scored]], None], progress: Progress
) -> Summary:
    """Score rows as they come (`rows_of_stream`, `rows_of_file`); what is scored is handed on at once."""
    summary = Summary(scoring.about, scoring.promised)
    with progress.track("scoring", None, unit="rows") as advance:
        for some in chunks(rows, scoring.chunk):
            scored = scoring.score(some)
            summary.update(scored)
            write(scored)
            advance(len(some))
            interrupts.check()
    return summary


def score_file(
    scoring: Scoring, source: Path, output: Path, progress: Progress, *, overwrite: bool = False
) -> ScoredFile:
    """Score a file into another, or go on where that broke off: no row is scored twice into it, and none is left out.

    Raises:
        ConfigError: the output is there already, or was begun with another input or detector.
        DataError: the input can't be read as a whole.
        StoreError: the disk takes no more; what is scored is kept.
    """
    check_suffix(output)
    identity = {"detector": scoring.identity, "input": identity_of(source), "columns": scoring.columns.names}
    partial = ProgressFile(output, identity)
    if overwrite:
        partial.remove()
        output.unlink(missing_ok=True)
    elif output.exists() and not partial.state_path.exists():
        raise ConfigError(f"{output}: is there already", hint="choose another file with -o, or --overwrite")
    with partial.opened():
        summary = Summary(scoring.about, scoring.promised)
        for some in _batches(partial.read()):
            summary.update(some)
        _score_rest(scoring, source, partial, summary, progress)
        write_rows(output, partial.read(), scoring.columns)
        described = {"identity": identity, "records": [asdict(record) for record in summary.records()]}
        write_json(output.with_name(output.name + SUMMARY), described)
        partial.remove()
    return ScoredFile(output, summary)


def _score_rest(
    scoring: Scoring, source: Path, partial: ProgressFile, summary: Summary, progress: Progress
) -> None:
    left = islice(rows_of_file(source), partial.rows, None)
    with progress.track("scoring", count_rows(source), done=partial.rows, unit="rows") as advance:
        for rows in chunks(left, scoring.chunk):
            scored = scoring.score(rows)
            partial.append(scored)
            summary.update(scored)
            advance(len(rows))
            interrupts.check()


def _batches(rows: Iterator[Scored]) -> Iterator[list[Scored]]:
    while some := list(islice(rows, CHUNK_ROWS)):
        yield some
