"""Paired differences with their intervals, one below the other (a forest plot)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llmood.displays.style import BLUE, GREY, MUTED, VERMILION, label, new_figure, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

AXES_WIDTH, LETTER_WIDTH = 3.4, 0.08  # inches: what the rows keep beside their labels, and a letter of those
LONGEST_TASK, LONGEST_SCORER = 26, 36  # characters on the axis; the middle goes first

COLUMNS = ("label", "difference", "ci_low", "ci_high", "better")


class Differences:
    """A row a difference: a dot at it, a line over its interval, filled where one side is better.

    Args:
        records: records of a comparison, of one metric.
        title: the metric's name.
    """

    def __init__(self, records: Sequence[Mapping[str, Any]], *, title: str) -> None:
        self.records = list(records)
        self.title = title

    def frame(self) -> pd.DataFrame:
        """One row a difference; NaN where it is undefined."""
        import pandas as pd

        rows = [
            {
                "label": " · ".join(name for name, _ in self._names(record)),
                "difference": record["value"],
                "ci_low": record["ci_low"],
                "ci_high": record["ci_high"],
                "better": record["params"].get("better"),
            }
            for record in self.records
        ]
        frame = pd.DataFrame(rows, columns=list(COLUMNS))
        return frame.astype({"difference": float, "ci_low": float, "ci_high": float})

    def plot(self) -> Figure:
        frame = self.frame()
        with styled():
            names = self._axis_labels()
            width = AXES_WIDTH + LETTER_WIDTH * max(map(len, names), default=0)
            figure, axes = new_figure(max(6.4, width), 0.7 + 0.26 * max(1, len(frame)))
            axes.axvline(0.0, color=MUTED, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
            for row, entry in enumerate(frame.itertuples(index=False)):
                _draw_row(axes, row, entry)
            reach = float(frame[["difference", "ci_low", "ci_high"]].abs().max(skipna=True).max(skipna=True))
            # Where nothing differs there is no scale: any will do that shows the zero.
            reach = reach * 1.08 if reach > 0 else 0.05
            axes.set_xlim(-reach, reach)
            axes.set_yticks(range(len(frame)), names)
            axes.set_ylim(max(1, len(frame)) - 0.4, -0.6)
            axes.grid(False, axis="y")
            axes.spines["left"].set_visible(False)
            axes.set_xlabel(f"difference in {label(self.title, 44)}")
        return figure

    def describe(self) -> str:
        frame = self.frame().dropna(subset=["difference"])
        shown = ", ".join(
            f"{row.label} {row.difference:+.3f} [{row.ci_low:.3f}, {row.ci_high:.3f}]"
            for row in frame.itertuples(index=False)
        )
        return f"Differences in {self.title} with intervals: {shown or 'all undefined'}."

    def _axis_labels(self) -> list[str]:
        """The labels with each of their names short enough by itself: of a whole label the middle is the scorer."""
        return [
            " · ".join(label(name, limit) for name, limit in self._names(record)) for record in self.records
        ]

    def _names(self, record: Mapping[str, Any]) -> list[tuple[str, int]]:
        """What tells this row from the others, each with its room on the axis."""
        a, b = record["params"]["a"], record["params"]["b"]
        letters = {(r["params"]["a"]["letter"], r["params"]["b"]["letter"]) for r in self.records}
        scorers = {(r["params"]["a"]["scorer"], r["params"]["b"]["scorer"]) for r in self.records}
        names = [(str(record["ood_task"]), LONGEST_TASK)]
        if len(scorers) > 1:
            names.append((str(b["scorer"]), LONGEST_SCORER))
        if len(letters) > 1:
            names.append((f"{a['letter']} − {b['letter']}", LONGEST_TASK))
        return names


def _draw_row(axes: Axes, row: int, entry: Any) -> None:
    if entry.difference != entry.difference:
        axes.text(0.0, row, " undefined", color=MUTED, va="center", fontsize=8)
        return
    colour = {"a": BLUE, "b": VERMILION}.get(entry.better, GREY)
    axes.plot([entry.ci_low, entry.ci_high], [row, row], color=colour, linewidth=2.2, solid_capstyle="butt")
    axes.plot(
        [entry.difference],
        [row],
        marker="o",
        markersize=5.5,
        markerfacecolor=colour if entry.better in ("a", "b") else "#ffffff",
        markeredgecolor=colour,
        markeredgewidth=1.2,
        linestyle="none",
        clip_on=False,
        zorder=3,
    )
