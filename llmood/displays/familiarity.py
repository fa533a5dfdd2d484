"""How well scorers find the OOD text that the base model knows, and that which it doesn't."""

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
from llmood.questions.familiarity import GAP, IN_SLICE, QUESTION, SLICES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

NUMBERS = ("from", "to", "auroc", "ci_low", "ci_high", "gap", "gap_low", "gap_high")


class FamiliarityCurve:
    """A line a scorer: its AUROC in each third of one OOD set by the base model's likelihood, with its interval.

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
        self.records = {
            (record["metric"], record["scorer"], record["slice"]): record
            for record in records
            if record["question"] == QUESTION and record["ood_task"] == ood_task
        }

    def frame(self) -> pd.DataFrame:
        """One row a scorer and slice; NaN where undefined. `gap` is AUROC on unfamiliar minus that on familiar."""
        import pandas as pd

        rows = []
        for scorer in self.scorers:
            gap = self.records.get((GAP, scorer, None), {})
            for part in SLICES:
                own = self.records.get((IN_SLICE, scorer, part))
                if own is not None:
                    ends = (own["params"]["from"], own["params"]["to"])
                    values = [each.get(key) for each in (own, gap) for key in ("value", "ci_low", "ci_high")]
                    rows.append((scorer, part, own["n_positive"], *ends, *values))
        frame = pd.DataFrame(rows, columns=["scorer", "slice", "samples", *NUMBERS])
        return frame.astype({"samples": int, **dict.fromkeys(NUMBERS, float)})

    def plot(self) -> Figure:
        frame = self.frame()
        scorers = list(dict.fromkeys(frame["scorer"]))
        with styled():
            figure, axes = new_figure(4.6, 3.1)
            axes.axhline(0.5, color=MUTED, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
            draw_scorers(axes, frame, scorers, "auroc", lambda own: range(len(own)))
            axes.set_xticks(range(len(SLICES)), SLICES)
            axes.grid(False, axis="x")
            axes.set_xlabel("to the base model")
            axes.set_ylabel("AUROC against ID (0.5 = chance)")
            legend_or_undefined(figure, axes, defined=bool(frame["auroc"].notna().any()))
        return figure

    def describe(self) -> str:
        frame = self.frame().dropna(subset=["auroc"])
        shown = "; ".join(
            f"{scorer} " + ", ".join(f"{row.auroc:.3f} on {row.slice}" for row in own.itertuples(index=False))
            for scorer, own in frame.groupby("scorer", sort=False)
        )
        return f"AUROC on {self.ood_task} by familiarity to the base model: {shown or 'undefined for every scorer'}."
