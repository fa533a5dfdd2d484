"""The part of the report about the sides of the input: which one is new, and whether scores look at the picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from llmood.displays import Sides
from llmood.questions.modality import BOTH, CHANCE, CHANGE, IMAGE, NEW_SIDES, ON_PART, QUESTION, SIDES, TEXT
from llmood.report.calibration_records import kind_of, ood_name
from llmood.report.cells import Cell, record_cell
from llmood.report.figures import Picture
from llmood.report.population import MeasureRow
from llmood.report.read import Record, RunFiles
from llmood.report.sentences import Name, Sentence
from llmood.report.svg import inline_svg
from llmood.report.tables import Column, column_of
from llmood.report.text import interval, number

WHOLE = {TEXT: "the question alone", IMAGE: "the picture alone", BOTH: "both"}
ALONE = {
    TEXT: "of the question with a plain grey picture",
    IMAGE: "of the picture with all that the row puts in words left out",
}
OTHERS = {"shuffled": "with another sample’s picture", "noise": "with noise for a picture"}
SAID = {
    "picture": "the picture is new, the question isn’t",
    "question": "the question is new, the picture isn’t",
    "both": "picture and question are both new",
    "neither": "neither the picture nor the question is new by itself",
}
SIDE = {TEXT: "question", IMAGE: "picture"}

Key = tuple[str, str, str | None, str | None]


@dataclass(frozen=True)
class ModalityPart:
    """All of it.

    Attributes:
        scorer: the one that decides; "" where none does.
        sides: rows of AUROC, on the OOD columns; `moves`: how far scores move, on ID's and these.
        left_out: which scorer has no row of which side, and why.
        alone: the sides that were scored by themselves, in words that say how.
    """

    scorer: str
    summary: list[Sentence]
    columns: tuple[Column, ...]
    sides: tuple[MeasureRow, ...]
    all_columns: tuple[Column, ...]
    moves: tuple[MeasureRow, ...]
    pictures: tuple[Picture, ...]
    grades: int
    left_out: tuple[Sentence, ...] = ()
    alone: tuple[str, ...] = ()


def modality_part(run: RunFiles, prefix: str) -> ModalityPart | None:
    """None where a run made no profile. Grades of a shift are left out; they stand in metrics.json."""
    own = [record for record in run.records if record["question"] == QUESTION]
    tasks = run.single_ood_tasks or run.ood_tasks
    if not own or run.id_task is None:
        return None
    found: dict[Key, Record] = {
        (record["metric"], record["scorer"], record["slice"], record["ood_task"]): record for record in own
    }
    scorers = list(dict.fromkeys(record["scorer"] for record in own))
    deciding = (r["scorer"] for r in own if r["metric"] == NEW_SIDES and r["params"]["decides"])
    scorer = next(deciding, "")
    names = [task["name"] for task in tasks]
    drawn = (Sides(own, scorer=scorer, ood_tasks=names),) if scorer else ()
    whole = [run.id_task, *tasks]
    return ModalityPart(
        scorer,
        [_told(task, scorer, found) for task in tasks] if scorer else [],
        tuple(column_of(run, task) for task in tasks),
        tuple(_sides(scorers, names, found)),
        tuple(column_of(run, task) for task in whole),
        tuple(_moves(scorers, [ood_name(task) for task in whole], found)),
        tuple(Picture(inline_svg(each, f"{prefix}-m")) for each in drawn),
        len(run.ood_tasks) - len(tasks),
        tuple(_left_out(scorers, names, found)),
        tuple(words for side, words in ALONE.items() if any(key[:3:2] == (ON_PART, side) for key in found)),
    )


def _told(task: Record, scorer: str, found: dict[Key, Record]) -> Sentence:
    name = task["name"]
    record = found.get((NEW_SIDES, scorer, None, name))
    if record is None or record["value"] is None:
        why = "" if record is None else f": {record['reason']}"
        return Sentence.of(Name(name), f" ({kind_of(task)}): which side is new can’t be told{why}.")
    parts = {
        side: found[ON_PART, scorer, side, name] for side in SIDES if (ON_PART, scorer, side, name) in found
    }
    verdict = record["params"]["verdict"]
    values = f"AUROC {number(parts[IMAGE]['value'])} of the picture, {number(parts[TEXT]['value'])} of the question"
    told = f"{SAID[verdict]} ({values})"
    whole = parts.get(BOTH)
    if verdict == "neither" and whole and whole["ci_low"] is not None and whole["ci_low"] > CHANCE:
        told += f"; the two together are ({number(whole['value'])})"
    lower = [side for side in (IMAGE, TEXT) if parts[side]["ci_high"] < CHANCE]
    if lower:
        which = " and ".join(f"the {SIDE[side]}" for side in lower)
        told += f"; {which} score{'s' * (len(lower) == 1)} lower than ID’s, which is a difference too"
    return Sentence.of(Name(name), f" ({kind_of(task)}): {told}.")


def _sides(scorers: list[str], tasks: list[str], found: dict[Key, Record]) -> Iterator[MeasureRow]:
    for scorer in scorers:
        for side in SIDES:
            cells = [found.get((ON_PART, scorer, side, task)) for task in tasks]
            if any(cells) and not _same_reason(cells):
                yield MeasureRow(WHOLE[side], scorer, tuple(map(record_cell, cells)))


def _left_out(scorers: list[str], tasks: list[str], found: dict[Key, Record]) -> Iterator[Sentence]:
    for scorer in scorers:
        for side in SIDES:
            why = _same_reason([found.get((ON_PART, scorer, side, task)) for task in tasks])
            if why is not None:
                yield Sentence.of(Name(scorer), f" of {WHOLE[side]}: {why}.")


def _same_reason(cells: list[Record | None]) -> str | None:
    """Why all cells of a row are undefined, where that is the same for all."""
    reasons = {None if cell is None or cell["value"] is not None else cell["reason"] for cell in cells}
    return reasons.pop() if len(reasons) == 1 else None


def _moves(scorers: list[str], tasks: list[str | None], found: dict[Key, Record]) -> Iterator[MeasureRow]:
    for scorer in scorers:
        for control, words in OTHERS.items():
            cells = [found.get((CHANGE, scorer, control, task)) for task in tasks]
            if any(cells):
                yield MeasureRow(words, scorer, tuple(map(_moved, cells)))


def _moved(record: Record | None) -> Cell | None:
    if record is None:
        return None
    value = record["params"]["in_standard_deviations"]
    if record["value"] is None or value is None:
        reason = record["reason"] or "ID’s scores don’t vary"
        return Cell(None, reason=reason, unscored=record["n_unscored"])
    spread = record["params"]["standard_deviation_id"]
    ends = {
        **record,
        **{end: None if record[end] is None else record[end] / spread for end in ("ci_low", "ci_high")},
    }
    return Cell(number(value), interval(ends), record["reason"], unscored=record["n_unscored"])
