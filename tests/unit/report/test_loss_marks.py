"""What a cell of the table of losses is marked as."""

from __future__ import annotations

import pytest

from llmood.report.cells import loss_mark, record_cell


@pytest.mark.parametrize(
    ("low", "high", "mark"),
    [(0.1, 0.2, "loses"), (-0.2, -0.1, "gains"), (-0.1, 0.1, ""), (None, None, "")],
)
def test_what_is_clear_is_marked_either_way(low: float | None, high: float | None, mark: str) -> None:
    record = {
        "metric": "auroc_loss",
        "value": 0.0,
        "ci_low": low,
        "ci_high": high,
        "ci_level": 0.95,
        "reason": None,
        "n_unscored": 0,
    }
    cell = record_cell(record, mark=loss_mark)
    assert cell is not None
    assert cell.mark == mark
