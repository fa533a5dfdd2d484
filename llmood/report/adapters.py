"""The part of the report about several adapters: how far the numbers depend on one tuning run."""

from __future__ import annotations

from llmood.questions.adapters import OVER_ADAPTERS
from llmood.questions.ood_detection import HEADLINE
from llmood.report.cells import Cell
from llmood.report.read import Record, RunFiles
from llmood.report.tables import Column, Row, Table, column_of, groups_of
from llmood.report.text import number


def adapters_table(run: RunFiles, columns: tuple[Column, ...] | None = None) -> Table | None:
    """Mean and standard deviation of the AUROC over the adapters, on every OOD set or on those of `columns`.

    None where there is one adapter.
    """
    records = {
        (record["scorer"], record["ood_task"]): record
        for record in run.records
        if record["metric"] == HEADLINE and record["slice"] == OVER_ADAPTERS
    }
    if not records:
        return None
    columns = tuple(column_of(run, task) for task in run.ood_tasks) if columns is None else columns
    rows = tuple(
        Row(name, tuple(_cell(records, name, column) for column in columns))
        for name in run.scorers
        if any(scorer == name for scorer, _ in records)
    )
    return Table(HEADLINE, columns, groups_of(columns), rows, ())


def adapter_count(run: RunFiles) -> int:
    """How many adapters the run measured."""
    return sum(role.partition(":")[0] == "tuned" for role in run.manifest.get("models") or {})


def _cell(records: dict[tuple[str, str], Record], scorer: str, column: Column) -> Cell | None:
    record = records.get((scorer, column.task))
    if record is None:
        return None
    if record["value"] is None:
        return Cell(None, reason=record["reason"])
    params = record["params"]
    shown = f"{number(record['value'])} ± {number(params['standard_deviation'])}"
    return Cell(shown, f"{number(params['smallest'])} to {number(params['largest'])}")
