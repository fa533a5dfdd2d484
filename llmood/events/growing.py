"""A segment that grows beside the journal, so that closing it holds up nobody."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq

from llmood.errors import StoreError
from llmood.events.event import Event
from llmood.events.journal import Head
from llmood.events.segments import open_segment, write_block

GROUP_ROWS = 2048  # written at once: the append that they come with takes some hundredths of a second longer


class GrowingSegment:
    """A copy of the journal as Parquet, under a temporary name. Where it fails, the journal has everything still.

    Args:
        head: of the journal.
    """

    def __init__(self, folder: Path, head: Head) -> None:
        self._waiting: list[Event] = []
        self._rows = 0
        self._segment = open_segment(folder, head)
        self._writer: pq.ParquetWriter | None = None
        with suppress(StoreError):
            self._writer = self._segment.__enter__()

    def add(self, events: Sequence[Event]) -> None:
        """Take what the journal took."""
        if self._writer is None:
            return
        self._waiting += events
        if len(self._waiting) >= GROUP_ROWS:
            try:
                self._write()
            except OSError:
                self.abandon()

    def finish(self, rows: int) -> bool:
        """Close it; say whether it stands.

        Args:
            rows: of the journal. Where it has others (an interrupt came between the two), it is no copy.
        """
        if self._writer is None:
            return False
        try:
            self._write()
        except OSError:
            self.abandon()
        if self._rows != rows:
            self.abandon()
        if self._writer is None:
            return False
        self._writer = None
        try:
            self._segment.__exit__(None, None, None)
        except StoreError:
            return False
        return True

    def abandon(self) -> None:
        """Leave nothing of it."""
        if self._writer is not None:
            self._writer, self._waiting = None, []
            with suppress(StoreError):
                self._segment.__exit__(StoreError, StoreError("abandoned"), None)

    def _write(self) -> None:
        assert self._writer is not None  # noqa: S101 - asked by all that call it
        if self._waiting:
            write_block(self._writer, self._waiting)
            self._rows += len(self._waiting)
        self._waiting = []
