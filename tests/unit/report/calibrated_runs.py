"""A run of made-up rows with calibration: some answers are right, and scores say something of which."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llmood.run import evaluate
from tests.worlds import no_report, write_world

ANSWERS = ["yes", "no", "nobody knows", ""]
SCORERS = ["sequence_probability", "likelihood_ratio"]


def rows(kind: str, count: int) -> list[dict[str, Any]]:
    """Every second row or so has a reference that the fake engine gives; groups of two."""
    return [
        {
            "text": f"{kind} card {place} for travel",
            "answers": [ANSWERS[place % 3], "seven"] if place % 5 else ["no answer of this kind"],
            "group": f"{kind} {place // 2}",
        }
        for place in range(count)
    ]


def calibrated_run(folder: Path, *, kept: int = 90, **config: Any) -> Path:
    """The folder of a finished run: ID task `bank`, the sets `near` and `far`."""
    world = write_world(
        folder / "world",
        bank={"calibration": rows("kept", kept), "test": rows("bank", 60)},
        near=rows("near", 50),
        far=rows("far", 40),
        task={"fields": {"references": "answers", "group": "group"}},
        **{
            "scorers": SCORERS,
            "correctness": "task",
            "calibration": {"wrong_answered": 0.4},
            **config,
        },
    )
    with pytest.MonkeyPatch.context() as patch:
        no_report(patch)  # tests render what they look at
        return evaluate(world.settings(), output_dir=folder / "run").folder
