"""How much was flagged when, in flat memory: counts in spans of UTC time that grow with what they cover."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Seconds; each divides the next, so that narrow spans become wide ones without another look at the events.
WIDTHS = (1, 10, 30, 60, 300, 900, 3600, 10_800, 21_600, 86_400, 604_800, 2_419_200)
NAMES = dict(
    zip(
        WIDTHS,
        [
            *("1 second", "10 seconds", "30 seconds", "1 minute", "5 minutes", "15 minutes", "1 hour"),
            *("3 hours", "6 hours", "1 day", "1 week", "4 weeks"),
        ],
        strict=True,
    )
)
SHOWN = 60  # spans of a chart, at most
KEPT = 4096  # spans in memory, at most
MONDAY = 3 * 86_400  # 1970 began on a Thursday: weeks begin on a Monday
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Span:
    """What was decided in one stretch of time; `scored` have a score, and of these `flagged` are flagged."""

    start: datetime
    decisions: int
    scored: int
    flagged: int


class Timeline:
    """Counts by UTC time."""

    def __init__(self) -> None:
        self._place = 0
        self._counts: dict[int, Ints] = {}

    def update(self, seconds: ArrayLike, scored: ArrayLike, flagged: ArrayLike) -> None:
        """Count some decisions, all (m,).

        Args:
            seconds: whole ones since 1970.
        """
        times = np.asarray(seconds, dtype=np.int64)
        if not len(times):
            return
        columns = np.column_stack([np.ones(len(times)), scored, flagged]).astype(np.int64)
        spans, places = np.unique((times + MONDAY) // WIDTHS[self._place], return_inverse=True)
        sums = np.zeros((len(spans), 3), dtype=np.int64)
        np.add.at(sums, places, columns)
        for span, counts in zip(spans.tolist(), sums, strict=True):
            self._counts[span] = self._counts[span] + counts if span in self._counts else counts
        while len(self._counts) > KEPT and self._place + 1 < len(WIDTHS):
            self._counts = _wider(self._counts, self._place)
            self._place += 1

    def spans(self, most: int = SHOWN) -> tuple[int, list[Span]]:
        """The width in seconds, and the spans from the first to the last, also those in which nothing was decided.

        The narrowest width is taken that needs no more than `most` of them; of the widest there may be more, and then
        empty ones are left out.
        """
        place, counts = self._place, self._counts
        while counts and max(counts) - min(counts) >= most and place + 1 < len(WIDTHS):
            counts, place = _wider(counts, place), place + 1
        if not counts:
            return WIDTHS[place], []
        nothing = np.zeros(3, dtype=np.int64)
        first, last = min(counts), max(counts)
        order = range(first, last + 1) if last - first < most else sorted(counts)
        found = [Span(_start(span, place), *counts.get(span, nothing).tolist()) for span in order]
        return WIDTHS[place], found


def _wider(counts: dict[int, Ints], place: int) -> dict[int, Ints]:
    ratio = WIDTHS[place + 1] // WIDTHS[place]
    found: dict[int, Ints] = {}
    for span, own in counts.items():
        wide = span // ratio
        found[wide] = found[wide] + own if wide in found else own
    return found


def _start(span: int, place: int) -> datetime:
    return EPOCH + timedelta(seconds=span * WIDTHS[place] - MONDAY)
