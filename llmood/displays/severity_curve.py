"""AUROC of scorers as a shift grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llmood.displays.style import DASHES, LINES, MUTED, label, legend_or_undefined, new_figure, styled
from llmood.questions.ood_detection import QUESTION

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

COLUMNS = ("scorer", "grade", "ood_task", "auroc", "ci_low", "ci_high")


class SeverityCurve:
    """A line a scorer: its AUROC at each grade of one shift, with a band over the interval.

    Args:
        records: records of `metrics.json`.
        grades: the family's populations by grade.
        family: what they are called together.
        scorers: which to draw; those beyond the sixth are in `frame()` alone.
    """

    def __init__(
        self,
        records: Sequence[Mapping[str, Any]],
        grades: Mapping[str, int],
        *,
        family: str,
        scorers: Sequence[str],
    ) -> None:
        self.grades = grades
        self.family = family
        self.scorers = scorers
        self.auroc = {
            (record["scorer"], record["ood_task"]): record
            for record in records
            if record["question"] == QUESTION
            and record["metric"] == "auroc"
            and record["slice"] is None
            and record["ood_task"] in grades
        }

    def frame(self) -> pd.DataFrame:
        """One row a scorer and grade, by grade; NaN where a value is undefined."""
        import pandas as pd

        rows = []
        for scorer in self.scorers:
            for task, grade in sorted(self.grades.items(), key=lambda pair: pair[1]):
                record = self.auroc.get((scorer, task))
                if record is not None:
                    values = (record["value"], record["ci_low"], record["ci_high"])
                    rows.append((scorer, grade, task, *values))
        frame = pd.DataFrame(rows, columns=list(COLUMNS))
        return frame.astype({"grade": int, "auroc": float, "ci_low": float, "ci_high": float})

    def plot(self) -> Figure:
        frame = self.frame()
        drawn = list(dict.fromkeys(frame["scorer"]))[: len(LINES)]
        with styled():
            figure, axes = new_figure(4.6, 3.1)
            axes.axhline(0.5, color=MUTED, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
            for position, scorer in enumerate(drawn):
                own = frame[frame["scorer"] == scorer]
                style: dict[str, Any] = {"color": LINES[position], "linestyle": DASHES[position]}
                axes.plot(
                    own["grade"], own["auroc"], marker="o", markersize=4, **style, label=label(scorer, 28)
                )
                axes.fill_between(
                    own["grade"],
                    own["ci_low"],
                    own["ci_high"],
                    color=LINES[position],
                    alpha=0.15,
                    linewidth=0,
                )
            axes.set_xticks(sorted(set(self.grades.values())))
            axes.grid(False, axis="x")
            axes.set_xlabel("severity")
            axes.set_ylabel("AUROC against ID (0.5 = chance)")
            legend_or_undefined(figure, axes, defined=bool(frame["auroc"].notna().any()))
        return figure

    def describe(self) -> str:
        frame = self.frame().dropna(subset=["auroc"])
        shown = "; ".join(
            f"{scorer} " + ", ".join(f"{row.auroc:.3f} at {row.grade}" for row in own.itertuples(index=False))
            for scorer, own in frame.groupby("scorer", sort=False)
        )
        return f"AUROC by severity of {self.family}: {shown or 'undefined for every scorer'}."
