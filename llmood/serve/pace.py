"""How long a batch of so many rows takes, learned from those of late."""

from __future__ import annotations

NEWEST = 0.3  # the weight of the newest batch of its size


class Pace:
    """Seconds of a batch by its size, each power of two on its own: a row alone costs more than its share of many."""

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}

    def note(self, rows: int, seconds: float) -> None:
        """Learn from a batch."""
        size = _size(rows)
        known = self._seconds.get(size)
        self._seconds[size] = seconds if known is None else (1 - NEWEST) * known + NEWEST * seconds

    def seconds(self, rows: int) -> float | None:
        """Of a batch of so many rows; None before any was seen.

        Where only smaller batches were seen, a row costs what it costs in the largest of them, which is too much rather
        than too little; where only larger ones were, as much as the smallest of them.
        """
        if not self._seconds:
            return None
        size = _size(rows)
        larger = [known for known in self._seconds if known >= size]
        if larger:
            return self._seconds[min(larger)]
        largest = max(self._seconds)
        return self._seconds[largest] * (1 << (size - largest))

    def rows_within(self, seconds: float, most: int) -> int:
        """The largest batch that is done within so many seconds, of at most `most` rows and at least one."""
        rows = most
        while rows > 1 and (self.seconds(rows) or 0.0) > seconds:
            rows //= 2
        return rows


def _size(rows: int) -> int:
    return (rows - 1).bit_length()
