"""The samples that a scorer gets most wrong, for reading."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmood.clean import clean
from llmood.questions.confident_errors import KIND as CONFIDENT
from llmood.questions.mistakes import FALSE_ALARMS, MISSES, highest, lowest
from llmood.report.gallery import Shown
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
class Piece:
    """One token: its text, what it adds to the score, and how strongly, `up` or `down` and from 1 to 3."""

    text: str
    value: str
    sign: str
    strength: int


@dataclass(frozen=True)
class Telling:
    """The tokens that add most to a scorer's score of an example, or take most, in the order of the text."""

    scorer: str
    pieces: list[Piece]


@dataclass(frozen=True)
class Example:
    """One sample under one scorer.

    Attributes:
        short, full: the prompt's beginning and the prompt; `full` is None where `short` is all of it, both are
            None in a run that keeps no text.
        rest: how many characters even `full` leaves out.
        telling: one for each scorer that says what tokens add; none in a run that keeps no text.
        nearest: one for each scorer that has neighbours; none in a run that keeps no text.
        answer: what was answered, where that is told.
        references: what would have been right.
        pictures: small ones, or why there is none; none in a run that keeps no text.
        further: how many pictures more it has.
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
    telling: list[Telling]
    answer: str | None = None
    references: str | None = None
    pictures: list[Shown] = field(default_factory=list)
    further: int = 0


def false_alarms(run: RunFiles, scorer: str) -> list[Example]:
    """The ID samples with the highest scores. The same for every OOD set."""
    rows = run.rows(run.id_task["name"]) if run.id_task else np.array([], dtype=np.int64)
    return _examples(run, scorer, highest(run.scores[scorer], rows, FALSE_ALARMS))


def misses(run: RunFiles, scorer: str, ood_task: str) -> list[Example]:
    """The OOD samples with the lowest scores."""
    return _examples(run, scorer, lowest(run.scores[scorer], run.rows(ood_task), MISSES))


def confident_errors(run: RunFiles) -> tuple[str, list[Example]] | None:
    """The wrong answers to ID samples that a scorer is surest of, and that scorer; None where none are told."""
    told = [record for record in run.explanations if record["kind"] == CONFIDENT and record["text"]]
    if not told or run.samples is None:
        return None
    places = {name: row for row, name in enumerate(run.samples["sample_id"].to_pylist())}
    scorer = told[0]["scorer"]
    found = []
    for record in told:
        row = places.get(record["sample_id"])
        if row is None or scorer not in run.scores:
            continue
        references = run.samples["references"][row].as_py() or []
        example = _example(run, row, float(run.scores[scorer][row]))
        found.append(
            replace(
                example,
                nearest=[],
                telling=[],
                answer=shorten(clean(record["text"])),
                references=shorten(clean(" / ".join(references))) or None,
            )
        )
    return scorer, found


def _examples(run: RunFiles, scorer: str, rows: NDArray[np.int64]) -> list[Example]:
    return [_example(run, int(row), float(run.scores[scorer][row])) for row in rows]


def _example(run: RunFiles, row: int, value: float) -> Example:
    assert run.samples is not None  # noqa: S101 - there are scores, so there are samples
    sample: dict[str, Any] = run.samples.slice(row, 1).to_pylist()[0]
    prompt = None if sample["prompt"] is None else clean(sample["prompt"])
    short = None if prompt is None else shorten(prompt)
    images = [] if prompt is None else sample["images"] or []
    pictures = run.gallery.shown(images)
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
        [] if prompt is None else _telling(run, sample["sample_id"]),
        pictures=pictures,
        further=len(images) - len(pictures),
    )


def _telling(run: RunFiles, sample_id: str) -> list[Telling]:
    return [
        Telling(record["scorer"], pieces_shown(record["tokens"]))
        for record in run.explanations
        if record["sample_id"] == sample_id and record["kind"] == "tokens" and record["tokens"]
    ]


def pieces_shown(tokens: Sequence[Mapping[str, Any]]) -> list[Piece]:
    """Tokens as the page shows them; the strength is in thirds of the largest value there."""
    largest = max(abs(token["value"]) for token in tokens) or 1.0
    return [
        Piece(
            visible(token["text"]),
            score(token["value"]) if token["value"] <= 0 else f"+{score(token['value'])}",
            "up" if token["value"] > 0 else "down",
            max(1, math.ceil(3 * abs(token["value"]) / largest)),
        )
        for token in tokens
    ]


def visible(text: str) -> str:
    r"""A token's text with its spaces and breaks to be seen; a special token has no text.

    >>> visible(" bank"), visible("\n"), visible("")
    ('␣bank', '⏎', '(special)')
    """
    return clean(text).replace("\n", "⏎").replace("\t", "⇥").replace(" ", "␣") or "(special)"


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
