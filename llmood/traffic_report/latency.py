"""How long decisions took: quantiles from counts in bins of equal ratio, right to one part in a hundred."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import exp, log
from typing import Any

import numpy as np

from llmood.traffic.summary import entry

RATIO = 0.01  # the logarithm of a bin's width
LEAST, MOST = 1e-6, 1e6  # seconds
QUANTILES = {"latency_p50": 0.5, "latency_p90": 0.9, "latency_p99": 0.99}
LONGEST = "latency_max"
TITLES = {
    "latency_p50": "half within",
    "latency_p90": "90 % within",
    "latency_p99": "99 % within",
    LONGEST: "the longest",
}
NONE = "nothing was decided"


class Latency:
    """Seconds from arrival to decision, counted."""

    def __init__(self) -> None:
        self._counts = np.zeros(int(log(MOST / LEAST) / RATIO) + 2, dtype=np.int64)
        self._longest = 0.0

    def update(self, rows: Sequence[Mapping[str, Any]]) -> None:
        seconds = np.array([row["seconds"] for row in rows], dtype=np.float64)
        if len(seconds):
            places = np.log(np.clip(seconds, LEAST, MOST) / LEAST) / RATIO
            self._counts += np.bincount(places.astype(np.int64), minlength=len(self._counts))
            self._longest = max(self._longest, float(seconds.max()))

    def quantile(self, share: float) -> float | None:
        """The smallest time that at least this share of decisions took no longer than; None where there is none."""
        up_to = np.cumsum(self._counts)
        if not up_to[-1]:
            return None
        place = int(np.searchsorted(up_to, max(1, np.ceil(share * up_to[-1] - 1e-9)), side="left"))
        return min(LEAST * exp((place + 0.5) * RATIO), self._longest)

    def records(self) -> Iterator[dict[str, Any]]:
        n = int(self._counts.sum())
        for metric, share in QUANTILES.items():
            yield entry(metric, n, self.quantile(share), NONE, higher_is_better=False)
        yield entry(LONGEST, n, self._longest if n else None, NONE, higher_is_better=False)
