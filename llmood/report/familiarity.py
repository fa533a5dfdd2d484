"""The part of the report about OOD text that the base model knows: AUROC in thirds of each set, and the gap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llmood.displays import FamiliarityCurve
from llmood.questions.familiarity import GAP, QUESTION, SLICES
from llmood.report.cells import Cell, record_cell
from llmood.report.figures import Picture, best_scorer
from llmood.report.read import Record, RunFiles
from llmood.report.svg import inline_svg
from llmood.report.tables import checks_about
from llmood.report.text import count

SHOWN = 4  # scorers; the others stand in metrics.json
LEFT_OUT = (
    "Left out: this takes the base model’s log-probabilities of the prompts, and this run’s numbers were made without. "
    "They are there wherever a likelihood ratio, or likelihood.base.mean, is among the scorers."
)


@dataclass(frozen=True)
class SliceRow:
    """One slice of an OOD set, or the gap: what it is, how many samples, and a cell a scorer."""

    name: str
    samples: str
    span: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class SetRows:
    """One OOD set's rows, and what of its samples is in no slice."""

    task: str
    shift: str
    severity: int | None
    checks: tuple[int, ...]
    not_sliced: tuple[str, ...]
    rows: tuple[SliceRow, ...]


@dataclass(frozen=True)
class FamiliarityPart:
    """All of it; where it is left out, `left_out` says why and the rest is empty."""

    scorers: tuple[str, ...]
    sets: tuple[SetRows, ...]
    pictures: tuple[Picture, ...]
    others: int
    left_out: str = ""


def familiarity_part(run: RunFiles, prefix: str) -> FamiliarityPart | None:
    """None where there is no OOD set or no metric. Grades of a shift are left out; they stand in metrics.json."""
    tasks = run.single_ood_tasks
    if not run.records or not tasks or not run.scorers:
        return None
    own = [record for record in run.records if record["question"] == QUESTION]
    if not own:
        return FamiliarityPart((), (), (), 0, LEFT_OUT)
    chosen = _chosen(run)
    index = {(record["ood_task"], record["scorer"], record["slice"]): record for record in own}
    sets = tuple(_rows(run, task, chosen, index) for task in tasks)
    pictures = []
    for position, task in enumerate(tasks):
        drawn = FamiliarityCurve(own, ood_task=task["name"], scorers=chosen)
        pictures.append(Picture(inline_svg(drawn, f"{prefix}-k{position}"), title=task["name"]))
    others = len({record["scorer"] for record in own} - set(chosen))
    return FamiliarityPart(chosen, sets, tuple(pictures), others)


def _chosen(run: RunFiles) -> tuple[str, ...]:
    """The first scorer asked for, the best on each set, then the others as they were asked for."""
    best = [best_scorer(run, task["name"]) for task in run.single_ood_tasks]
    return tuple(dict.fromkeys([run.scorers[0], *best, *run.scorers]))[:SHOWN]


def _rows(
    run: RunFiles,
    task: Record,
    scorers: tuple[str, ...],
    index: Mapping[tuple[str, str, str | None], Record],
) -> SetRows:
    name = task["name"]
    rows, not_sliced = [], {}
    for part in (*SLICES, None):
        found = [index.get((name, scorer, part)) for scorer in scorers]
        first = next((record for record in found if record is not None), None)
        if first is None:
            continue
        not_sliced = first["params"]["not_sliced"]
        cells = tuple(_cell(record) for record in found)
        if part is None:
            rows.append(SliceRow("unfamiliar − familiar", "", "", cells))
        else:
            # Of a scorer that left samples out its cell says so: the slice is the same for all.
            most = max(record["n_positive"] for record in found if record is not None)
            rows.append(SliceRow(part, count(most), _span(first), cells))
    whys = tuple(f"{count(many)} in no slice: {reason}" for reason, many in not_sliced.items())
    return SetRows(name, task["shift"], task["severity"], checks_about(run, name), whys, tuple(rows))


def _span(record: Record) -> str:
    ends = [record["params"][end] for end in ("from", "to")]
    return "–" if ends == [None, None] else " to ".join("∞" if end is None else f"{end:.2f}" for end in ends)


def _cell(record: Record | None) -> Cell | None:
    defined_gap = record is not None and record["metric"] == GAP and record["value"] is not None
    return record_cell(record, mark=_mark, unscored=0 if defined_gap else None)


def _mark(record: Record) -> str:
    """Of a gap, which slice is clearly harder."""
    if record["metric"] != GAP or record["ci_low"] is None:
        return ""
    if record["ci_low"] > 0:
        return "hard_familiar"
    return "hard_unfamiliar" if record["ci_high"] < 0 else ""
