"""Local files, row by row: what can't be read becomes a `Reject` with its line, and the rest goes on."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from llmood.errors import ConfigError, DataError, kind_of
from llmood.records import Reject
from llmood.tasks.read_csv import NOT_UTF8, Row, Rows, read_csv

MAX_LINE = (
    8_000_000  # bytes of one line: a compressed file can unpack to any length, and is read line by line
)

Lines = Iterator[tuple[int, bytes | None]]


def read_rows(path: Path, name: str, *, kind: str | None = None, delimiter: str = ",") -> Rows:
    """The rows of a JSONL, CSV or Parquet file with the line each starts on (for Parquet: its row, from 1).

    Args:
        name: the file's name in rejects and messages.
        kind: `jsonl`, `csv` or `parquet` where the name doesn't say so.
        delimiter: between the cells of CSV.

    Raises:
        ConfigError: a suffix that no reader knows.
        DataError: the file as a whole can't be read.
    """
    suffix, zipped = _format(path, name) if kind is None else (f".{kind}", path.suffix.lower() == ".gz")
    if suffix == ".parquet":
        yield from _parquet(path, name)
        return
    reader = read_jsonl if suffix == ".jsonl" else partial(_csv, delimiter=delimiter)
    line = 0
    try:
        with path.open("rb") as file, gzip.open(file) if zipped else file as stream:
            for found in reader(stream, name):
                line = found.line if isinstance(found, Reject) else found[0]
                yield found
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{name}: is damaged after line {line}: {error}", hint="fetch the file again"
        ) from None
    except OSError as error:
        raise DataError(f"{name}: {(error.strerror or str(error)).lower()}") from None


def _format(path: Path, name: str) -> tuple[str, bool]:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    zipped = suffixes[-1:] == [".gz"]
    suffix = "".join(suffixes[-2:-1] if zipped else suffixes[-1:])
    if suffix not in (".jsonl", ".csv") and (zipped or suffix != ".parquet"):
        raise ConfigError(f"{name}: unknown format", hint="known: .jsonl, .jsonl.gz, .csv, .csv.gz, .parquet")
    return suffix, zipped


def _lines(stream: BinaryIO | gzip.GzipFile) -> Lines:
    """Numbered lines without a byte order mark; None where a line is too long to be held."""
    number = 0
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            while line and not line.endswith(b"\n"):
                line = stream.readline(MAX_LINE)
            yield number, None
        else:
            yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line


def read_jsonl(stream: BinaryIO | gzip.GzipFile, name: str) -> Rows:
    """The rows of JSONL as they come, each with its line; blank lines are none."""
    for number, line in _lines(stream):
        if line is None:
            yield Reject(name, number, f"line over {MAX_LINE} bytes")
        elif line.strip():
            row = _parse_json(line)
            yield Reject(name, number, row) if isinstance(row, str) else (number, row)


def _parse_json(line: bytes) -> Row | str:
    """The line's object, or why there is none."""
    if b"\0" in line:
        return "holds a NUL character"
    try:
        row = json.loads(line.decode("utf-8"), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        return f"{NOT_UTF8} at byte {error.start}"
    except json.JSONDecodeError as error:
        # Some of Python's messages end in "at" themselves: "Invalid control character at".
        return f"bad JSON: {error.msg.removesuffix(' at')} at character {error.colno}"
    except RecursionError:
        return "bad JSON: too many brackets inside one another"
    except ValueError as error:  # a number of thousands of digits, or a key twice
        return f"bad JSON: {str(error).partition('; use sys.')[0]}"
    return row if isinstance(row, dict) else f"wrong type: the row is {kind_of(row)}, not an object"


def _object(pairs: list[tuple[str, Any]]) -> Row:
    row: Row = {}
    for key, value in pairs:
        if key in row:
            raise ValueError(f"the key {key[:40]!r} is written twice")
        row[key] = value
    return row


def _csv(stream: BinaryIO | gzip.GzipFile, name: str, *, delimiter: str) -> Rows:
    return read_csv((line for _, line in _lines(stream)), name, MAX_LINE, delimiter=delimiter)


def _parquet(path: Path, name: str) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    line = 0
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if len(set(names)) < len(names):
                raise DataError(f"{name}: two columns bear one name, so a row can't be told")
            for batch in file.iter_batches(batch_size=1024):
                for found in _batch(batch, name, line):
                    line += 1
                    yield found
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{name}: can't be read as Parquet after row {line}: {str(error).splitlines()[0]}"
        ) from None


def _batch(batch: Any, name: str, before: int) -> Rows:
    """The rows of a batch of Parquet, `before` of which came earlier."""
    try:
        rows = batch.to_pylist()
    except UnicodeDecodeError:  # some text of it: row by row, the others are read
        for line in range(before + 1, before + 1 + batch.num_rows):
            try:
                yield line, batch.slice(line - before - 1, 1).to_pylist()[0]
            except UnicodeDecodeError as error:
                yield Reject(name, line, f"{NOT_UTF8} at byte {error.start}")
    else:
        yield from enumerate(rows, start=before + 1)
