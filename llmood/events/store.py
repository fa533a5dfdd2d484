"""An event store, to be written: what `append` took is on disk when it returns, once, and in order."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from time import monotonic
from types import TracebackType
from typing import IO, Self

from llmood.errors import ConfigError, StoreError
from llmood.events.event import Event
from llmood.events.growing import GrowingSegment
from llmood.events.journal import DAMAGED, JOURNAL, Head, Journal, begin_journal, sync_folder
from llmood.events.segments import BLOCK_ROWS, digest_of, segment_number, segment_path, write_segment

LOCK = ".lock"
RETRY_SECONDS = 60.0  # after a segment that the disk had no room for
_OWN = re.compile(r"\.lock|detector-[0-9a-f]{8}\.json|\..*\.partial")


class EventStore:
    """Decisions, on disk when `append` returns; one writer a folder.

    Args:
        folder: made if it isn't there.
        private: no text is written, only its hash.
        rotate_rows: so many events of the journal become a segment.
        rotate_seconds: and so does an older journal, when the next event comes.

    Raises:
        ConfigError: another process writes there, or the folder holds something else.
        StoreError: it is damaged, or can't be written.
    """

    def __init__(
        self,
        folder: Path,
        *,
        private: bool = False,
        rotate_rows: int = 50_000,
        rotate_seconds: float = 3600.0,
    ) -> None:
        _check_free(folder)
        self.folder = folder
        self._private = private
        self._rotate_rows, self._rotate_seconds = rotate_rows, rotate_seconds
        self._mutex = Lock()
        self._lock: IO[bytes] | None = _locked(folder)
        try:
            self._journal = _opened(folder)
            if segment_path(folder, self._journal.head.number).exists():
                self._close_segment()  # a rotation that was broken off
            self._growing = self._grown()
        except BaseException:
            self._lock.close()
            raise
        self._begun = monotonic()
        self._not_before = 0.0

    def append(self, events: Sequence[Event]) -> None:
        """Keep events. May be called by several threads.

        Raises:
            StoreError: the disk takes no more; then none of these events is in the store.
        """
        kept = [event.without_text() for event in events] if self._private else list(events)
        if not kept:
            return
        with self._mutex:
            if self._lock is None:
                raise StoreError(f"{self.folder}: the store is closed", hint="open it anew")
            if not self._journal.rows:
                self._begun = monotonic()
            self._journal.append(kept)
            self._growing.add(kept)
            self._rotate_when_due()

    def close(self) -> None:
        """Make a segment of the journal, and let another process write."""
        with self._mutex:
            if self._lock is None:
                return
            if self._journal.rows:
                with suppress(StoreError):  # the next to open it has its events in the journal
                    self._rotate()
            self._growing.abandon()
            self._journal.close()
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _rotate_when_due(self) -> None:
        now = monotonic()
        old = self._journal.rows >= self._rotate_rows or now - self._begun >= self._rotate_seconds
        if old and now >= self._not_before:
            try:
                self._rotate()
            except StoreError:
                # Nothing is lost: the journal grows, and where the disk takes no more at all, `append` says so.
                self._not_before = now + RETRY_SECONDS

    def _rotate(self) -> None:
        if self._growing.finish(self._journal.rows):
            self._begin_anew()
        else:
            self._close_segment()
        self._growing = GrowingSegment(self.folder, self._journal.head)

    def _close_segment(self) -> None:
        """The journal becomes a segment; until the next journal stands in its place, it is what counts."""
        write_segment(self.folder, self._journal.head, self._journal.blocks(BLOCK_ROWS))
        self._begin_anew()

    def _begin_anew(self) -> None:
        number = self._journal.head.number
        try:
            sync_folder(self.folder)
            before = digest_of(self.folder, number)
        except OSError as error:
            raise StoreError(f"{self.folder}: can't write: {error.strerror}") from error
        self._journal.begin(Head(number + 1, before))

    def _grown(self) -> GrowingSegment:
        """The segment that the journal becomes, with what is in the journal already."""
        growing = GrowingSegment(self.folder, self._journal.head)
        for some in self._journal.blocks(BLOCK_ROWS):
            growing.add(some)
        return growing


def _opened(folder: Path) -> Journal:
    """The journal of a folder that is ours alone, cut to what was acknowledged."""
    if not (folder / JOURNAL).exists():
        begin_journal(folder, Head(1, None))
    for left in folder.glob(".*.partial"):  # of a process that was killed
        left.unlink()
    return Journal(folder)


def _check_free(folder: Path) -> None:
    if not folder.is_dir() or (folder / JOURNAL).exists():
        return
    names = [path.name for path in folder.iterdir()]
    if any(segment_number(name) is not None for name in names):
        raise StoreError(f"{folder / JOURNAL}: is missing", hint=DAMAGED)
    if not all(_OWN.fullmatch(name) for name in names):
        raise ConfigError(f"{folder}: is not empty and holds no events", hint="choose another folder")


def _locked(folder: Path) -> IO[bytes]:
    """Keep a second process out. The system lets go of the lock when a process dies."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / LOCK).open("ab")
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ConfigError(f"{folder}: can't be written: {why}", hint="choose another folder") from None
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:  # a file system of many machines may have no locks
        stream.close()
        if isinstance(error, BlockingIOError):
            raise ConfigError(
                f"{folder}: another process writes its events here", hint="choose another folder, or end it"
            ) from None
        why = (error.strerror or str(error)).lower()
        raise ConfigError(f"{folder}: can't be locked: {why}", hint="choose another file system") from None
    return stream
