"""Calibration on a model card: the plain words, and the tables of the first scorer's confidences and of thresholds."""

from __future__ import annotations

from collections.abc import Iterator

from llmood.markdown import code, plain, table
from llmood.report.calibration_records import CalibrationRecords
from llmood.report.calibration_summary import summary
from llmood.report.calibration_tables import (
    HEADS,
    PromiseTable,
    confidence_rows,
    metrics_of,
    promise_tables,
)
from llmood.report.card_cells import marked, population_head
from llmood.report.read import RunFiles


def calibration_words(run: RunFiles) -> Iterator[str]:
    """Nothing where nothing was calibrated. Every number is a record of `metrics.json`."""
    found = CalibrationRecords.of(run)
    if (not found.confidence and not found.promise) or run.id_task is None:
        return
    yield "## Calibration"
    yield "\n".join(f"- {sentence.markdown}" for sentence in summary(found))
    if found.scorers:
        yield _confidences(found, found.scorers[0])
    for promised in promise_tables(found):
        yield _promise(promised)


def _confidences(found: CalibrationRecords, scorer: str) -> str:
    heads = [f"{HEADS[metric][0]} ({HEADS[metric][1]})" for metric in metrics_of(found)]
    rows = [
        [f"{population_head(own.column)}, n = {own.n}, {code(row.name)}", *(marked(one) for one in row.cells)]
        for own in confidence_rows(found, scorer)
        for row in own.rows
    ]
    words = (
        f"Confidences of {code(scorer)}, before (`uncalibrated`, where the scorer has a probability of its own) and "
        "after calibration on ID rows that are not measured. Of ECE: the debiased value, then the raw one and the band "
        "that perfect calibration gives by chance."
    )
    return f"{words}\n\n{table(['Population, confidence', *heads], rows, numbers=True)}"


def _promise(promised: PromiseTable) -> str:
    rows = [[code(row.scorer), row.threshold, *(marked(one) for one in row.cells)] for row in promised.rows]
    head = ["Scorer", "Threshold", *(population_head(column) for column in promised.columns)]
    words = f"{promised.title}. {plain(promised.promise)}".strip()
    return f"{words} On shifted data the promise does not hold.\n\n{table(head, rows, numbers=True)}"
