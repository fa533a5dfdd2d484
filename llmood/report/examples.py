"""The samples that a scorer gets most wrong, for reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmood.clean import clean
from llmood.report.read import RunFiles
from llmood.report.text import MAX_TEXT, score, shorten

FALSE_ALARMS = 8
MISSES = 5


@dataclass(frozen=True)
class Example:
    """One sample under one scorer.

    Attributes:
        short, full: the prompt's beginning and the prompt; `full` is None where `short` is all of it, both are
            None in a run that keeps no text.
        rest: how many characters even `full` leaves out.
    """

    sample_id: str
    source: str | None
    about: str
    score: str
    short: str | None
    full: str | None
    length: int
    rest: int


def false_alarms(run: RunFiles, scorer: str) -> list[Example]:
    """The ID samples with the highest scores. The same for every OOD set."""
    rows = run.rows(run.id_task["name"]) if run.id_task else np.array([], dtype=np.int64)
    return _worst(run, scorer, rows, FALSE_ALARMS, highest=True)


def misses(run: RunFiles, scorer: str, ood_task: str) -> list[Example]:
    """The OOD samples with the lowest scores."""
    return _worst(run, scorer, run.rows(ood_task), MISSES, highest=False)


def _worst(
    run: RunFiles, scorer: str, rows: NDArray[np.int64], wanted: int, *, highest: bool
) -> list[Example]:
    values = run.scores[scorer][rows]
    scored = rows[~np.isnan(values)]
    keys = run.scores[scorer][scored]
    # Stable: samples with the same score stay in the file's order.
    order = np.argsort(-keys if highest else keys, kind="stable")[:wanted]
    return [_example(run, int(row), float(run.scores[scorer][row])) for row in scored[order]]


def _example(run: RunFiles, row: int, value: float) -> Example:
    assert run.samples is not None  # noqa: S101 - there are scores, so there are samples
    sample: dict[str, Any] = run.samples.slice(row, 1).to_pylist()[0]
    prompt = None if sample["prompt"] is None else clean(sample["prompt"])
    short = None if prompt is None else shorten(prompt)
    return Example(
        sample["sample_id"],
        sample["source_line"],
        _about(sample, ("domain", "label")),
        score(value),
        short,
        None if prompt is None or short == prompt else prompt[:MAX_TEXT],
        len(prompt or ""),
        max(0, len(prompt or "") - MAX_TEXT),
    )


def _about(sample: dict[str, Any], names: Sequence[str]) -> str:
    return " · ".join(f"{name}: {sample[name]}" for name in names if sample[name] is not None)
