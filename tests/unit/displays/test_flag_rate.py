from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy.stats import binomtest

from llmood.displays import FlagRate
from llmood.report.svg import inline_svg

BEGIN = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)


def of(scored: list[int], flagged: list[int], width: int = 3600) -> FlagRate:
    starts = [BEGIN + timedelta(seconds=width * place) for place in range(len(scored))]
    return FlagRate(starts, width, scored, flagged, promised=0.05)


def test_the_frame_has_rates_with_exact_intervals() -> None:
    frame = of([10, 0, 200], [1, 0, 0]).frame()
    assert frame["rate"].tolist()[::2] == [0.1, 0.0]
    exact = binomtest(1, 10).proportion_ci(0.95, "exact")
    assert frame["ci_low"][0] == pytest.approx(exact.low)
    assert frame["ci_high"][0] == pytest.approx(exact.high)
    assert frame.loc[1, ["rate", "ci_low", "ci_high"]].isna().all()


def test_it_says_the_extremes() -> None:
    said = of([10, 10], [1, 4]).describe()
    assert "from 0.100 (2026-11-27 08:00) to 0.400 (2026-11-27 09:00 UTC), 0.05 promised at most" in said
    assert of([0], [0]).describe() == "Share flagged over time: no question had a score."


@pytest.mark.parametrize("width", [1, 60, 86_400, 2_419_200])
@pytest.mark.parametrize("count", [1, 2, 60])
def test_any_span_is_drawn(width: int, count: int) -> None:
    generator = np.random.default_rng(0)
    display = of(generator.integers(0, 50, count).tolist(), [0] * count, width)
    drawn = str(inline_svg(display, "x"))
    assert "promised at most" in drawn or "undefined" in drawn
    assert "<script" not in drawn


def test_nothing_is_drawn_as_undefined() -> None:
    assert "undefined" in str(inline_svg(of([0, 0], [0, 0]), "x"))
    assert "undefined" in str(inline_svg(of([], []), "x"))
