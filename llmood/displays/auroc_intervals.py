"""AUROC and interval of every scorer on one OOD set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from llmood.displays.style import BLUE, GREY, INK, MUTED, VERMILION, label, new_figure, styled
from llmood.questions.ood_detection import QUESTION
from llmood.scorers.baselines import BASELINES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Side = Literal["above", "chance", "below"]

COLUMNS = ("scorer", "auroc", "ci_low", "ci_high", "side", "baseline", "best", "ties_with_best")
CHANCE = 0.5


def side_of_chance(record: Mapping[str, Any]) -> Side | None:
    """Where an AUROC's interval lies: above 0.5, below it, or over it, which is chance.

    Of one without an interval, the value; None where that is undefined.
    """
    value, low, high = record["value"], record["ci_low"], record["ci_high"]
    if value is None:
        return None
    if (value if low is None else low) > CHANCE:
        return "above"
    return "below" if (value if high is None else high) < CHANCE else "chance"


def above_chance(record: Mapping[str, Any]) -> bool:
    """Whether an AUROC's interval lies above 0.5; of one without an interval, the value."""
    return side_of_chance(record) == "above"


class AurocIntervals:
    """A row a scorer: a dot at its AUROC, a line over its interval; the best and what ties with it filled.

    Neither is marked where it isn't above chance.

    Args:
        records: records of `metrics.json`; those of this OOD set are taken, in their order.
        ood_task: the OOD set.
    """

    def __init__(self, records: Sequence[Mapping[str, Any]], *, ood_task: str) -> None:
        self.ood_task = ood_task
        own = [
            record
            for record in records
            if record["question"] == QUESTION and record["ood_task"] == ood_task and record["slice"] is None
        ]
        self.auroc = [record for record in own if record["metric"] == "auroc"]
        self.behind = {record["scorer"]: record for record in own if record["metric"] == "auroc_behind_best"}

    def frame(self) -> pd.DataFrame:
        """One row a scorer; NaN where a value is undefined."""
        import pandas as pd

        rows = []
        for record in self.auroc:
            behind = self.behind.get(record["scorer"], {})
            params = behind.get("params", {}) if above_chance(record) else {}
            rows.append(
                {
                    "scorer": record["scorer"],
                    "auroc": record["value"],
                    "ci_low": record["ci_low"],
                    "ci_high": record["ci_high"],
                    "side": side_of_chance(record),
                    "baseline": record["scorer"] in BASELINES,
                    "best": bool(params) and params["best"] == record["scorer"],
                    "ties_with_best": bool(params.get("ties_with_best", False)),
                }
            )
        frame = pd.DataFrame(rows, columns=list(COLUMNS))
        return frame.astype({"auroc": float, "ci_low": float, "ci_high": float})

    def plot(self) -> Figure:
        frame = self.frame()
        with styled():
            figure, axes = new_figure(4.6, 0.6 + 0.23 * max(1, len(frame)))
            for row, entry in enumerate(frame.itertuples(index=False)):
                _draw_row(axes, row, entry)
            lowest = (
                float(frame[["auroc", "ci_low"]].min(skipna=True).min(skipna=True)) if len(frame) else 0.5
            )
            left = 0.45 if not lowest < 0.45 else (0.2 if lowest >= 0.2 else 0.0)
            axes.set_xlim(left - 0.01, 1.012)
            axes.axvline(CHANCE, color=MUTED, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
            axes.set_yticks(range(len(frame)), [label(name, 28) for name in frame["scorer"]])
            axes.set_ylim(max(1, len(frame)) - 0.4, -0.6)
            axes.grid(False, axis="y")
            axes.spines["left"].set_visible(False)
            axes.set_xlabel("AUROC (0.5 = chance)")
        return figure

    def describe(self) -> str:
        frame = self.frame().dropna(subset=["auroc"])
        shown = ", ".join(f"{row.scorer} {row.auroc:.3f}" for row in frame.itertuples(index=False))
        return f"AUROC with interval on {self.ood_task}: {shown or 'undefined for every scorer'}."


def _draw_row(axes: Axes, row: int, entry: Any) -> None:
    if entry.auroc != entry.auroc:
        axes.text(0.5, row, " undefined", color=MUTED, va="center", fontsize=8)
        return
    colour = GREY if entry.baseline else (VERMILION if entry.side == "below" else BLUE)
    if entry.ci_low == entry.ci_low and entry.ci_high == entry.ci_high:
        axes.plot(
            [entry.ci_low, entry.ci_high], [row, row], color=colour, linewidth=2.2, solid_capstyle="butt"
        )
    filled = entry.best or entry.ties_with_best
    axes.plot(
        [entry.auroc],
        [row],
        marker="D" if entry.best else "o",
        markersize=5.5,
        markerfacecolor=colour if filled or entry.baseline else "#ffffff",
        markeredgecolor=INK if entry.best else colour,
        markeredgewidth=1.2,
        linestyle="none",
        clip_on=False,
        zorder=3,
    )
