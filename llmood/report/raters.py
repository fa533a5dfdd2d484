"""The part of the report about raters: is the model unsure where people disagree?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from llmood.config import BootstrapConfig
from llmood.displays import DisagreementCurve
from llmood.lineage import group_keys
from llmood.measures.votes import majority_share
from llmood.questions.rater_disagreement import CORRELATION, QUESTION, SPLIT, disagreement_seed
from llmood.report.calibration_records import kind_of, ood_name
from llmood.report.cells import Cell, record_cell
from llmood.report.figures import Picture
from llmood.report.read import Record, RunFiles
from llmood.report.sentences import Name, Sentence
from llmood.report.svg import inline_svg
from llmood.report.tables import Column, column_of
from llmood.report.text import count, interval, number

SHOWN = 4  # scorers of a figure


@dataclass(frozen=True)
class RaterRow:
    """One scorer: of each population its correlation and its AUROC."""

    scorer: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class RatersPart:
    """All of it."""

    summary: list[Sentence]
    columns: tuple[Column, ...]
    rows: tuple[RaterRow, ...]
    pictures: tuple[Picture, ...]


def raters_part(run: RunFiles, prefix: str) -> RatersPart | None:
    """None where no row has votes. Grades of a shift are left out; they stand in metrics.json."""
    index = {
        (record["metric"], record["scorer"], record["ood_task"]): record
        for record in run.records
        if record["question"] == QUESTION
    }
    if not index or run.id_task is None:
        return None
    rated = {task for _, _, task in index}
    tasks = [task for task in (run.id_task, *run.single_ood_tasks) if ood_name(task) in rated]
    scorers = [name for name in run.scores if any(scorer == name for _, scorer, _ in index)]
    rows = tuple(
        RaterRow(
            name,
            tuple(
                record_cell(index.get((metric, name, ood_name(task))))
                for task in tasks
                for metric in (CORRELATION, SPLIT)
            ),
        )
        for name in scorers
    )
    pictures = tuple(
        Picture(
            inline_svg(_curve(run, task), f"{prefix}-v{place}"), "Lines are intervals.", title=task["name"]
        )
        for place, task in enumerate(tasks)
    )
    columns = tuple(column_of(run, task) for task in tasks)
    return RatersPart(list(_summary(run, tasks, index)), columns, rows, pictures)


def _summary(
    run: RunFiles, tasks: list[Record], index: Mapping[tuple[str, str | None, str | None], Record]
) -> Iterator[Sentence]:
    for task in tasks:
        own = {name: index.get((SPLIT, name, ood_name(task))) for name in run.scorers}
        known = {name: record for name, record in own.items() if record is not None}
        if not known:
            continue
        first = next(iter(known.values()))
        shares = f"{count(first['n_positive'])} of {count(first['n'])} samples"
        named = (Name(task["name"]), f" ({kind_of(task)}): raters are split over {shares}")
        above = [
            name for name, record in known.items() if record["ci_low"] is not None and record["ci_low"] > 0.5
        ]
        if above:
            best = max(above, key=lambda name: known[name]["value"])
            record = known[best]
            yield Sentence.of(
                *named,
                "; ",
                Name(best),
                f" is higher there, AUROC {number(record['value'])} ({interval(record)}).",
            )
        elif all(record["value"] is None for record in known.values()):
            yield Sentence.of(*named, f"; what a score makes of that can't be told: {first['reason']}.")
        else:
            yield Sentence.of(*named, "; no score is measurably higher there.")


def _curve(run: RunFiles, task: Record) -> DisagreementCurve:
    rows = run.rows(task["name"])
    if run.samples is None:
        return DisagreementCurve({}, np.empty(0), [], task=task["name"])
    votes = run.samples["votes"].to_pylist()
    groups = group_keys(run.samples)
    kept = [row for row in rows.tolist() if sum(votes[row] or ()) > 1]
    # As those of the records beside it.
    settings = BootstrapConfig.model_validate(run.config.get("bootstrap") or {})
    return DisagreementCurve(
        {name: run.scores[name][kept] for name in run.scorers[:SHOWN]},
        majority_share([votes[row] for row in kept]),
        [groups[row] for row in kept],
        task=task["name"],
        draws=settings.draws,
        level=settings.level,
        seed=disagreement_seed(run.config.get("seed", 0), task["name"]),
    )
