"""The heat map of shifts: what it takes from the records, how it can be read, and that it can always be drawn."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from llmood.displays import ShiftHeatMap
from llmood.displays.shift_heat_map import DARK_NUMBER, LIGHT_FROM, LIGHT_NUMBER, shade

TASKS = {("none", "none"): "t", ("none", "typos"): "t.y", ("blur", "none"): "t.b", ("blur", "typos"): "t.b.y"}
CONTRAST = (
    3.9  # WCAG asks for 3 of large figures, and 4.5 of small text, which no field of a middle blue allows
)


def auroc(task: str, value: float | None, low: float | None = None, **more: Any) -> dict[str, Any]:
    plain = {"question": "ood_detection", "metric": "auroc", "scorer": "a", "slice": None}
    high = None if low is None else 1.0
    return {**plain, "ood_task": task, "value": value, "ci_low": low, "ci_high": high, **more}


def right(task: str | None, value: float) -> dict[str, Any]:
    return auroc(task or "", value, question="error_detection", metric="accuracy", scorer=None, ood_task=task)


RECORDS = [
    auroc("t.b", 0.75, 0.6),
    auroc("t.y", 0.55, 0.45),
    auroc("t.b.y", 1.0, 0.9),
    auroc("t.b", 0.1, scorer="other"),
    auroc("t.b", 0.2, slice="short"),
    auroc("t.b", 0.3, metric="aupr_ood"),
    auroc("elsewhere", 0.4),
    right(None, 0.9),
    right("t.b", 0.25),
]


def drawn(records: list[dict[str, Any]], scorer: str | None = "a") -> ShiftHeatMap:
    names = ("none", "blur"), ("none", "typos")
    return ShiftHeatMap(records, TASKS, rows=names[0], columns=names[1], id_task="t", scorer=scorer)


def luminance(colour: str) -> float:
    """As WCAG 2 has it."""
    values = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_row_a_place_that_has_a_number() -> None:
    frame = drawn(RECORDS).frame()
    assert frame[["row", "column", "task", "value"]].to_numpy().tolist() == [
        ["none", "typos", "t.y", 0.55],
        ["blur", "none", "t.b", 0.75],
        ["blur", "typos", "t.b.y", 1.0],
    ]
    assert drawn(RECORDS).describe() == (
        "AUROC of a by shift and severity: none: 0.550 at typos; blur: 0.750 at none, 1.000 at typos."
    )


def test_right_answers_have_the_id_tasks_own() -> None:
    display = drawn(RECORDS, scorer=None)
    assert display.frame()[["task", "value"]].to_numpy().tolist() == [["t", 0.9], ["t.b", 0.25]]
    assert display.describe().startswith("Share of right answers by shift and severity: none: 0.900 at none;")


def test_each_field_has_its_number_and_its_colour() -> None:
    (axes,) = drawn(RECORDS).plot().axes
    assert sorted(text.get_text() for text in axes.texts) == ["0.550", "0.750", "1.000"]
    plain = [patch for patch in axes.patches if not patch.get_hatch()]
    (hatched,) = [patch for patch in axes.patches if patch.get_hatch()]
    assert len(plain) == 3
    # The interval of 0.55 begins at 0.45: column "typos" of row "none".
    assert (hatched.get_x(), hatched.get_y()) == (0.5, -0.5)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["none", "typos"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["none", "blur"]
    low, high = axes.get_ylim()
    assert low > high  # the first row is at the top


def test_the_scale_darkens_all_the_way_and_its_numbers_can_be_read() -> None:
    shares = [step / 200 for step in range(201)]
    lights = [luminance(shade(share)) for share in shares]
    assert all(one >= other for one, other in pairwise(lights))
    assert lights[0] - lights[-1] > 0.7
    assert shade(-1.0) == shade(0.0)
    assert shade(2.0) == shade(1.0)
    for share, light in zip(shares, lights, strict=True):
        number = luminance(LIGHT_NUMBER if share > LIGHT_FROM else DARK_NUMBER)
        assert (max(number, light) + 0.05) / (min(number, light) + 0.05) >= CONTRAST, share


@pytest.mark.parametrize(
    "records", [[], [auroc("t.b", None)], [auroc("t.b", 0.0)], [auroc("t.b", 1.0)], [auroc("t.b", 0.2, 0.1)]]
)
@pytest.mark.parametrize("scorer", ["a", None])
def test_what_is_missing_can_be_drawn(records: list[dict[str, Any]], scorer: str | None) -> None:
    display = drawn(records, scorer)
    display.plot()
    assert display.describe()
    assert len(display.frame()) == (len(records) if scorer else 0)


def test_an_undefined_number_is_no_number() -> None:
    display = drawn([auroc("t.b", None)])
    assert np.isnan(display.frame()["value"][0])
    (axes,) = display.plot().axes
    assert [text.get_text() for text in axes.texts] == ["–"]
    assert display.describe() == "AUROC of a by shift and severity: undefined everywhere."
