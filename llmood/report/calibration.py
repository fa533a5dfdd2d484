"""The part of the report about confidences and thresholds: what they say, what they are worth on each shift."""

from __future__ import annotations

from dataclasses import dataclass

from llmood.displays import ReliabilityDiagram, RiskCoverage
from llmood.displays.base import Display
from llmood.report.calibration_records import CalibrationRecords, kind_of
from llmood.report.calibration_summary import summary
from llmood.report.calibration_tables import (
    HEADS,
    PopulationRows,
    PromiseTable,
    confidence_rows,
    metrics_of,
    promise_tables,
)
from llmood.report.curves import Curves, named, read_curves
from llmood.report.figures import Picture
from llmood.report.read import RunFiles
from llmood.report.sentences import Sentence
from llmood.report.svg import inline_svg
from llmood.report.text import count, number
from llmood.report.trust import TrustTable, trust_table

DRAWN = 4  # scorers with figures, the first and those in the closed part
RISK_ROWS = 5  # of a curve's data, each at a fifth of coverage


@dataclass(frozen=True)
class FigureData:
    """What a figure draws, as a table."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class ScorerCalibration:
    """One scorer's confidences: figures, their data, the table, and above which confidence to trust."""

    scorer: str
    pictures: list[Picture]
    risk: list[Picture]
    data: list[FigureData]
    populations: list[PopulationRows]
    trust: TrustTable | None


@dataclass(frozen=True)
class CalibrationPart:
    """All of it.

    Attributes:
        calibrators: what confidences are made by, but for a score's own word.
        heads: the metrics of the tables, each its name and how to read it.
        first: the first scorer's confidences; None where no answer was judged.
        others: the other scorers'.
    """

    summary: list[Sentence]
    calibrators: list[str]
    heads: list[tuple[str, str]]
    first: ScorerCalibration | None
    others: list[ScorerCalibration]
    promises: list[PromiseTable]


def calibration_part(run: RunFiles, prefix: str) -> CalibrationPart | None:
    """None where nothing was calibrated. Grades of a shift are left out; they stand in metrics.json.

    Raises:
        StoreError: a file of the run is damaged.
    """
    found = CalibrationRecords.of(run)
    if (not found.confidence and not found.promise) or run.id_task is None:
        return None
    made = read_curves(run)
    scorers = [
        _scorer(found, made if place < DRAWN else None, name, f"{prefix}-p{place}")
        for place, name in enumerate(found.scorers)
    ]
    return CalibrationPart(
        summary(found),
        found.learned,
        [HEADS[metric] for metric in metrics_of(found)],
        scorers[0] if scorers else None,
        scorers[1:],
        promise_tables(found),
    )


def _scorer(found: CalibrationRecords, made: Curves | None, scorer: str, prefix: str) -> ScorerCalibration:
    rows = confidence_rows(found, scorer)
    if made is None or not made.of(scorer):
        return ScorerCalibration(scorer, [], [], [], rows, None)
    pictures, data = [], []
    for place, task in enumerate(found.tasks):
        drawn = _reliability(found, made, scorer, task["name"])
        if drawn.curves:
            title = f"{task['name']} ({kind_of(task)})"
            pictures.append(Picture(inline_svg(drawn, f"{prefix}-r{place}"), title=title))
            data.append(_reliability_data(drawn))
    answers = {task["name"]: made.answers(scorer, task["name"])[1:] for task in found.tasks}
    risk = RiskCoverage(answers, scorer=scorer)
    data.append(_risk_data(risk))
    caption = "Down is better; at the right end every question is answered."
    return ScorerCalibration(
        scorer, pictures, _picture(risk, f"{prefix}-k", caption), data, rows, trust_table(found, made, scorer)
    )


def _reliability(found: CalibrationRecords, made: Curves, scorer: str, task: str) -> ReliabilityDiagram:
    """The scorer's own word and the first calibrator: what more there is stands in the table."""
    shown = [one for one in (None, found.chosen(scorer)) if (scorer, one) in made.kept]
    curves = {named(one): made.curve(scorer, one, task)[:2] for one in dict.fromkeys(shown)}
    return ReliabilityDiagram(curves, task=task)


def _picture(display: Display, prefix: str, caption: str) -> list[Picture]:
    return [Picture(inline_svg(display, prefix), caption)]


def _reliability_data(drawn: ReliabilityDiagram) -> FigureData:
    rows = tuple(
        (
            str(row.confidence),
            f"{row.low:.1f}–{row.high:.1f}",
            count(int(row.n)),
            number(row.mean_confidence),
            number(row.accuracy),
            f"{number(row.ci_low)}–{number(row.ci_high)}",
        )
        for row in drawn.frame().itertuples(index=False)
    )
    heads = ("Confidence", "Bin", "n", "Mean confidence", "Right", "Interval")
    return FigureData(drawn.task, heads, rows)


def _risk_data(drawn: RiskCoverage) -> FigureData:
    frame = drawn.frame()
    rows = []
    for name, own in frame.groupby("population", sort=False):
        for step in range(1, RISK_ROWS + 1):
            row = own.iloc[int((own["coverage"] - step / RISK_ROWS).abs().argmin())]
            rows.append((str(name), number(row["coverage"], 2), count(int(row["n"])), number(row["risk"])))
    return FigureData("Risk by coverage", ("Population", "Coverage", "Answers", "Wrong"), tuple(rows))
