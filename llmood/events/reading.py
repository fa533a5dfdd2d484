"""What an event store holds, block by block, also while a guard writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from llmood.errors import ConfigError, StoreError
from llmood.events.event import table_of
from llmood.events.journal import DAMAGED, JOURNAL, blocks, read_header, read_lines
from llmood.events.segments import BLOCK_ROWS, read_mark, read_segment, segment_number, segment_path


def read_events(folder: Path) -> Iterator[pa.Table]:
    """Tables of `event.SCHEMA`, in the order of writing: what was in the store when this began.

    The journal is opened first, and says which segments are closed. A later one may be there: that one is the journal
    once more, and doesn't count. The oldest segments may have been deleted. Each is known by its digest, which the next
    one holds, and the journal that of the last.

    Raises:
        ConfigError: the folder holds no events, or those of another format.
        StoreError: something is damaged or missing.
    """
    path = folder / JOURNAL
    try:
        stream = path.open("rb")
    except OSError as error:
        raise not_a_store(folder, error) from None
    with stream:
        head = read_header(stream, path)
        there = closed(folder, head.number)
        for number in there:
            after = head if number == there[-1] else read_mark(folder, number + 1)
            yield from read_segment(folder, number, after.before)
        events = (event for event, _ in read_lines(stream, path))
        for some in blocks(events, BLOCK_ROWS):
            yield table_of(some)


def not_a_store(folder: Path, error: OSError) -> ConfigError:
    """Why a folder can't be read as events."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        what = "holds no events" if folder.is_dir() else "is no folder"
        return ConfigError(
            f"{folder}: {what}", hint="name the folder that 'llmood serve --events FOLDER' writes"
        )
    return ConfigError(f"{folder}: can't be read: {(error.strerror or str(error)).lower()}")


def closed(folder: Path, number: int) -> list[int]:
    """The segments that are there before that of the journal.

    Raises:
        StoreError: one between them is missing.
    """
    there = sorted(
        each
        for each in map(segment_number, (path.name for path in folder.iterdir()))
        if each is not None and each < number
    )
    missing = next((each for each in range(there[0], number) if each not in there), None) if there else None
    if missing is not None:
        raise StoreError(f"{segment_path(folder, missing)}: is missing", hint=DAMAGED)
    return there
