"""Segments: closed parts of an event store, Parquet files with a number for a name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from llmood.errors import ConfigError, StoreError
from llmood.events.event import SCHEMA, Event, table_of
from llmood.events.journal import DAMAGED, FORMAT, Head
from llmood.tables import atomic

BLOCK_ROWS = 8192
_NAME = re.compile(r"(\d{6,})\.parquet")
_VERSION, _NUMBER, _BEFORE = b"llmood.events", b"llmood.segment", b"llmood.before"


def segment_path(folder: Path, number: int) -> Path:
    """Where a segment is."""
    return folder / f"{number:06d}.parquet"


def segment_number(name: str) -> int | None:
    """The number that a file's name says; None of another file."""
    found = _NAME.fullmatch(name)
    return int(found[1]) if found else None


def digest_of(folder: Path, number: int) -> str:
    """The digest of a segment, all of it: Parquet's own checksums leave out the heads of its pages."""
    with segment_path(folder, number).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_segment(folder: Path, head: Head, blocks: Iterable[Sequence[Event]]) -> None:
    """Write a segment, in place of one that may be there.

    Raises:
        StoreError: the disk takes no more.
    """
    with open_segment(folder, head) as writer:
        for some in blocks:
            write_block(writer, some)


@contextmanager
def open_segment(folder: Path, head: Head) -> Iterator[pq.ParquetWriter]:
    """What writes a segment; it stands once the block ends well.

    Raises:
        StoreError: the disk takes no more.
    """
    marks = {_VERSION: str(FORMAT), _NUMBER: str(head.number), _BEFORE: head.before or ""}
    schema = SCHEMA.with_metadata(marks)
    with (
        atomic(segment_path(folder, head.number)) as partial,
        pq.ParquetWriter(partial, schema, compression="zstd") as writer,
    ):
        yield writer


def write_block(writer: pq.ParquetWriter, events: Sequence[Event]) -> None:
    """Write some events of a segment."""
    # A reader holds a group at a time, however much was appended at once.
    writer.write_table(table_of(events).replace_schema_metadata(writer.schema.metadata), BLOCK_ROWS)


def read_segment(folder: Path, number: int, digest: str | None) -> Iterator[pa.Table]:
    """The blocks of a segment.

    Args:
        digest: of it, as what follows it says.

    Raises:
        StoreError: it is damaged.
    """
    path = segment_path(folder, number)
    with _reading(path):
        if digest_of(folder, number) != digest:
            raise StoreError(f"{path}: its content is not what was written", hint=DAMAGED)
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=SCHEMA.names).cast(SCHEMA)


def read_mark(folder: Path, number: int) -> Head:
    """What a segment says of itself and the one before it.

    Raises:
        ConfigError: it is of another format.
        StoreError: it is damaged.
    """
    path = segment_path(folder, number)
    with _reading(path):
        said = pq.read_metadata(path).metadata or {}
        written, own = said.get(_VERSION, b"").decode(), said.get(_NUMBER, b"").decode()
        before = said.get(_BEFORE, b"").decode()
    if own != str(number):
        raise StoreError(f"{path}: is not segment {number}", hint=DAMAGED)
    if written != str(FORMAT):
        raise ConfigError(f"{path}: is of format {written:.20}, this llmood reads {FORMAT}")
    return Head(number, before or None)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException, ValueError) as error:
        why = str(error).partition("\n")[0]
        raise StoreError(f"{path}: can't be read as Parquet: {why}", hint=DAMAGED) from error
