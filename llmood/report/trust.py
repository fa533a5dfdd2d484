"""Above which confidence the model can be trusted: read off on ID test, and looked up on each shift."""

from __future__ import annotations

from dataclasses import dataclass

from llmood.metrics import UndefinedMetric
from llmood.metrics.exact import clopper_pearson
from llmood.metrics.trust import Trust, trust_above
from llmood.report.calibration_records import CalibrationRecords, ood_name
from llmood.report.cells import Cell
from llmood.report.curves import Curve, Curves, named
from llmood.report.tables import Column, column_of
from llmood.report.text import count, number, percent

LEVEL = 0.95


@dataclass(frozen=True)
class TrustRow:
    """What was asked for, from which confidence on it holds, and what is right there; `why` where nothing holds."""

    asked: str
    threshold: str
    why: str | None
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class TrustTable:
    """One confidence of a scorer; a column a population."""

    scorer: str
    confidence: str
    columns: tuple[Column, ...]
    rows: tuple[TrustRow, ...]


def trust_table(found: CalibrationRecords, read: Curves, scorer: str) -> TrustTable | None:
    """Of the first calibrator that could be fitted, else of the scorer's own word; None where no ID answer has any."""
    made = [found.chosen(scorer), None]
    calibrator = next((one for one in made if (scorer, one) in read.kept), "")
    tasks = found.tasks
    if calibrator == "" or not tasks or ood_name(tasks[0]) is not None:
        return None
    curves = [read.curve(scorer, calibrator, task["name"]) for task in tasks]
    try:
        looked = trust_above(curves[0].confidence, curves[0].correct, level=LEVEL, groups=curves[0].groups)
    except UndefinedMetric:
        return None
    rows = tuple(_row(one, curves) for one in looked)
    columns = tuple(column_of(found.run, task) for task in tasks)
    return TrustTable(scorer, named(calibrator), columns, rows)


def _row(trust: Trust, curves: list[Curve]) -> TrustRow:
    asked = f"{percent(trust.asked)}\u00a0%"
    if trust.threshold is None:
        return TrustRow(asked, "–", trust.reason, ())
    own = _told(trust.accuracy, trust.ci_low, trust.ci_high, trust.n, trust.share)
    others = (_above(curve, trust.threshold) for curve in curves[1:])
    return TrustRow(asked, number(trust.threshold), None, (own, *others))


def _above(curve: Curve, threshold: float) -> Cell:
    """How many are right above a threshold that other answers chose: one look, one plain interval."""
    above = curve.confidence >= threshold
    n = int(above.sum())
    if n == 0:
        return Cell(None, reason="no answer is so sure")
    accuracy = float(curve.correct[above].mean())
    units = float(len({group for group, held in zip(curve.groups, above, strict=True) if held}))
    low, high = clopper_pearson(accuracy * units, units, LEVEL)
    return _told(accuracy, float(low), float(high), n, n / len(above))


def _told(
    accuracy: float | None, low: float | None, high: float | None, n: int | None, share: float | None
) -> Cell:
    if accuracy is None or low is None or high is None or n is None or share is None:
        return Cell(None, reason="no answer is so sure")
    return Cell(
        f"{percent(accuracy)}\u00a0%",
        f"{percent(low)}–{percent(high)}",
        f"{count(n)} answer{'s' if n != 1 else ''}, {percent(share)}\u00a0%",
    )
