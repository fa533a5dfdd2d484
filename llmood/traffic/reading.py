"""The records of a file or of stdin, one at a time; a row that can't be read keeps its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import file_digest
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from llmood.errors import ConfigError, DataError
from llmood.records import Reject
from llmood.registry import suggest
from llmood.tasks.read import read_jsonl, read_rows

STDIN = "-"
BLOCK = 1 << 20
DELIMITERS = ";\t|,"
LOOKED_AT = 1000  # rows, of which the first that can be read tells the columns


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the input.

    Attributes:
        number: its place, from 1; blank lines aren't counted.
        line: the line that it starts on (of Parquet: the row).
        record: its columns; None where it can't be read, and then `reason` says why.
    """

    number: int
    line: int
    record: Mapping[str, Any] | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Input:
    """A file of records.

    Attributes:
        path: .jsonl, .csv (each maybe .gz) or .parquet.
        format: `jsonl`, `csv` or `parquet`, where its name doesn't say so.
        delimiter: between the cells of CSV.
    """

    path: Path
    format: str | None = None
    delimiter: str = ","

    def rows(self) -> Iterator[Row]:
        """Its rows.

        Raises:
            ConfigError: no reader knows its suffix.
            DataError: it can't be read as a whole.
        """
        return _placed(read_rows(self.path, self.path.name, kind=self.format, delimiter=self.delimiter))

    def check(self, columns: Iterable[str] = ()) -> None:
        """Say what is wrong with it before a model loads.

        Args:
            columns: that are to be there; only a row of JSONL may lack one.

        Raises:
            ConfigError: no reader knows its suffix, another delimiter is in the header of CSV, or a column isn't there.
            DataError: it can't be read, or only once.
        """
        _refuse_no_file(self.path)
        first = next((row.record for row in islice(self.rows(), LOOKED_AT) if row.record is not None), None)
        there = list(first or ())
        other = next((mark for mark in DELIMITERS if len(there) == 1 and mark in there[0]), None)
        if other is not None and other != self.delimiter and self.is_csv:
            raise ConfigError(
                f"{self.path}: its header is one column, {there[0][:60]!r}", hint=f"--delimiter {other!r}"
            )
        missing = next((name for name in columns if name not in there), None)
        if first is not None and missing is not None and (self.is_csv or self.is_parquet):
            raise ConfigError(f"{self.path}: no column '{missing}'", hint=suggest(missing, there))

    @property
    def is_csv(self) -> bool:
        return self.format == "csv" or (self.format is None and ".csv" in self.path.suffixes)

    @property
    def is_parquet(self) -> bool:
        return _is_parquet(self.path, self.format)

    def identity(self) -> dict[str, Any]:
        """What tells it from another file, or from itself after a change.

        Raises:
            DataError: it can't be read.
        """
        return {**identity_of(self.path), "format": self.format, "delimiter": self.delimiter}

    def count(self) -> int | None:
        """How many rows there are, for a progress bar; None where only reading it all would tell."""
        return count_rows(self.path, self.format)


def rows_of_stream(stream: BinaryIO) -> Iterator[Row]:
    """The rows of JSONL as they come."""
    return _placed(read_jsonl(stream, "stdin"))


def _placed(found: Iterator[Any]) -> Iterator[Row]:
    for number, each in enumerate(found, start=1):
        if isinstance(each, Reject):
            yield Row(number, each.line, None, each.reason)
        else:
            yield Row(number, each[0], each[1])


def chunks(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    """So many rows at a time."""
    while chunk := list(islice(rows, size)):
        yield chunk


def identity_of(path: Path) -> dict[str, Any]:
    """What tells a file from another, or from itself after a change: its name and the digest of all of it.

    A file that only grew is another one: what was scored of it is no summary of it.

    Raises:
        DataError: it can't be read.
    """
    _refuse_no_file(path)
    try:
        with path.open("rb") as stream:
            digest = file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    return {"name": path.name, "digest": digest}


def _refuse_no_file(path: Path) -> None:
    # A pipe gives each row once, and the rows that a first look took would be lost.
    if path.exists() and not path.is_file():
        raise DataError(f"{path}: is no file", hint="'-' reads JSONL from stdin")


def _is_parquet(path: Path, kind: str | None) -> bool:
    return kind == "parquet" or (kind is None and path.suffix.lower() == ".parquet")


def count_rows(path: Path, kind: str | None = None) -> int | None:
    """How many rows a file has, or lines: a progress bar needs no more."""
    if _is_parquet(path, kind):
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return int(pq.read_metadata(path).num_rows)
        except (OSError, pa.ArrowException):
            return None  # the reader says what is wrong with it
    if path.suffix.lower() == ".gz":
        return None
    with path.open("rb") as stream:
        return sum(block.count(b"\n") for block in iter(lambda: stream.read(BLOCK), b""))
