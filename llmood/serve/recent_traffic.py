"""What came in of late, in memory: counts by ten seconds for an hour, and the last questions that were flagged."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Any

import numpy as np

from llmood.events import Event
from llmood.metrics.exact import clopper_pearson
from llmood.traffic.shares import LEVEL, Promise

STEP, MINUTE, HOUR = 10, 60, 3600  # seconds
LATENCIES, FLAGGED, LONGEST = 1000, 20, 500
EXPECTED_ROWS = 50_000  # of more, the range is hardly narrower, and takes long to compute


@dataclass(slots=True)
class Counts:
    """How many decisions, how many of them with a score, and how many flagged."""

    decisions: int = 0
    scored: int = 0
    flagged: int = 0

    def add(self, other: Counts) -> None:
        self.decisions += other.decisions
        self.scored += other.scored
        self.flagged += other.flagged


@dataclass(frozen=True, slots=True)
class Flagged:
    """A question that was flagged."""

    time: datetime
    text: str
    score: float | None
    p_value: float | None
    action: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen, at one moment.

    Attributes:
        windows: `minute`, `hour` and `start` → counts.
        minutes: counts of each of the last 60 minutes, the oldest first.
        p50, p99: seconds from a question to its decision, of the last 1,000; None where there is none.
        flagged: the newest first; None where no text is shown.
    """

    since: datetime
    windows: Mapping[str, Counts]
    minutes: Sequence[Counts]
    statuses: Mapping[str, int]
    actions: Mapping[str, int]
    p50: float | None
    p99: float | None
    flagged: Sequence[Flagged] | None


@dataclass(slots=True)
class RecentTraffic:
    """Bounded, however long it listens and whatever comes; several threads may tell it.

    Args:
        keeps_text: whether flagged questions are remembered.
        clock: seconds of the epoch.
    """

    keeps_text: bool
    clock: Callable[[], float] = time.time
    _lock: Lock = field(default_factory=Lock)
    _since: float = 0.0
    _steps: dict[int, Counts] = field(default_factory=dict)
    _total: Counts = field(default_factory=Counts)
    _statuses: Counter[str] = field(default_factory=Counter)
    _actions: Counter[str] = field(default_factory=Counter)
    _seconds: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES))
    _flagged: deque[Flagged] = field(default_factory=lambda: deque(maxlen=FLAGGED))

    def __post_init__(self) -> None:
        self._since = self.clock()

    def decided(self, events: Sequence[Event]) -> None:
        """Count decisions."""
        with self._lock:
            now = int(self.clock()) // STEP
            for old in [step for step in self._steps if step <= now - HOUR // STEP]:
                del self._steps[old]
            for event in events:
                one = Counts(1, int(event.score is not None), int(bool(event.flag)))
                self._steps.setdefault(now, Counts()).add(one)
                self._total.add(one)
                self._statuses[event.status] += 1
                self._actions[event.action] += 1
                self._seconds.append(event.seconds)
                if event.flag and self.keeps_text and event.text is not None:
                    text = event.text[:LONGEST]
                    self._flagged.appendleft(
                        Flagged(event.time, text, event.score, event.p_value, event.action)
                    )

    def seen(self) -> Seen:
        """What was seen so far."""
        with self._lock:
            now = int(self.clock()) // STEP
            minutes = [self._last(now - place * 6, 6) for place in reversed(range(60))]
            windows = {
                "minute": minutes[-1],
                "hour": self._last(now, HOUR // STEP),
                "start": Counts(self._total.decisions, self._total.scored, self._total.flagged),
            }
            p50, p99 = (float(each) for each in np.quantile(self._seconds or [np.nan], [0.5, 0.99]))
            return Seen(
                datetime.fromtimestamp(self._since, UTC),
                windows,
                minutes,
                dict(self._statuses),
                dict(self._actions),
                p50 if self._seconds else None,
                p99 if self._seconds else None,
                list(self._flagged) if self.keeps_text else None,
            )

    def _last(self, step: int, steps: int) -> Counts:
        """Of so many steps, `step` being the last."""
        found = Counts()
        for place in range(step - steps + 1, step + 1):
            found.add(self._steps.get(place, Counts()))
        return found


def window_of(name: str, counts: Counts, promise: Promise) -> dict[str, Any]:
    """The counts of a window beside what was promised.

    `standing` says where the flag rate is: `within` the range that questions like the calibration rows keep nearly
    always, `above` or `below` it; `none` where nothing has a score.
    """
    found: dict[str, Any] = {
        "name": name,
        "decisions": counts.decisions,
        "scored": counts.scored,
        "flagged": counts.flagged,
        "flag_rate": None,
        "low": None,
        "high": None,
        "level": LEVEL,
        "expected_low": None,
        "expected_high": None,
        "standing": "none",
    }
    if not counts.scored:
        return found
    rate = counts.flagged / counts.scored
    low, high = (float(end) for end in clopper_pearson(counts.flagged, counts.scored, LEVEL))
    expected = promise.expected(min(counts.scored, EXPECTED_ROWS))
    least, most = float(expected["expected_low"]), float(expected["expected_high"])
    standing = "above" if rate > most else "below" if rate < least else "within"
    return found | {
        "flag_rate": rate,
        "low": low,
        "high": high,
        "expected_low": least,
        "expected_high": most,
        "standing": standing,
    }
