"""The sides of the input: what the figure takes from the records, and that it can always be drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmood.displays import Sides


def record(side: str | None, value: float | None, task: str = "flags", **more: Any) -> dict[str, Any]:
    ends = (None, None) if value is None else (value - 0.1, value + 0.1)
    return {
        "question": "modality",
        "metric": "new_sides" if side is None else "auroc_on_part",
        "slice": side,
        "scorer": "s",
        "ood_task": task,
        "value": value,
        "ci_low": ends[0],
        "ci_high": ends[1],
        "params": {"verdict": "picture"} if side is None else {},
        **more,
    }


RECORDS = [
    record("text", 0.5),
    record("image", 0.9),
    record("both", 0.7),
    record(None, 1.0),
    record("text", 0.6, "near"),
    record("image", None, "near"),
    record("text", 0.1, scorer="other"),
    record("text", 0.2, question="familiarity"),
]


def test_the_data() -> None:
    frame = Sides(RECORDS, scorer="s", ood_tasks=["flags", "near", "gone"]).frame()
    assert frame["ood_task"].tolist() == ["flags", "near", "gone"]
    assert frame.loc[0, ["text", "image", "image_low", "verdict"]].tolist() == [0.5, 0.9, 0.8, "picture"]
    assert np.isnan(frame["image"][1:]).all()


def test_the_picture() -> None:
    display = Sides(RECORDS, scorer="s", ood_tasks=["flags", "near"])
    figure = display.plot()
    (axes,) = figure.axes
    said = {text.get_text() for text in axes.texts}
    assert said == {"the picture is new", "both are new", "neither is new", "the question is new", "1"}
    (dot,) = [line for line in axes.lines if line.get_marker() == "o"]
    assert (list(dot.get_xdata()), list(dot.get_ydata())) == ([0.5], [0.9])
    assert display.describe() == (
        "AUROC of each side of the input under s: flags 0.900 of the picture, 0.500 of the question."
    )


def test_many_populations_and_none() -> None:
    names = [f"p{number}" for number in range(14)]
    records = [
        record(side, 0.1 + number / 20, name)
        for number, name in enumerate(names)
        for side in ("text", "image")
    ]
    many = Sides(records, scorer="s", ood_tasks=names)
    assert len(many.frame()) == 14
    assert len([line for line in many.plot().axes[0].lines if line.get_marker() == "o"]) == 12
    none = Sides([], scorer="s", ood_tasks=names)
    assert "undefined" in {text.get_text() for text in none.plot().axes[0].texts}
    assert none.describe().endswith("undefined for every population.")
