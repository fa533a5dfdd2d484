from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from llmood.traffic_report import timeline
from llmood.traffic_report.timeline import NAMES, WIDTHS, Timeline

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def counted(times: list[datetime], cuts: int = 1) -> Timeline:
    """Every second one is flagged, every third has no score."""
    own = Timeline()
    for part in np.array_split(np.arange(len(times)), cuts):
        seconds = [int(times[place].timestamp()) for place in part]
        own.update(seconds, part % 3 != 0, (part % 2 == 0) & (part % 3 != 0))
    return own


def test_each_width_divides_the_next() -> None:
    assert all(wide % narrow == 0 for narrow, wide in pairwise(WIDTHS))
    assert set(NAMES) == set(WIDTHS)


@pytest.mark.parametrize(
    ("span", "width"),
    [
        (timedelta(seconds=59), 1),
        (timedelta(minutes=9), 10),
        (timedelta(hours=1), 300),
        (timedelta(days=2), 3600),
        (timedelta(days=50), 86_400),
        (timedelta(days=400), 604_800),
        (timedelta(days=40_000), 2_419_200),
    ],
)
def test_the_narrowest_width_that_fits_is_taken(span: timedelta, width: int) -> None:
    own = counted([MONDAY, MONDAY + span])
    chosen, spans = own.spans()
    assert chosen == width
    assert len(spans) <= 60
    assert sum(each.decisions for each in spans) == 2


def test_nothing_is_lost_and_cuts_change_nothing() -> None:
    times = [MONDAY + timedelta(minutes=7 * place) for place in range(3000)]
    whole, cut = counted(times), counted(times, cuts=17)
    assert whole.spans() == cut.spans()
    width, spans = whole.spans()
    places = np.arange(3000)
    assert sum(each.decisions for each in spans) == 3000
    assert sum(each.scored for each in spans) == (places % 3 != 0).sum()
    assert sum(each.flagged for each in spans) == ((places % 2 == 0) & (places % 3 != 0)).sum()
    for each in spans:
        inside = [t for t in times if each.start <= t < each.start + timedelta(seconds=width)]
        assert each.decisions == len(inside)


def test_spans_begin_where_people_begin_them() -> None:
    _, days = counted([MONDAY, MONDAY + timedelta(days=40)]).spans()
    assert days[0].start == MONDAY
    wednesday = MONDAY + timedelta(days=2, hours=5)
    width, weeks = counted([wednesday, wednesday + timedelta(days=300)]).spans()
    assert width == 604_800
    assert weeks[0].start == MONDAY
    # Weeks in which nothing was decided are shown as such.
    assert [each.decisions for each in weeks] == [1, *[0] * 42, 1]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "KEPT", 50)
    own = counted([MONDAY + timedelta(seconds=37 * place) for place in range(2000)], cuts=20)
    assert len(own._counts) <= 50
    assert sum(each.decisions for each in own.spans()[1]) == 2000


def test_of_nothing_there_is_nothing() -> None:
    assert Timeline().spans()[1] == []
    assert counted([]).spans()[1] == []
