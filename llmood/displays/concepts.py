"""What a few concepts keep of detectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llmood.displays.style import (
    MUTED,
    draw_scorers,
    legend_or_undefined,
    new_figure,
    styled,
)
from llmood.questions.concepts import COMPLETENESS, QUESTION, SEPARABILITY

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

NUMBERS = ("variance", "completeness", "ci_low", "ci_high", "separability")


class ConceptCurve:
    """A line a scorer: what so many concepts keep of its AUROC above chance on one OOD set, with its interval.

    Args:
        records: records of `metrics.json`.
        ood_task: the OOD set.
        scorers: which to draw; those beyond the sixth are in `frame()` alone.
    """

    def __init__(
        self, records: Sequence[Mapping[str, Any]], *, ood_task: str, scorers: Sequence[str]
    ) -> None:
        self.ood_task = ood_task
        self.scorers = scorers
        self.records = [
            record for record in records if record["question"] == QUESTION and record["ood_task"] == ood_task
        ]

    def frame(self) -> pd.DataFrame:
        """One row a scorer and number of concepts, the fewest first; NaN where a value is undefined."""
        import pandas as pd

        apart = {
            (record["scorer"], record["slice"]): record["value"]
            for record in self.records
            if record["metric"] == SEPARABILITY
        }
        rows = [
            (
                record["scorer"],
                record["params"]["concepts"],
                record["params"]["variance"],
                *(record[key] for key in ("value", "ci_low", "ci_high")),
                apart.get((record["scorer"], record["slice"])),
            )
            for scorer in self.scorers
            for record in self.records
            if (record["metric"], record["scorer"]) == (COMPLETENESS, scorer)
        ]
        frame = pd.DataFrame(rows, columns=["scorer", "concepts", *NUMBERS])
        return frame.astype({"concepts": int, **dict.fromkeys(NUMBERS, float)})

    def plot(self) -> Figure:
        frame = self.frame()
        scorers = list(dict.fromkeys(frame["scorer"]))
        counts = sorted(set(frame["concepts"]))
        with styled():
            figure, axes = new_figure(4.6, 3.1)
            for kept in (0.0, 1.0):
                axes.axhline(kept, color=MUTED, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
            draw_scorers(
                axes, frame, scorers, "completeness", lambda own: list(map(counts.index, own["concepts"]))
            )
            axes.set_xticks(range(len(counts)), [str(count) for count in counts])
            axes.grid(False, axis="x")
            axes.set_xlabel("concepts")
            axes.set_ylabel("completeness (1 = all is kept)")
            legend_or_undefined(figure, axes, defined=bool(frame["completeness"].notna().any()))
        return figure

    def describe(self) -> str:
        frame = self.frame().dropna(subset=["completeness"])
        shown = "; ".join(
            f"{scorer} "
            + ", ".join(f"{row.completeness:.3f} of {row.concepts}" for row in own.itertuples(index=False))
            for scorer, own in frame.groupby("scorer", sort=False)
        )
        return (
            f"Completeness on {self.ood_task} by number of concepts: {shown or 'undefined for every scorer'}."
        )
