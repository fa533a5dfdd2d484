"""Does a shift whose bound is larger cost more? EMID of each OOD set over its bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llmood.displays.style import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    VERMILION,
    label,
    legend_or_undefined,
    new_figure,
    styled,
)
from llmood.questions.effective_information import BOUND, EMID, QUESTION, WITH_BOUND

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_NAMED = 8  # sets: names of more would cover each other
LOOKS = {"near": (BLUE, "o"), "far": (VERMILION, "s"), "covariate": (GREEN, "^")}
COLUMNS = ("ood_task", "shift", "severity", "bound", "emid", "ci_low", "ci_high")


class EmidAgainstBound:
    """A mark an OOD set, with its interval; what has no EMID or no bound has none.

    Args:
        records: of a run; those of other questions are left alone.
    """

    def __init__(self, records: Sequence[Mapping[str, Any]]) -> None:
        own = [record for record in records if record["question"] == QUESTION]
        bounds = {record["ood_task"]: record["value"] for record in own if record["metric"] == BOUND}
        self.points = [
            (record, bounds[record["ood_task"]])
            for record in own
            if record["metric"] == EMID
            and record["value"] is not None
            and bounds.get(record["ood_task"]) is not None
        ]
        self.correlations = {
            name: record["value"]
            for name, metric in WITH_BOUND.items()
            for record in own
            if record["metric"] == metric and record["slice"] is None
        }

    def frame(self) -> pd.DataFrame:
        """One row a set."""
        import pandas as pd

        rows = [
            (
                *(record[name] for name in ("ood_task", "shift", "severity")),
                bound,
                *(record[name] for name in ("value", "ci_low", "ci_high")),
            )
            for record, bound in self.points
        ]
        frame = pd.DataFrame(rows, columns=list(COLUMNS))
        return frame.astype(dict.fromkeys(("bound", "emid", "ci_low", "ci_high"), float))

    def plot(self) -> Figure:
        frame = self.frame()
        with styled():
            figure, axes = new_figure(5.2, 3.4)
            axes.axhline(0.0, color=MUTED, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
            for shift, (colour, marker) in LOOKS.items():
                own = frame[frame["shift"] == shift]
                if len(own):
                    _draw(axes, own, colour, marker, shift)
            if len(frame) <= MOST_NAMED:
                for row in frame.itertuples(index=False):
                    at = (float(row.bound), float(row.emid))
                    axes.annotate(
                        label(str(row.ood_task), 24),
                        at,
                        (4, 4),
                        textcoords="offset points",
                        fontsize=8,
                        color=INK,
                    )
            axes.margins(x=0.16, y=0.1)
            axes.set_xlabel("bound, scaled")
            axes.set_ylabel("EMID, nats")
            legend_or_undefined(figure, axes, defined=bool(len(frame)))
        return figure

    def describe(self) -> str:
        told = "; ".join(
            f"{record['ood_task']}: bound {bound:.3f}, EMID {record['value']:.3f}"
            for record, bound in self.points
        )
        known = ", ".join(
            f"{name} {value:.3f}" for name, value in self.correlations.items() if value is not None
        )
        along = f" Correlation: {known}." if known else ""
        return f"EMID over its bound: {told or 'no set has both'}.{along}"


def _draw(axes: Axes, own: Any, colour: str, marker: str, shift: str) -> None:
    axes.vlines(own["bound"], own["ci_low"], own["ci_high"], color=colour, linewidth=1.2, alpha=0.7)
    axes.plot(
        own["bound"],
        own["emid"],
        marker=marker,
        markersize=5,
        color=colour,
        linestyle="none",
        label=shift,
        zorder=3,
    )
