"""The journal: the newest events as lines of JSON, each with its checksum; what it holds is on disk.

Its first line says which segment it will become. Each append is one write and one sync, however many events it takes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

from llmood.errors import ConfigError, StoreError
from llmood.events.event import Event
from llmood.tables import atomic

JOURNAL = "journal.jsonl"
FORMAT = 1
_CRC = b',"crc":'
_LONGEST_HEADER = 200
DAMAGED = "put the folder back from a copy, or begin with an empty one and keep this for later"


@dataclass(frozen=True, slots=True)
class Head:
    """What a journal begins with, and a segment is marked by.

    Attributes:
        number: of the segment that it becomes.
        before: the digest of the segment before it; None of the first.
    """

    number: int
    before: str | None


class Journal:
    """The journal of a folder, to be written.

    Args:
        folder: it is there, holds a journal, and no other process writes it.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL
        found = _scan(self.path)
        self.head, self.rows = found.head, found.rows
        self._size = found.size
        self._dirty = found.size < self.path.stat().st_size  # a torn line: it was never acknowledged
        self._listed = False  # whether the folder's entry for the journal is known to be on disk
        self._descriptor: int | None = None
        self._settle()

    def append(self, events: Sequence[Event]) -> None:
        """Add events; all are on disk when this returns, and none is in the journal when it raises.

        Raises:
            StoreError: the disk takes no more.
        """
        content = b"".join(map(_line, events))
        descriptor = self._settle()
        self._dirty = True
        try:
            _write(descriptor, content)
            os.fsync(descriptor)
        except OSError as error:
            with suppress(StoreError):  # tried again before the next append
                self._settle()
            raise self._refused(error) from error
        self._dirty = False
        self._size += len(content)
        self.rows += len(events)

    def blocks(self, rows: int) -> Iterator[list[Event]]:
        """Its events."""
        with self.path.open("rb") as stream:
            yield from blocks(_lines(stream, self.path, self._size), rows)

    def begin(self, head: Head) -> None:
        """Begin anew: what it held stands elsewhere.

        Raises:
            StoreError: the disk takes no more; then it is as it was.
        """
        begin_journal(self.path.parent, head)
        self._release()
        self._dirty = self._listed = False
        self.head, self.rows, self._size = head, 0, self.path.stat().st_size
        self._settle()

    def close(self) -> None:
        """Let go of it."""
        if self._dirty:
            with suppress(StoreError):
                self._settle()
        self._release()

    def _settle(self) -> int:
        """Bring it to what was acknowledged, wherever something broke off before."""
        try:
            if self._descriptor is None:
                self._descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
            if not self._listed:
                sync_folder(self.path.parent)
                self._listed = True
            if self._dirty:
                os.ftruncate(self._descriptor, self._size)
                os.fsync(self._descriptor)
                self._dirty = False
        except OSError as error:
            raise self._refused(error) from error
        return self._descriptor

    def _release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _refused(self, error: OSError) -> StoreError:
        return StoreError(
            f"{self.path}: can't write: {error.strerror}", hint="make room; what was acknowledged is kept"
        )


@dataclass(frozen=True, slots=True)
class _Scanned:
    head: Head
    rows: int
    size: int


def begin_journal(folder: Path, head: Head) -> None:
    """Put an empty journal in place of the one that is there.

    Raises:
        StoreError: the disk takes no more.
    """
    with atomic(folder / JOURNAL) as partial:
        line = json.dumps({"llmood_events": FORMAT, "segment": head.number, "before": head.before})
        partial.write_text(f"{line}\n", encoding="utf-8")


def read_header(stream: BinaryIO, place: Path) -> Head:
    """The first line of a journal.

    Raises:
        ConfigError: it is of another format.
        StoreError: it is damaged.
    """
    line = stream.readline(_LONGEST_HEADER)
    try:
        said = json.loads(line)
        written, head = said["llmood_events"], Head(said["segment"], said["before"])
    except (ValueError, LookupError, TypeError):
        raise StoreError(f"{place}: line 1: is no head of a journal", hint=DAMAGED) from None
    if written != FORMAT:
        raise ConfigError(f"{place}: is of format {written!r:.20}, this llmood reads {FORMAT}")
    if type(head.number) is not int or head.number < 1 or not isinstance(head.before, str | None):
        raise StoreError(f"{place}: line 1: is no head of a journal", hint=DAMAGED)
    return head


def read_lines(stream: BinaryIO, place: Path) -> Iterator[tuple[Event, int]]:
    """The events behind the head of a journal, each with the size of its line; a torn last line is none.

    Raises:
        StoreError: a line is damaged.
    """
    for number, line in enumerate(stream, start=2):
        if not line.endswith(b"\n"):
            return
        try:
            yield _event(line), len(line)
        except (ValueError, RecursionError) as error:
            raise StoreError(f"{place}: line {number}: is damaged: {error}", hint=DAMAGED) from None


def blocks(events: Iterable[Event], rows: int) -> Iterator[list[Event]]:
    """So many at a time."""
    some: list[Event] = []
    for event in events:
        some.append(event)
        if len(some) == rows:
            yield some
            some = []
    if some:
        yield some


def sync_folder(folder: Path) -> None:
    """Have the names of a folder's files on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _scan(path: Path) -> _Scanned:
    with path.open("rb") as stream:
        head = read_header(stream, path)
        rows, size = 0, stream.tell()
        for _, length in read_lines(stream, path):
            rows, size = rows + 1, size + length
    return _Scanned(head, rows, size)


def _lines(stream: BinaryIO, path: Path, size: int) -> Iterator[Event]:
    read_header(stream, path)
    left = size - stream.tell()
    for event, length in read_lines(stream, path):
        left -= length
        if left < 0:
            return
        yield event


def _line(event: Event) -> bytes:
    """ASCII: a lone surrogate has its escape, and no character of a text ends a line."""
    head = json.dumps(event.to_json(), allow_nan=False, separators=(",", ":")).removesuffix("}").encode()
    return b"%b%b%d}\n" % (head, _CRC, crc32(head))


def _event(line: bytes) -> Event:
    head, mark, tail = line.rpartition(_CRC)
    if not mark or tail.rstrip() != b"%d}" % crc32(head):
        raise ValueError("its checksum is another")
    return Event.from_json(json.loads(head + b"}"))


def _write(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]
