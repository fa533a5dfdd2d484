"""The tables of calibration: each confidence on each population, and each threshold on each population."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llmood.questions.promise import (
    ERROR_AMONG_ANSWERED,
    FALSE_ALARMS,
    FLAGGED,
    PAC,
    WRONG_ANSWERED,
)
from llmood.report.calibration_records import CalibrationRecords, ood_name
from llmood.report.cells import NO_REASON, Cell
from llmood.report.curves import named
from llmood.report.read import Record
from llmood.report.tables import Column, column_of
from llmood.report.text import count, interval, number, percent, score

ECE = "ece_width_15"
METRICS = ("brier", "log_loss", ECE, "calibration_slope", "mean_confidence_gap")
HEADS = {
    "brier": ("Brier score", "lower is better"),
    "log_loss": ("Log loss", "lower is better"),
    ECE: ("ECE, debiased", "15 bins; lower is better"),
    "calibration_slope": ("Slope", "1 is ideal; less is too extreme"),
    "mean_confidence_gap": ("Mean gap", "above 0 is too sure"),
}
# On ID, on the others, what is asked.
TARGETS = (
    (FALSE_ALARMS, FLAGGED, "Flagged, on average over calibration sets"),
    (FALSE_ALARMS + PAC, FLAGGED + PAC, "Flagged, for most calibration sets"),
    (WRONG_ANSWERED, WRONG_ANSWERED, "Answered, and wrong"),
    (ERROR_AMONG_ANSWERED, ERROR_AMONG_ANSWERED, "Wrong among the answers that are given"),
)


@dataclass(frozen=True)
class ConfidenceRow:
    """One confidence on one population; cells in the order of the metrics, or why there is none at all."""

    name: str
    cells: tuple[Cell | None, ...]

    @property
    def why(self) -> str | None:
        """The one reason, where every metric is undefined for it."""
        reasons = {None if cell is None or cell.text is not None else cell.reason for cell in self.cells}
        return next(iter(reasons)) if len(reasons) == 1 else None


@dataclass(frozen=True)
class PopulationRows:
    """The confidences of a scorer on one population."""

    column: Column
    n: str
    unscored: int
    rows: tuple[ConfidenceRow, ...]


@dataclass(frozen=True)
class PromiseRow:
    """One threshold of a scorer: where it is, and what it does on each population."""

    scorer: str
    threshold: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class PromiseTable:
    """The thresholds of one target. `promise` are the guarantee's words."""

    title: str
    promise: str
    columns: tuple[Column, ...]
    rows: tuple[PromiseRow, ...]


def metrics_of(found: CalibrationRecords) -> list[str]:
    """Those of the table that the run has: one of an older llmood may lack some."""
    known = {metric for metric, _, _, _ in found.confidence}
    return [metric for metric in METRICS if metric in known]


def confidence_rows(found: CalibrationRecords, scorer: str) -> list[PopulationRows]:
    """Before and after calibration, ID first."""
    shown = []
    for task in found.tasks:
        at = ood_name(task)
        made = [one for one in found.calibrators(scorer) if (METRICS[0], scorer, one, at) in found.confidence]
        rows = tuple(
            ConfidenceRow(
                named(one),
                tuple(_cell(found.confidence.get((m, scorer, one, at))) for m in metrics_of(found)),
            )
            for one in made
        )
        if rows:
            first = found.confidence[METRICS[0], scorer, made[0], at]
            shown.append(
                PopulationRows(column_of(found.run, task), count(first["n"]), first["n_unscored"], rows)
            )
    return shown


def promise_tables(found: CalibrationRecords) -> list[PromiseTable]:
    """One a target that thresholds were made for."""
    tables = []
    for on_id, elsewhere, title in TARGETS:
        rows, words = [], ""
        for scorer in found.guards:
            records = [
                found.promise.get((on_id if ood_name(task) is None else elsewhere, scorer, ood_name(task)))
                for task in found.tasks
            ]
            if any(records):
                params: dict[str, Any] = next(record["params"] for record in records if record)
                words = words or params.get("promise") or ""
                rows.append(
                    PromiseRow(scorer, _threshold(params), tuple(_promise_cell(record) for record in records))
                )
        if rows:
            columns = tuple(column_of(found.run, task) for task in found.tasks)
            tables.append(PromiseTable(title, words, columns, tuple(rows)))
    return tables


def _cell(record: Record | None) -> Cell | None:
    if record is None:
        return None
    if record["value"] is None:
        return Cell(None, reason=record["reason"] or NO_REASON)
    if record["metric"] == ECE:
        return _ece(record)
    reason = None if record["ci_low"] is not None else record["reason"]
    return Cell(number(record["value"]), interval(record), reason, _side(record))


def _ece(record: Record) -> Cell:
    """The debiased value over what perfect calibration would give by chance."""
    params = record["params"]
    found = params.get("debiased")
    if found is None:
        return Cell(number(record["value"]))
    low, high = number(params["band_low"]), number(params["band_high"])
    mark = "miscalibrated" if record["value"] > params["band_high"] else ""
    return Cell(number(found), f"{number(record['value'])} raw, {low}–{high} by chance", None, mark)


def _side(record: Record) -> str:
    if record["metric"] != "mean_confidence_gap" or record["ci_low"] is None:
        return ""
    return "too_sure" if record["ci_low"] > 0 else "too_timid" if record["ci_high"] < 0 else ""


def _promise_cell(record: Record | None) -> Cell | None:
    if record is None:
        return None
    if record["value"] is None:
        return Cell(None, reason=record["reason"] or NO_REASON, unscored=record["n_unscored"])
    params = record["params"]
    value = f"{percent(record['value'])}\u00a0%"
    low, high = (params.get(name) for name in ("expected_low", "expected_high"))
    if low is not None and high is not None:
        mark = "missed" if record["value"] > high else "below" if record["value"] < low else "kept"
        level = percent(params["expected_level"])
        said = f"{percent(low)}–{percent(high)} in {level}\u00a0% of cases"
        return Cell(value, said, None, mark, record["n_unscored"])
    between = None
    if record["ci_low"] is not None:
        between = f"{percent(record['ci_low'])}–{percent(record['ci_high'])}"
    return Cell(value, between, None if between else record["reason"], "", record["n_unscored"])


def _threshold(params: Record) -> str:
    value = params.get("threshold")
    return "–" if value is None else str(value) if isinstance(value, str) else score(value)
