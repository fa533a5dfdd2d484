"""Where the bars and lines of the page's pictures stand: shares of a picture's width and height, from 0 to 100."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmood.measures.token_statistics import Floats
from llmood.serve.recent_traffic import Counts

BARS = 60
TALLEST = 80.0  # of the height: the lines are to be seen above the bars
EDGE = 3.0  # of the width, free on both sides
ENDS = {"left": EDGE / 3, "right": 100 - EDGE / 3}
REACH = 1.0  # a score is shown in its place as far out as the calibration scores are wide


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar on the ground of a picture."""

    x: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Strip:
    """The calibration scores, with the threshold and one score among them.

    Attributes:
        threshold, score: where they stand; None where there is none.
        beyond: `left` or `right`, where the score is too far out for its place.
        low, high: the scores at the ends of the bars.
    """

    bars: Sequence[Bar]
    threshold: float | None
    score: float | None
    beyond: str | None
    low: float
    high: float


def strip(calibration: Floats, threshold: float, score: float | None) -> Strip | None:
    """The strip of a score; None where no calibration score is finite."""
    known = calibration[np.isfinite(calibration)]
    if not len(known):
        return None
    marks = [float(known.min()), float(known.max()), *([threshold] if np.isfinite(threshold) else [])]
    low, high = _apart(min(marks), max(marks))
    reach = REACH * (high - low)
    beyond = None if score is None else _beyond(score, low - reach, high + reach)
    if score is not None and beyond is None:
        low, high = min(low, score), max(high, score)

    def place(value: float) -> float:
        return round(EDGE + (100 - 2 * EDGE) * (value - low) / (high - low), 2)

    at = None if score is None else ENDS[beyond] if beyond else place(score)
    counts, edges = np.histogram(known, BARS, (low, high))
    bars = [
        Bar(
            place(float(edge)),
            round((100 - 2 * EDGE) / BARS, 2),
            round(TALLEST * float(count) / counts.max(), 2),
        )
        for edge, count in zip(edges, counts, strict=False)
        if count
    ]
    there = place(threshold) if np.isfinite(threshold) else None
    return Strip(bars, there, at, beyond, float(known.min()), float(known.max()))


def _apart(low: float, high: float) -> tuple[float, float]:
    """The ends of a range, far enough apart to tell what is between them."""
    least = max(1e-6 * max(abs(low), abs(high)), 1e-9)
    if high - low >= least:
        return low, high
    middle = low + (high - low) / 2
    return middle - least / 2, middle + least / 2


def _beyond(value: float, low: float, high: float) -> str | None:
    return "left" if value < low else "right" if value > high else None


def sparkline(minutes: Sequence[Counts]) -> list[tuple[Bar, Bar]]:
    """Of each minute the bar of its decisions, and that of the flagged among them."""
    most = max((each.decisions for each in minutes), default=0)
    width = 100 / max(1, len(minutes))
    return [
        (
            Bar(round(place * width, 2), round(width * 0.8, 2), round(100 * each.decisions / most, 2)),
            Bar(round(place * width, 2), round(width * 0.8, 2), round(100 * each.flagged / most, 2)),
        )
        for place, each in enumerate(minutes)
        if each.decisions
    ]
