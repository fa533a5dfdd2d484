"""How well scorers find wrong answers, from ID to near to far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llmood.displays.style import (
    MUTED,
    draw_scorers,
    label,
    legend_or_undefined,
    new_figure,
    styled,
)
from llmood.questions.error_loss import LOSS
from llmood.questions.errors import QUESTION

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

METRIC = "auroc"
ROOM = 60  # characters that have room beside each other under the axis; longer names stand aslant
NUMBERS = ("auroc", "ci_low", "ci_high", "loss", "loss_low", "loss_high")


class ErrorsByShift:
    """A line a scorer: its AUROC of errors in each population, with its interval; what it falls by is what it loses.

    Args:
        records: records of `metrics.json`.
        populations: (task, shift) in the order of the axis, ID first.
        scorers: which to draw; those beyond the sixth are in `frame()` alone.
    """

    def __init__(
        self,
        records: Sequence[Mapping[str, Any]],
        populations: Sequence[tuple[str, str]],
        *,
        scorers: Sequence[str],
    ) -> None:
        self.populations = populations
        self.scorers = scorers
        self.records = {
            (record["metric"], record["scorer"], record["ood_task"] or record["id_task"]): record
            for record in records
            if record["question"] == QUESTION and record["slice"] is None
        }

    def frame(self) -> pd.DataFrame:
        """One row a scorer and population; NaN where a value is undefined. `loss` is AUROC on ID minus AUROC there."""
        import pandas as pd

        rows = []
        for scorer in self.scorers:
            for task, shift in self.populations:
                own = self.records.get((METRIC, scorer, task), {})
                lost = self.records.get((METRIC + LOSS, scorer, task), {})
                values = [each.get(key) for each in (own, lost) for key in ("value", "ci_low", "ci_high")]
                rows.append((scorer, task, shift, *values))
        frame = pd.DataFrame(rows, columns=["scorer", "task", "shift", *NUMBERS])
        return frame.astype(dict.fromkeys(NUMBERS, float))

    def plot(self) -> Figure:
        frame = self.frame()
        with styled():
            figure, axes = new_figure(6.4, 3.2)
            axes.axhline(0.5, color=MUTED, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
            draw_scorers(axes, frame, self.scorers, "auroc", lambda own: range(len(own)))
            names = [
                f"{label(task, 14)}\n{'ID' if shift == 'none' else shift}" for task, shift in self.populations
            ]
            axes.set_xticks(range(len(names)), names)
            if len(names) * max((len(line) for name in names for line in name.split("\n")), default=0) > ROOM:
                axes.tick_params(axis="x", labelrotation=40)
                for text in axes.get_xticklabels():
                    text.set(ha="right", rotation_mode="anchor")
            axes.grid(False, axis="x")
            axes.set_ylabel("AUROC of errors (0.5 = chance)")
            legend_or_undefined(figure, axes, defined=bool(frame["auroc"].notna().any()))
        return figure

    def describe(self) -> str:
        frame = self.frame().dropna(subset=["auroc"])
        shown = "; ".join(
            f"{scorer} " + ", ".join(f"{row.auroc:.3f} on {row.task}" for row in own.itertuples(index=False))
            for scorer, own in frame.groupby("scorer", sort=False)
        )
        return f"AUROC of errors by population: {shown or 'undefined for every scorer'}."
