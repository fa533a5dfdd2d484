"""The curve by familiarity: what it takes from the records, and that it can always be drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from llmood.displays import FamiliarityCurve
from llmood.displays.style import LINES


def record(scorer: str, part: str | None, value: float | None, **more: Any) -> dict[str, Any]:
    ends = (None, None) if value is None else (value - 0.1, value + 0.1)
    return {
        "question": "familiarity",
        "metric": "auroc_familiarity_gap" if part is None else "auroc_in_slice",
        "slice": part,
        "scorer": scorer,
        "ood_task": "away",
        "value": value,
        "ci_low": ends[0],
        "ci_high": ends[1],
        "n_positive": 7,
        "params": {"from": 1.0, "to": 2.0},
        **more,
    }


RECORDS = [
    record("a", "familiar", 0.5),
    record("a", "middle", 0.7),
    record("a", "unfamiliar", None, params={"from": None, "to": None}),
    record("a", None, 0.2),
    record("a", "familiar", 0.1, ood_task="other"),
    record("a", "familiar", 0.2, question="ood_detection"),
    record("not asked for", "familiar", 0.4),
]


def test_a_row_a_scorer_and_slice() -> None:
    display = FamiliarityCurve(RECORDS, ood_task="away", scorers=["a", "b"])
    frame = display.frame()
    assert frame["slice"].tolist() == ["familiar", "middle", "unfamiliar"]
    assert frame["auroc"].tolist()[:2] == [0.5, 0.7]
    assert np.isnan(frame["auroc"][2])
    assert np.isnan(frame["to"][2])
    assert frame["gap"].tolist() == [0.2] * 3
    assert frame["gap_low"].tolist() == pytest.approx([0.1] * 3)
    words = "AUROC on away by familiarity to the base model: a 0.500 on familiar, 0.700 on middle."
    assert display.describe() == words


def test_the_picture_has_a_line_a_scorer_up_to_the_colours() -> None:
    names = [f"s{n}" for n in range(len(LINES) + 2)]
    records = [record(name, part, 0.6) for name in names for part in ("familiar", "middle", "unfamiliar")]
    display = FamiliarityCurve(records, ood_task="away", scorers=names)
    (axes,) = display.plot().axes
    assert len(display.frame()) == 3 * len(names)
    assert len(axes.get_lines()) == 1 + len(LINES)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["familiar", "middle", "unfamiliar"]
    assert list(axes.get_lines()[1].get_ydata()) == [0.6] * 3


@pytest.mark.parametrize("records", [[], [record("a", "familiar", None)]])
def test_what_is_missing_can_be_drawn(records: list[dict[str, Any]]) -> None:
    display = FamiliarityCurve(records, ood_task="away", scorers=["a"])
    assert [text.get_text() for text in display.plot().axes[0].texts] == ["undefined"]
    assert display.describe().endswith("undefined for every scorer.")
