"""The figure of what scorers lose from ID to near to far."""

from __future__ import annotations

import math
from typing import Any

import pytest

from llmood.displays import ErrorsByShift

PLACES = [("home", "none"), ("near", "near"), ("far", "far")]


def record(metric: str, task: str | None, value: float | None, **more: Any) -> dict[str, Any]:
    ends = (None, None) if value is None else (value - 0.1, value + 0.1)
    common = {"question": "error_detection", "slice": None, "scorer": "a", "id_task": "home"}
    return {
        **common,
        "metric": metric,
        "ood_task": task,
        "value": value,
        "ci_low": ends[0],
        "ci_high": ends[1],
    } | more


RECORDS = [
    record("auroc", None, 0.9),
    record("auroc", "near", 0.7),
    record("auroc", "far", None),
    record("auroc_loss", "near", 0.2),
    record("auroc_loss", "far", 0.3, slice="from near"),
    record("auroc", "near", 0.1, question="ood_detection"),
    record("auroc", None, 0.2, scorer="b"),
]


def test_the_frame_has_a_row_a_scorer_and_population() -> None:
    frame = ErrorsByShift(RECORDS, PLACES, scorers=["a"]).frame()
    assert frame["task"].tolist() == ["home", "near", "far"]
    assert frame["auroc"].tolist()[:2] == [0.9, 0.7]
    assert math.isnan(frame["auroc"][2])
    assert frame["loss"].tolist()[1] == 0.2
    assert math.isnan(frame["loss"][0])
    assert math.isnan(frame["loss"][2])  # what is lost from near is no loss from ID
    assert frame["loss_low"][1] == pytest.approx(0.1)


def test_it_is_drawn_and_described() -> None:
    display = ErrorsByShift(RECORDS, PLACES, scorers=["a", "b"])
    axes = display.plot().axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["home\nID", "near\nnear", "far\nfar"]
    assert display.describe() == (
        "AUROC of errors by population: a 0.900 on home, 0.700 on near; b 0.200 on home."
    )


def test_names_that_have_no_room_beside_each_other_stand_aslant() -> None:
    few, many = PLACES, [(f"a_population_{number}", "near") for number in range(7)]
    for places, degrees in ((few, 0), (many, 40)):
        axes = ErrorsByShift(RECORDS, places, scorers=["a"]).plot().axes[0]
        assert {text.get_rotation() for text in axes.get_xticklabels()} == {degrees}


def test_nothing_known_can_be_drawn() -> None:
    display = ErrorsByShift([], PLACES, scorers=["a"])
    display.plot()
    assert display.describe().endswith("undefined for every scorer.")
