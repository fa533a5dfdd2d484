"""The part of the report about whole populations: states that differ from ID's, and what passes for rows of train."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmood.questions.population_shift import MISMATCH, MISTAKEN, MMD, QUESTION
from llmood.report.calibration_records import kind_of, ood_name
from llmood.report.cells import Cell
from llmood.report.read import Record, RunFiles
from llmood.report.sentences import Name, Sentence
from llmood.report.tables import Column, column_of
from llmood.report.text import metric_name, number, percent

SURE = 0.05
"""A p-value up to this is called a difference."""
UNIT = "\u00a0%"
MEANING = Sentence.of(
    "A difference says that the set as a whole isn't drawn like ID. It doesn't say which questions are strange, nor "
    "that their answers are wrong."
)

By = Mapping[str | None, Record]


@dataclass(frozen=True)
class MeasureRow:
    """One measure of populations: its name, of what it is, and a cell a population."""

    name: str
    of: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class PopulationPart:
    """All of it; `states` and `members` say which kinds of measure there are."""

    summary: list[Sentence]
    columns: tuple[Column, ...]
    rows: tuple[MeasureRow, ...]
    states: bool
    members: bool


def population_part(run: RunFiles) -> PopulationPart | None:
    """None where no population was measured as a whole. Grades of a shift are left out; they stand in metrics.json."""
    measures = _measures(run)
    if not measures or run.id_task is None:
        return None
    tasks = [run.id_task, *run.single_ood_tasks]
    names = [ood_name(task) for task in tasks]
    kinds = {metric for metric, _ in measures}
    return PopulationPart(
        list(_summary(tasks, measures)),
        tuple(column_of(run, task) for task in tasks),
        tuple(
            MeasureRow(metric_name(metric), of, tuple(_cell(found, name) for name in names))
            for (metric, of), found in measures.items()
        ),
        bool(kinds & {MMD, MISMATCH}),
        MISTAKEN in kinds,
    )


def _measures(run: RunFiles) -> dict[tuple[str, str], By]:
    """By (metric, of what), the record of each population: of ID where no OOD task is named."""
    found: dict[tuple[str, str], dict[str | None, Record]] = {}
    for record in run.records:
        if record["question"] == QUESTION and record["slice"] is None:
            of = record["scorer"] or _states(record["params"])
            found.setdefault((record["metric"], of), {})[record["ood_task"]] = record
    return {key: by for metric in (MMD, MISMATCH, MISTAKEN) for key, by in found.items() if key[0] == metric}


def _states(params: Mapping[str, Any]) -> str:
    """Whose states, of which layers, read where."""
    layers, layer, position = (params.get(name) for name in ("layers", "layer", "position"))
    where = f"layers {layers[0]} to {layers[-1]}" if layers else "" if layer is None else f"layer {layer}"
    return ", ".join(part for part in (str(params.get("states")), where, position) if part)


def _summary(tasks: Sequence[Record], measures: Mapping[tuple[str, str], By]) -> Iterator[Sentence]:
    """Of the first states and the first scorer that there are: a sentence a population, then what it means."""
    first = {metric: (of, by) for (metric, of), by in reversed(list(measures.items()))}
    for task in tasks:
        distance, mismatch = (
            first.get(metric, ("", {}))[1].get(ood_name(task)) for metric in (MMD, MISMATCH)
        )
        if distance is not None:
            yield Sentence.of(
                Name(task["name"]), f" ({kind_of(task)}) {_differs(distance)}{_apart(mismatch)}."
            )
    if MISTAKEN in first:
        yield from _taken(tasks, *first[MISTAKEN])
    yield MEANING


def _differs(record: Record) -> str:
    if record["value"] is None:
        return f"can't be compared with ID as a whole: {record['reason']}"
    p_value = record["params"]["p_value"]
    unlike, alike = "is unlike ID in its states", "can't be told from ID by the states of these rows"
    return f"{unlike if p_value <= SURE else alike}: MMD² {number(record['value'])}, p = {number(p_value)}"


def _apart(record: Record | None) -> str:
    if record is None or record["value"] is None:
        return ""
    noise = record["params"]["between_halves_of_id"]
    side = "more" if record["value"] > noise else "no more"
    return (
        f"; its activations are {number(record['value'])} from those of ID, {side} than two halves of ID are from each "
        f"other ({number(noise)})"
    )


def _taken(tasks: Sequence[Record], scorer: str, by: By) -> Iterator[Sentence]:
    told: list[str | Name] = []
    for task in tasks:
        record = by.get(ood_name(task))
        if record is not None and record["value"] is not None:
            share = f" ({kind_of(task)}) {percent(record['value'])}{UNIT}"
            told += [", " if told else "", Name(task["name"]), share]
    if told:
        yield Sentence.of(
            "Going by how sure the model is (",
            Name(scorer),
            "), these shares would be taken for rows of train: ",
            *told,
            ".",
        )
        return
    reason = next(record["reason"] for record in by.values())
    yield Sentence.of("What ", Name(scorer), f" would take for rows of train can't be told: {reason}.")


def _cell(found: By, name: str | None) -> Cell | None:
    record = found.get(name)
    if record is None:
        return _halves(found) if name is None else None
    if record["value"] is None:
        return Cell(None, reason=record["reason"], unscored=record["n_unscored"])
    value, params, unscored = record["value"], record["params"], record["n_unscored"]
    if record["metric"] == MMD:
        mark = "unlike" if params["p_value"] <= SURE else "alike"
        return Cell(number(value), f"p = {number(params['p_value'])}", None, mark, unscored)
    if record["metric"] == MISMATCH:
        mark = "alike" if value <= params["between_halves_of_id"] else ""
        return Cell(number(value), None, None, mark, unscored)
    sure = params["mean_confidence"]
    beside = None if sure is None else f"{number(sure)} sure"
    return Cell(f"{percent(value)}{UNIT}", beside, None, "", unscored)


def _halves(found: By) -> Cell | None:
    """Of ID, what its own two halves differ by: the same beside every population."""
    noise = (record["params"].get("between_halves_of_id") for record in found.values())
    known = next((value for value in noise if value is not None), None)
    return None if known is None else Cell(number(known), "between its halves")
