"""Shares of scored rows, each with its exact interval: how many have a score, are flagged, may be answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llmood.measures.split_conformal import beta_binomial_interval, beta_quantiles
from llmood.measures.threshold import Threshold
from llmood.measures.token_statistics import Floats
from llmood.metrics.exact import clopper_pearson
from llmood.records import OK
from llmood.traffic.scoring import BATCH_FLAG
from llmood.traffic.summary import entry

SCORED_SHARE, FLAG_RATE, ANSWERED_SHARE = "scored_share", "flag_rate", "answered_share"
BATCH_FLAG_RATE, FLAGGED_BATCHES = "batch_flag_rate", "flagged_batches"
NONE_SCORED = "no row has a score"
LEVEL, EXPECTED_LEVEL = 0.95, 0.99
EXACT_ROWS = 1_000_000  # of more rows, what one detector's rate shows of itself by chance is small

Row = Mapping[str, Any]


class Shares:
    """How many rows have a score, and of these are flagged, or may be answered.

    Args:
        promise: how `flag_rate` compares: see `Promise`.
        answers: columns that say whether a row may be answered, by what they keep low.
    """

    def __init__(self, promise: Promise, answers: Mapping[str, str]) -> None:
        self._promise = promise
        self._answers = answers
        self._rows = 0
        self._scored = 0
        self._true: Counter[str] = Counter()

    def update(self, rows: Sequence[Row]) -> None:
        there = [row for row in rows if row["status"] == OK]
        self._rows += len(rows)
        self._scored += len(there)
        for name in ("flag", *self._answers.values()):
            self._true[name] += sum(row[name] for row in there)

    def records(self) -> Iterator[dict[str, Any]]:
        yield share(SCORED_SHARE, self._scored, self._rows, "there is no row", higher_is_better=True)
        yield share(
            FLAG_RATE,
            self._true["flag"],
            self._scored,
            params=self._promise.expected(self._scored),
            higher_is_better=False,
        )
        for target, column in self._answers.items():
            yield share(ANSWERED_SHARE, self._true[column], self._scored, slice=target, higher_is_better=True)


class Promise:
    """What share of questions like the calibration rows a detector flags.

    Args:
        calibration: (n,) its calibration scores.
        threshold: that of false alarms.
    """

    def __init__(self, calibration: Floats, threshold: Threshold) -> None:
        self.alpha = threshold.alpha
        self._n = len(calibration)
        self._k = threshold.rank
        # What equals the threshold isn't flagged: where several calibration scores do, the rate is lower than its
        # rank says, but not below what the scores above it say.
        above = int((calibration > threshold.value).sum())
        tied = int((calibration == threshold.value).sum()) > 1
        self._least = above if tied else self._k

    def expected(self, rows: int) -> dict[str, Any]:
        """Between which shares that of so many questions like the calibration rows lies, nearly always."""
        if not rows:
            return {"promised": self.alpha}
        low = self._range(self._least, rows)[0] if self._least else 0.0
        return {"promised": self.alpha, "expected_low": low, "expected_high": self._range(self._k, rows)[1]}

    def _range(self, k: int, rows: int) -> tuple[float, float]:
        """Of a threshold that is the k-th largest: the detector's own rate is a draw of Beta(k, n + 1 − k)."""
        if rows > EXACT_ROWS:
            return beta_quantiles(self._n, k, EXPECTED_LEVEL)
        return beta_binomial_interval(self._n, k / (self._n + 1), rows, EXPECTED_LEVEL)


class Batches:
    """How many flags Benjamini and Hochberg leave, batch by batch.

    Args:
        size: rows of a batch.
        alpha: the share of false alarms among the flags of a batch, at most.
    """

    def __init__(self, size: int, alpha: float) -> None:
        self._size, self._alpha = size, alpha
        self._scored = self._flagged = 0
        self._batches = self._with_flags = 0

    def update(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if (row["row"] - 1) % self._size == 0:
                self._batches += 1
                self._open = True
            if row[BATCH_FLAG] is not None:
                self._scored += 1
                self._flagged += row[BATCH_FLAG]
                self._with_flags += row[BATCH_FLAG] and self._open
                self._open &= not row[BATCH_FLAG]

    def records(self) -> Iterator[dict[str, Any]]:
        params = {"batch": self._size, "alpha": self._alpha}
        # Rows of a batch share its cut, and so no interval for independent rows holds.
        rate = self._flagged / self._scored if self._scored else None
        yield entry(
            BATCH_FLAG_RATE,
            self._scored,
            rate,
            NONE_SCORED,
            params=params,
            n_positive=self._flagged,
            n_negative=self._scored - self._flagged,
            higher_is_better=False,
        )
        yield share(
            FLAGGED_BATCHES,
            self._with_flags,
            self._batches,
            "there is no row",
            params=params,
            higher_is_better=False,
        )


def share(metric: str, hits: int, of: int, reason: str = NONE_SCORED, **more: Any) -> dict[str, Any]:
    """A record of hits in independent rows, with its exact interval."""
    found = entry(
        metric, of, hits / of if of else None, reason, n_positive=hits, n_negative=of - hits, **more
    )
    if of:
        low, high = clopper_pearson(hits, of, LEVEL)
        found |= {
            "ci_low": float(low),
            "ci_high": float(high),
            "ci_level": LEVEL,
            "ci_method": "clopper_pearson",
        }
    return found
