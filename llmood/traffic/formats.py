"""Scored rows as JSONL, CSV or Parquet: the progress file becomes one of them, with flat memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from llmood.errors import ConfigError
from llmood.tables import atomic

SUFFIXES = (".jsonl", ".csv", ".parquet")
ROWS_AT_ONCE = 65_536

Scored = Mapping[str, Any]
_LINE = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False
)  # made once: `json.dumps` makes one for every row


def check_suffix(path: Path) -> None:
    """Refuse a name that doesn't say its format.

    Raises:
        ConfigError: it ends otherwise.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{path}: unknown format", hint=f"known: {', '.join(SUFFIXES)}")


def as_line(row: Scored) -> str:
    """A row as one line of JSON; a lone surrogate, which no UTF-8 holds, is written as its escape."""
    line = _LINE.encode(row)
    return line if line.isascii() or _is_text(line) else json.dumps(row, allow_nan=False)


def plain(value: Any) -> Any:
    """A value of a row as JSON holds it; dates, decimals, NaN and what else has no place there become text."""
    if value is None or isinstance(value, str):
        return value
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return str(value)
    return value


def write_rows(path: Path, lines: Iterable[bytes], schema: pa.Schema) -> None:
    """Write all rows, atomically.

    Args:
        lines: the rows as `as_line` writes them, each with its end.
        schema: of the rows. Columns of text hold JSON where a row's value is neither text nor null.

    Raises:
        StoreError: the disk takes no more.
    """
    suffix = path.suffix.lower()
    with atomic(path) as partial:
        if suffix == ".jsonl":
            with partial.open("wb") as stream:
                stream.writelines(lines)
        elif suffix == ".csv":
            with partial.open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
                writer = csv.DictWriter(stream, schema.names)
                writer.writeheader()
                writer.writerows(_as_cells(json.loads(line), schema) for line in lines)
        else:
            with pq.ParquetWriter(partial, schema, compression="zstd") as table:
                for some in _some(lines):
                    cells = [_as_cells(json.loads(line), schema) for line in some]
                    table.write_table(pa.Table.from_pylist(cells, schema=schema))


def _as_cells(row: Scored, schema: pa.Schema) -> dict[str, Any]:
    return {field.name: _as_cell(row[field.name], pa.types.is_string(field.type)) for field in schema}


def _as_cell(value: Any, is_text: bool) -> Any:
    if value is None or not is_text:
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if _is_text(text) else text.encode("utf-8", "backslashreplace").decode()


def _is_text(value: str) -> bool:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _some(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    left = iter(lines)
    while some := list(islice(left, ROWS_AT_ONCE)):
        yield some
