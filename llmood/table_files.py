"""Files that a kill can't leave half written, and tables that are read in their own columns only."""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from llmood.errors import SHORTER, ConfigError, StoreError


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed onto it when the block ends well, removed when it does not."""
    # A process's number is its own on one machine only: in containers that share a folder, most have the same few.
    own = f"{os.getpid()}-{secrets.token_hex(4)}"
    partial = path.with_name(f".{path.name}.{own}.partial")
    try:
        if path.exists() and not path.is_file():  # a device or a pipe would be gone, and /dev/null with it
            raise StoreError(f"{path}: can't write: is no file", hint="name another")
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        with partial.open("rb+") as stream:
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno == errno.ENAMETOOLONG:
            raise ConfigError(f"{path}: {reason.lower()}", hint=SHORTER) from error
        raise StoreError(
            f"{path}: can't write: {reason}", hint="what is finished is kept; run it again"
        ) from error
    finally:
        with suppress(OSError):  # renamed already, or never made; another error is on its way then
            partial.unlink()


def write_table(path: Path, table: pa.Table) -> None:
    """Write Parquet (zstd) atomically. The same table gives the same bytes."""
    with atomic(path) as partial:
        pq.write_table(table, partial, compression="zstd")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically; a non-finite number is a bug of ours and raises."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_table(
    path: Path | pa.NativeFile,
    schema: pa.Schema | None = None,
    columns: list[str] | None = None,
    *,
    name: str | None = None,
) -> pa.Table:
    """Read Parquet, refusing a file of another schema version; columns that it is too old for are null.

    Args:
        path: a file, or one that is open.
        columns: all by default.
        name: what messages call it, by default `path`.

    Raises:
        StoreError: the file is missing, broken, or written by a newer llmood.
    """
    try:
        with pq.ParquetFile(path) as file:
            there = file.schema_arrow.names
            table = file.read(there if columns is None else [name for name in columns if name in there])
    except (OSError, pa.ArrowException) as error:
        raise StoreError(
            f"{name or path}: can't be read as Parquet: {error}", hint="make it anew with 'llmood run'"
        ) from error
    if schema is None:
        return table
    found = (table.schema.metadata or {}).get(b"llmood.schema_version")
    wanted = schema.metadata[b"llmood.schema_version"]
    if found != wanted:
        shown = found.decode() if found else "none"
        raise StoreError(f"{name or path}: schema version {shown}, this llmood reads {wanted.decode()}")
    return _completed(table, schema, columns)


def _completed(table: pa.Table, schema: pa.Schema, columns: list[str] | None) -> pa.Table:
    """The columns in their order, those that the file is too old for as nulls of their type."""
    if columns is None:
        known = set(schema.names)
        columns = [*schema.names, *(column for column in table.column_names if column not in known)]
    there = set(table.column_names)
    for column in columns:
        if column not in there:
            field = schema.field(column)
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table.select(columns)
