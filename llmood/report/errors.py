"""The part of the report about wrong answers: a table a population, and what is lost from ID to near to far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from llmood.displays import ErrorsByShift
from llmood.displays.auroc_intervals import side_of_chance
from llmood.questions.error_loss import LOSS
from llmood.questions.error_quality import PRR, SPEARMAN
from llmood.questions.errors import ACCURACY, QUESTION, judged_by
from llmood.questions.ood_detection import BEHIND_BEST, HEADLINE
from llmood.questions.yes_no import F1_YES, YES_RATE
from llmood.report.cells import Cell, loss_mark, record_cell
from llmood.report.figures import Picture
from llmood.report.read import Record, RunFiles
from llmood.report.svg import inline_svg
from llmood.report.tables import Row, Table, column_of, groups_of
from llmood.report.text import count, metric_name, number, percent, shown
from llmood.scorers.baselines import BASELINES

METRICS = (
    *(
        HEADLINE,
        "prr",
        "aupr_wrong",
        "aurc",
        "eaurc",
        "accuracy_at_80pct_coverage",
        "accuracy_at_90pct_coverage",
    ),
    *(PRR, SPEARMAN),
)


@dataclass(frozen=True)
class Errors:
    """The judged answers of one population.

    Attributes:
        accuracy: the share of right answers, or None where nothing could be judged.
        facts: sentences: by which rule, how many, what is missing and why.
        columns: the metrics, each (id, name, which way is better).
    """

    task: str
    shift: str
    severity: int | None
    accuracy: str | None
    interval: str | None
    facts: tuple[str, ...]
    columns: tuple[tuple[str, str, str], ...]
    rows: tuple[Row, ...]
    baselines: tuple[Row, ...]


@dataclass(frozen=True)
class ErrorsPart:
    """All of it; `losses` has AUROC on ID minus AUROC on each OOD set."""

    populations: list[Errors]
    pictures: list[Picture]
    losses: Table


def errors_part(run: RunFiles, prefix: str) -> ErrorsPart | None:
    """None where no answer was judged. Grades of a shift are left out; they stand in metrics.json."""
    if not any(record["question"] == QUESTION for record in run.records) or run.id_task is None:
        return None
    tasks = [run.id_task, *run.single_ood_tasks]
    populations = [found for found in (_errors(run, task) for task in tasks) if found is not None]
    drawn = ErrorsByShift(run.records, [(each.task, each.shift) for each in populations], scorers=run.scorers)
    caption = (
        "Lines at the dots are intervals; what a line falls by from the left is what the scorer loses there."
    )
    pictures = [Picture(inline_svg(drawn, f"{prefix}-e"), caption)]
    return ErrorsPart(populations, pictures, _losses(run))


def _errors(run: RunFiles, task: Record) -> Errors | None:
    ood_task = None if task["population"] == "id" else task["name"]
    accuracy = run.find_error(ACCURACY, None, ood_task)
    if accuracy is None:
        return None
    judged = accuracy["value"] is not None
    metrics = [
        metric for metric in METRICS if any(run.find_error(metric, name, ood_task) for name in run.scores)
    ]
    return Errors(
        task["name"],
        task["shift"],
        task["severity"],
        f"{percent(accuracy['value'])}\u00a0%" if judged else None,
        f"{percent(accuracy['ci_low'])}–{percent(accuracy['ci_high'])}"
        if accuracy["ci_low"] is not None
        else None,
        (*_facts(accuracy), *_yes_facts(run, ood_task)),
        tuple(_heads(run, metrics, ood_task)),
        _rows(run, metrics, ood_task, run.scorers),
        _rows(run, metrics, ood_task, [name for name in run.scores if name in BASELINES]),
    )


def _facts(accuracy: Record) -> list[str]:
    found = []
    if accuracy["value"] is not None:
        found.append(
            f"{count(accuracy['n_negative'])} of {count(accuracy['n'])} right "
            f"{judged_by(accuracy['correctness'])}"
        )
    for reason, many in accuracy["params"].get("not_judged", {}).items():
        found.append(f"{count(many)} not judged: {reason}")
    cut_off = accuracy["params"].get("cut_off")
    if cut_off:
        found.append(f"{count(cut_off)} were cut off at the length limit and are judged as they stand")
    return found


def _yes_facts(run: RunFiles, ood_task: str | None) -> list[str]:
    """How often a model says yes, where answers are yes or no."""
    rate, f1 = (run.find_error(metric, None, ood_task) for metric in (YES_RATE, F1_YES))
    if rate is None or rate["value"] is None:
        return []
    found = [
        f"{percent(rate['value'])}\u00a0% say yes, where {percent(rate['params']['wanted_yes'])}\u00a0% should"
    ]
    if f1 is not None and f1["value"] is not None:
        found.append(f"F1 of yes {number(f1['value'])}")
    if rate["params"]["neither"]:
        found.append(f"{count(rate['params']['neither'])} say neither yes nor no, or both")
    return found


def _heads(run: RunFiles, metrics: Sequence[str], ood_task: str | None) -> list[tuple[str, str, str]]:
    heads = []
    for metric in metrics:
        record = next(found for name in run.scores if (found := run.find_error(metric, name, ood_task)))
        heads.append((metric, metric_name(metric), "higher" if record["higher_is_better"] else "lower"))
    return heads


def _rows(
    run: RunFiles, metrics: Sequence[str], ood_task: str | None, scorers: Sequence[str]
) -> tuple[Row, ...]:
    return tuple(
        Row(name, tuple(_cell(run, run.find_error(metric, name, ood_task), ood_task) for metric in metrics))
        for name in scorers
    )


def _cell(run: RunFiles, record: Record | None, ood_task: str | None) -> Cell | None:
    if record is None:
        return None
    return record_cell(
        record,
        partial(shown, record["metric"]),
        mark=lambda found: _mark(run, found, ood_task),
        unscored=None if record["metric"] == HEADLINE else 0,
    )


def _mark(run: RunFiles, record: Record, ood_task: str | None) -> str:
    if record["metric"] != HEADLINE or record["scorer"] in BASELINES:
        return ""
    side = side_of_chance(record)
    if side == "chance":
        return "chance"
    if side == "below":
        return "inverted"
    behind = run.find_error(BEHIND_BEST, record["scorer"], ood_task)
    params = behind["params"] if behind else {}
    if params.get("best") == record["scorer"]:
        return "best"
    return "tie" if params.get("ties_with_best") else ""


def _losses(run: RunFiles) -> Table:
    """From ID to each set, and behind those from each near set to each far one."""
    records = {
        (record["scorer"], record["ood_task"], record["slice"]): record
        for record in run.records
        if record["question"] == QUESTION and record["metric"] == HEADLINE + LOSS
    }
    tasks = {task["name"]: column_of(run, task) for task in run.single_ood_tasks}
    places = dict.fromkeys((task, part) for _, task, part in records if task in tasks)
    order = [(task, part) for task in tasks for name, part in places if name == task]
    columns = tuple(
        tasks[task] if part is None else replace(tasks[task], task=f"{task}, {part}") for task, part in order
    )

    def rows(names: Sequence[str]) -> tuple[Row, ...]:
        return tuple(
            Row(
                name,
                tuple(
                    record_cell(records.get((name, *place)), mark=loss_mark, unscored=0) for place in order
                ),
            )
            for name in names
        )

    baselines = [name for name in run.scores if name in BASELINES]
    return Table(HEADLINE + LOSS, columns, groups_of(columns), rows(run.scorers), rows(baselines))
