"""Segments: closed parts of an event store, Parquet files with a number for a name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from llmood.errors import ConfigError, StoreError
from llmood.events.event import SCHEMA, Event, table_of
from llmood.events.journal import DAMAGED, FORMAT
from llmood.tables import atomic

BLOCK_ROWS = 8192
_NAME = re.compile(r"(\d{6,})\.parquet")
_VERSION, _NUMBER = b"llmood.events", b"llmood.segment"


def segment_path(folder: Path, number: int) -> Path:
    """Where a segment is."""
    return folder / f"{number:06d}.parquet"


def segment_number(name: str) -> int | None:
    """The number that a file's name says; None of another file."""
    found = _NAME.fullmatch(name)
    return int(found[1]) if found else None


def write_segment(folder: Path, number: int, blocks: Iterable[Sequence[Event]]) -> None:
    """Write a segment, in place of one that may be there.

    Raises:
        StoreError: the disk takes no more.
    """
    with open_segment(folder, number) as writer:
        for some in blocks:
            write_block(writer, some)


@contextmanager
def open_segment(folder: Path, number: int) -> Iterator[pq.ParquetWriter]:
    """What writes a segment; it stands once the block ends well.

    Raises:
        StoreError: the disk takes no more.
    """
    schema = SCHEMA.with_metadata({_VERSION: str(FORMAT).encode(), _NUMBER: str(number).encode()})
    with (
        atomic(segment_path(folder, number)) as partial,
        pq.ParquetWriter(partial, schema, compression="zstd", write_page_checksum=True) as writer,
    ):
        yield writer


def write_block(writer: pq.ParquetWriter, events: Sequence[Event]) -> None:
    """Write some events of a segment."""
    # A reader holds a group at a time, however much was appended at once.
    writer.write_table(table_of(events).replace_schema_metadata(writer.schema.metadata), BLOCK_ROWS)


def read_segment(folder: Path, number: int) -> Iterator[pa.Table]:
    """The blocks of a segment.

    Raises:
        ConfigError: it is of another format.
        StoreError: it is damaged.
    """
    path = segment_path(folder, number)
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            said = file.schema_arrow.metadata or {}
            if _NUMBER in said and said.get(_VERSION) != str(FORMAT).encode():
                raise ConfigError(f"{path}: is of another format, this llmood reads {FORMAT}")
            if said.get(_NUMBER) != str(number).encode():
                raise StoreError(f"{path}: is not segment {number}", hint=DAMAGED)
            if not file.schema_arrow.equals(SCHEMA):
                raise StoreError(f"{path}: has other columns than events have", hint=DAMAGED)
            for batch in file.iter_batches(BLOCK_ROWS):
                yield pa.Table.from_batches([batch]).replace_schema_metadata(None)
    except (OSError, pa.ArrowException) as error:
        why = str(error).partition("\n")[0]
        raise StoreError(f"{path}: can't be read as Parquet: {why}", hint=DAMAGED) from error
