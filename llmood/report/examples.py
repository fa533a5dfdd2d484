"""The samples that a scorer gets most wrong, for reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmood.clean import clean
from llmood.questions.mistakes import FALSE_ALARMS, MISSES, highest, lowest
from llmood.report.read import RunFiles
from llmood.report.text import MAX_TEXT, score, shorten


@dataclass(frozen=True)
class Nearest:
    """The sample of `train` that a scorer finds nearest to an example."""

    scorer: str
    sample_id: str
    about: str
    distance: str
    short: str


@dataclass(frozen=True)
class Example:
    """One sample under one scorer.

    Attributes:
        short, full: the prompt's beginning and the prompt; `full` is None where `short` is all of it, both are
            None in a run that keeps no text.
        rest: how many characters even `full` leaves out.
        nearest: one for each scorer that has neighbours; none in a run that keeps no text.
    """

    sample_id: str
    source: str | None
    about: str
    score: str
    short: str | None
    full: str | None
    length: int
    rest: int
    nearest: list[Nearest]


def false_alarms(run: RunFiles, scorer: str) -> list[Example]:
    """The ID samples with the highest scores. The same for every OOD set."""
    rows = run.rows(run.id_task["name"]) if run.id_task else np.array([], dtype=np.int64)
    return _examples(run, scorer, highest(run.scores[scorer], rows, FALSE_ALARMS))


def misses(run: RunFiles, scorer: str, ood_task: str) -> list[Example]:
    """The OOD samples with the lowest scores."""
    return _examples(run, scorer, lowest(run.scores[scorer], run.rows(ood_task), MISSES))


def _examples(run: RunFiles, scorer: str, rows: NDArray[np.int64]) -> list[Example]:
    return [_example(run, int(row), float(run.scores[scorer][row])) for row in rows]


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
        [] if prompt is None else _nearest(run, sample["sample_id"]),
    )


def _nearest(run: RunFiles, sample_id: str) -> list[Nearest]:
    found = []
    for record in run.explanations:
        other = run.others.get(record["of"] or "")
        if record["sample_id"] != sample_id or record["kind"] != "neighbour" or other is None:
            continue
        if other["prompt"] is not None and record["distance"] is not None:
            found.append(
                Nearest(
                    record["scorer"],
                    other["sample_id"],
                    _about(other, ("domain", "label")),
                    score(record["distance"]),
                    shorten(clean(other["prompt"])),
                )
            )
    return found


def _about(sample: Mapping[str, Any], names: Sequence[str]) -> str:
    return " · ".join(f"{name}: {sample[name]}" for name in names if sample[name] is not None)
