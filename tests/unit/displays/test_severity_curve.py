"""The severity curve: what it takes from the records, and that it can always be drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from llmood.displays import SeverityCurve
from llmood.displays.style import LINES

GRADES = {"t.2": 2, "t.1": 1}


def auroc(scorer: str, task: str, value: float | None, **more: Any) -> dict[str, Any]:
    ends = (None, None) if value is None else (value - 0.1, value + 0.1)
    common = {
        "question": "ood_detection",
        "metric": "auroc",
        "slice": None,
        "ci_low": ends[0],
        "ci_high": ends[1],
    }
    return {**common, "scorer": scorer, "ood_task": task, "value": value, **more}


RECORDS = [
    auroc("a", "t.2", 0.8),
    auroc("a", "t.1", 0.6),
    auroc("b", "t.1", None),
    auroc("a", "other", 0.1),
    auroc("a", "t.1", 0.2, slice="short"),
    auroc("a", "t.1", 0.3, metric="aupr_ood"),
    auroc("not asked for", "t.1", 0.4),
]


def test_a_row_a_scorer_and_grade() -> None:
    display = SeverityCurve(RECORDS, GRADES, family="t", scorers=["a", "b"])
    frame = display.frame()
    assert frame[["scorer", "grade", "ood_task"]].to_numpy().tolist() == [
        ["a", 1, "t.1"],
        ["a", 2, "t.2"],
        ["b", 1, "t.1"],
    ]
    assert frame["auroc"].tolist()[:2] == [0.6, 0.8]
    assert frame["ci_low"].tolist()[:2] == pytest.approx([0.5, 0.7])
    assert np.isnan(frame["auroc"][2])
    assert display.describe() == "AUROC by severity of t: a 0.600 at 1, 0.800 at 2."


def test_the_picture_has_a_line_and_a_band_a_scorer() -> None:
    (axes,) = SeverityCurve(RECORDS[:2], GRADES, family="t", scorers=["a"]).plot().axes
    chance, line = axes.get_lines()
    assert list(chance.get_ydata()) == [0.5, 0.5]
    assert np.array(line.get_xydata()).tolist() == [[1, 0.6], [2, 0.8]]
    assert len(axes.collections) == 1
    assert [int(tick) for tick in axes.get_xticks()] == [1, 2]


def test_more_scorers_than_colours_are_in_the_frame_alone() -> None:
    names = [f"s{n}" for n in range(len(LINES) + 2)]
    display = SeverityCurve([auroc(name, "t.1", 0.7) for name in names], GRADES, family="t", scorers=names)
    assert len(display.frame()) == len(names)
    assert len(display.plot().axes[0].get_lines()) == 1 + len(LINES)


@pytest.mark.parametrize("records", [[], [auroc("a", "t.1", None)], [auroc("a", "t.1", 1.0, ci_low=None)]])
def test_what_is_missing_can_be_drawn(records: list[dict[str, Any]]) -> None:
    display = SeverityCurve(records, GRADES, family="t", scorers=["a"])
    display.plot()
    assert display.describe()
