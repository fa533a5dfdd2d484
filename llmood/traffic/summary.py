"""What scored traffic looks like as a whole: how much was flagged, what could not be scored, how far it drifted.

Rows come as they are scored, and memory stays flat: everything here is a count, or a sample of bounded size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from llmood.records import FAILED, OK, UNSCORED, MetricRecord

QUESTION = "traffic"
FLAG_RATE = "flag_rate"
SCORED_SHARE = "scored_share"
METRICS = (FLAG_RATE, SCORED_SHARE)
REASONS = 100  # kept apart: words of a row may be in them
OTHER = "other reasons"
LEVEL = 0.95


class Summary:
    """Counts of scored rows.

    Args:
        about: what a record says of the detector: `benchmark`, `scorer`, `id_task`.
        promised: the share of ID questions that the detector flags at most.
    """

    def __init__(self, about: Mapping[str, Any], promised: float | None = None) -> None:
        self._about = dict(about)
        self._promised = promised
        self.statuses: Counter[str] = Counter()
        self.reasons: Counter[tuple[str, str]] = Counter()
        self.flags: Counter[str] = Counter()

    def update(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Count some rows."""
        for row in rows:
            self.statuses[row["status"]] += 1
            if row["status"] != OK:
                self._reason(row["status"], str(row["reason"]))
            for name, value in row.items():
                if value is True:
                    self.flags[name] += 1

    @property
    def rows(self) -> int:
        return self.statuses.total()

    @property
    def failed(self) -> int:
        return self.statuses[FAILED]

    def records(self) -> list[MetricRecord]:
        """The flag rate and the share of rows that have a score, with their intervals."""
        scored = self.statuses[OK]
        return [
            self._share(FLAG_RATE, self.flags["flag"], scored, higher_is_better=False),
            self._share(SCORED_SHARE, scored, self.rows, higher_is_better=True),
        ]

    def words(self, record: Mapping[str, Any]) -> str:
        """What a record says, in words."""
        if record["metric"] == SCORED_SHARE:
            return f"{record['n_positive']} of {record['n']} rows have a score"
        said = f"{record['n_positive']} of {record['n']} scored rows were flagged"
        if self._promised is None or record["ci_low"] is None:
            return said
        more = "more than" if record["ci_low"] > self._promised else "no more than"
        return f"{said}, {more} the {self._promised:g} that ID questions alone may give"

    def _share(self, metric: str, hits: int, of: int, *, higher_is_better: bool) -> MetricRecord:
        low, high = clopper_pearson(hits, of, LEVEL) if of else (None, None)
        return MetricRecord(
            **self._about,
            question=QUESTION,
            population=QUESTION,
            split="test",
            metric=metric,
            value=hits / of if of else None,
            reason=None if of else "no row has a score",
            ci_low=low,
            ci_high=high,
            ci_level=LEVEL if of else None,
            ci_method="clopper_pearson" if of else None,
            n=of,
            n_positive=hits,
            n_negative=of - hits,
            n_unscored=self.statuses[UNSCORED] + self.failed,
            higher_is_better=higher_is_better,
        )

    def _reason(self, status: str, reason: str) -> None:
        key = (status, reason)
        if key not in self.reasons and len(self.reasons) >= REASONS:
            key = (status, OTHER)
        self.reasons[key] += 1


def clopper_pearson(hits: int, of: int, level: float) -> tuple[float, float]:
    """The exact interval of a share of independent rows, seen `hits` times in `of`.

    Source: Clopper and Pearson, Biometrika 26 (1934).

    >>> [round(end, 4) for end in clopper_pearson(0, 10, 0.95)]
    [0.0, 0.3085]
    """
    from scipy.stats import beta

    tail = (1.0 - level) / 2.0
    low = 0.0 if hits == 0 else float(beta.ppf(tail, hits, of - hits + 1))
    high = 1.0 if hits == of else float(beta.ppf(1.0 - tail, hits + 1, of - hits))
    return low, high
