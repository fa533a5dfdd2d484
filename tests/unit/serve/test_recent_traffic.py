"""What the page counts: bounded, by the minute, and beside what was promised."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from llmood.events import Event
from llmood.measures.threshold import Threshold
from llmood.serve.page_pictures import sparkline
from llmood.serve.recent_traffic import FLAGGED, LONGEST, Counts, RecentTraffic, window_of
from llmood.traffic.shares import Promise

START = 1_700_000_000.0
ONE = Event(
    event_id="e",
    time=datetime(2026, 11, 27, tzinfo=UTC),
    request_id="r",
    source="score",
    detector="d",
    model=None,
    stage="pre",
    score=1.0,
    p_value=0.5,
    flag=False,
    confidence=None,
    answers={},
    parts={},
    status="ok",
    reason=None,
    action="scored",
    text="a question",
    text_hash="h",
    seconds=0.02,
)
BAD = replace(ONE, flag=True, p_value=0.01, text="a strange question")
NONE = replace(ONE, score=None, p_value=None, flag=None, status="failed", reason="why")


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


def test_windows_and_what_falls_out_of_them() -> None:
    clock = Clock()
    traffic = RecentTraffic(keeps_text=True, clock=clock)
    traffic.decided([ONE, BAD, NONE])
    assert traffic.seen().windows == {name: Counts(3, 2, 1) for name in ("minute", "hour", "start")}
    clock.now += 120
    traffic.decided([ONE])
    seen = traffic.seen()
    assert seen.windows["minute"] == Counts(1, 1, 0)
    assert seen.windows["hour"] == seen.windows["start"] == Counts(4, 3, 1)
    assert sum(each.decisions for each in seen.minutes) == 4
    assert seen.statuses == {"ok": 3, "failed": 1}
    clock.now += 3600
    assert traffic.seen().windows["hour"] == Counts()
    assert traffic.seen().windows["start"].decisions == 4
    assert traffic.seen().since.timestamp() == START


def test_memory_is_bounded_whatever_comes() -> None:
    clock = Clock()
    traffic = RecentTraffic(keeps_text=True, clock=clock)
    for number in range(2000):
        clock.now += 30
        traffic.decided([replace(BAD, text=f"{number} " + "x" * 10_000)])
    seen = traffic.seen()
    assert len(traffic._steps) <= 361
    assert seen.flagged is not None
    assert len(seen.flagged) == FLAGGED
    assert seen.flagged[0].text.startswith("1999 ")
    assert all(len(each.text) <= LONGEST for each in seen.flagged)


def test_no_text_is_remembered_where_none_is_shown() -> None:
    traffic = RecentTraffic(keeps_text=False)
    traffic.decided([BAD])
    assert traffic.seen().flagged is None
    assert not traffic._flagged


def test_latencies() -> None:
    traffic = RecentTraffic(keeps_text=True)
    assert traffic.seen().p50 is None
    traffic.decided([replace(ONE, seconds=each / 100) for each in range(101)])
    assert traffic.seen().p50 == pytest.approx(0.5)
    assert traffic.seen().p99 == pytest.approx(0.99)


def test_a_window_beside_its_promise() -> None:
    calibration = np.arange(199.0)
    promise = Promise(calibration, Threshold.false_alarms(calibration, 0.05))
    assert window_of("hour", Counts(5, 0, 0), promise)["standing"] == "none"
    within = window_of("hour", Counts(400, 400, 20), promise)
    assert within["flag_rate"] == 0.05
    assert within["low"] < 0.05 < within["high"]
    assert within["standing"] == "within"
    assert window_of("hour", Counts(400, 400, 100), promise)["standing"] == "above"
    assert window_of("start", Counts(10**7, 10**7, 0), promise)["standing"] == "below"


def test_the_sparkline_s_bars_stand_where_their_minute_is() -> None:
    minutes = [Counts()] * 58 + [Counts(4, 4, 1), Counts(2, 2, 2)]
    (all_1, hit_1), (all_2, hit_2) = sparkline(minutes)
    assert (all_1.height, hit_1.height, all_2.height, hit_2.height) == (100, 25, 50, 50)
    assert 96 < all_1.x < all_2.x < 100
    assert sparkline([Counts()] * 60) == []
