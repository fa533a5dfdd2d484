"""How long a batch of so many rows takes, learned from those of late."""

from __future__ import annotations

from dataclasses import dataclass

NEWEST = 0.25  # the weight of the newest batch of its size
DEVIATIONS = 2.0


@dataclass(slots=True)
class _Known:
    mean: float
    deviation: float = 0.0

    def note(self, seconds: float) -> None:
        self.deviation += NEWEST * (abs(seconds - self.mean) - self.deviation)
        self.mean += NEWEST * (seconds - self.mean)

    @property
    def safe(self) -> float:
        return self.mean + DEVIATIONS * self.deviation


class Pace:
    """Seconds of a batch by its size, each power of two on its own: a row alone costs more than its share of many.

    What it says is the mean and two mean deviations, both weighted towards the newest batch, as TCP does with the time
    of an answer (Jacobson 1988): what is promised by it is to hold on a busy machine too.
    """

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}

    def note(self, rows: int, seconds: float) -> None:
        """Learn from a batch.

        Twice the rows take at most twice as long. What is known of larger batches and is more than that is of a time
        when the machine was slower, and forgotten: nobody would make so large a batch again, and find out.
        """
        size = _size(rows)
        if size in self._known:
            self._known[size].note(seconds)
        else:
            self._known[size] = _Known(seconds)
        most = self._known[size].safe
        stale = [
            own for own in self._known if own > size and self._known[own].safe > most * (1 << (own - size))
        ]
        for own in stale:
            del self._known[own]

    def seconds(self, rows: int) -> float:
        """Of a batch of so many rows; 0 before any was seen.

        Between two sizes that were seen, a line. Where only smaller batches were seen, a row costs what it costs in the
        largest of them, which is too much rather than too little; where only larger ones were, as much as the smallest
        of them.
        """
        if not self._known or not rows:
            return 0.0
        size = _size(rows)
        larger = min((own for own in self._known if own >= size), default=None)
        smaller = max((own for own in self._known if own < size), default=None)
        if larger is None:
            largest = max(self._known)
            return self._known[largest].safe * (1 << (size - largest))
        above = self._known[larger].safe
        if smaller is None or larger == size:
            return above
        below = self._known[smaller].safe
        return below + (above - below) * ((1 << size) - (1 << smaller)) / ((1 << larger) - (1 << smaller))

    def rows_within(self, seconds: float, most: int) -> int:
        """The largest batch that is done within so many seconds, of at most `most` rows and at least one."""
        rows = most
        while rows > 1 and self.seconds(rows) > seconds:
            rows //= 2
        return rows


def _size(rows: int) -> int:
    return (rows - 1).bit_length()
