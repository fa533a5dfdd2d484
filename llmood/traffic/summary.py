"""What scored traffic looks like as a whole: how much was flagged, what could not be scored, how far it drifted.

Rows come as they are scored, and memory stays flat: everything here is a count, or a sample of bounded size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from llmood.metrics import Interval
from llmood.records import FAILED, OK, MetricRecord

QUESTION = "traffic"
REASONS = 100  # kept apart: words of a row may be in them
OTHER = "other reasons"

Row = Mapping[str, Any]


class Part(Protocol):
    """Something that a summary tells: rows go in as they are scored, records come out."""

    def update(self, rows: Sequence[Row]) -> None:
        """See some rows."""

    def records(self) -> Iterable[dict[str, Any]]:
        """Records without what all have in common: see `entry`."""


class Summary:
    """Counts of scored rows, and the records of its parts.

    Args:
        about: what a record says of the detector: `benchmark`, `scorer`, `id_task`.
    """

    def __init__(self, about: Mapping[str, Any], parts: Sequence[Part]) -> None:
        self.about = dict(about)
        self.statuses: Counter[str] = Counter()
        self.reasons: Counter[tuple[str, str]] = Counter()
        self._parts = parts
        self._records: list[MetricRecord] | None = None

    def update(self, rows: Sequence[Row]) -> None:
        """See some rows."""
        self._records = None
        for row in rows:
            self.statuses[row["status"]] += 1
            if row["status"] != OK:
                self._reason(row["status"], str(row["reason"]))
        for part in self._parts:
            part.update(rows)

    @property
    def rows(self) -> int:
        return self.statuses.total()

    @property
    def failed(self) -> int:
        return self.statuses[FAILED]

    def records(self) -> list[MetricRecord]:
        """One for each number, with its interval; all are of question `traffic`."""
        if self._records is None:  # tests with permutations are in them: made once for all that read them
            left_out = self.rows - self.statuses[OK]
            common = {**self.about, "question": QUESTION, "population": QUESTION, "n_unscored": left_out}
            self._records = [MetricRecord(**common | own) for part in self._parts for own in part.records()]
        return list(self._records)

    def to_json(self) -> dict[str, Any]:
        """The counts of rows, by status and reason."""
        reasons = [
            {"status": status, "reason": reason, "rows": rows}
            for (status, reason), rows in self.reasons.most_common()
        ]
        return {"rows": self.rows, **dict(sorted(self.statuses.items())), "reasons": reasons}

    def _reason(self, status: str, reason: str) -> None:
        key = (status, reason)
        if key not in self.reasons and len(self.reasons) >= REASONS:
            key = (status, OTHER)
        self.reasons[key] += 1


def entry(metric: str, n: int, value: float | None, reason: str | None = None, **more: Any) -> dict[str, Any]:
    """A record of a part."""
    return {"metric": metric, "n": n, "value": value, "reason": reason if value is None else None, **more}


def of_interval(metric: str, n: int, found: Interval, **more: Any) -> dict[str, Any]:
    """A record of a part with an interval."""
    ends = {"ci_low": found.low, "ci_high": found.high, "ci_method": found.method}
    level = {"ci_level": None if found.low is None else found.level}
    return {"metric": metric, "n": n, "value": found.value, "reason": found.reason, **ends, **level, **more}
