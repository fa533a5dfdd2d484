"""How much was flagged over time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from llmood.displays.style import INK, LINES, MUTED, legend_or_undefined, new_figure, styled
from llmood.metrics.exact import clopper_pearson

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

LEVEL = 0.95


class FlagRate:
    """The share that was flagged in each span of time, with a band over its exact interval.

    Args:
        starts: of the spans, in UTC.
        width: of each, in seconds.
        scored: how many had a score in each; where none had, the line is broken.
        flagged: how many of these were flagged.
        promised: what share at most should be, of questions like the calibration rows.
    """

    def __init__(
        self,
        starts: Sequence[datetime],
        width: int,
        scored: Sequence[int],
        flagged: Sequence[int],
        *,
        promised: float,
    ) -> None:
        self.starts, self.width, self.promised = list(starts), width, promised
        self.scored, self.flagged = np.asarray(scored, np.int64), np.asarray(flagged, np.int64)

    def frame(self) -> pd.DataFrame:
        """One row a span: start, scored, flagged, rate, ci_low, ci_high; NaN where nothing had a score."""
        import pandas as pd

        there = self.scored > 0
        rate, low, high = (np.full(len(self.scored), np.nan) for _ in range(3))
        rate[there] = self.flagged[there] / self.scored[there]
        if there.any():
            low[there], high[there] = clopper_pearson(self.flagged[there], self.scored[there], LEVEL)
        columns = {"start": self.starts, "scored": self.scored, "flagged": self.flagged}
        return pd.DataFrame(columns | {"rate": rate, "ci_low": low, "ci_high": high})

    def plot(self) -> Figure:
        frame = self.frame()
        with styled(**{"date.converter": "concise", "timezone": "UTC"}):
            figure, axes = new_figure(7.4, 3.1)
            middle: Any = [start + timedelta(seconds=self.width / 2) for start in self.starts]
            rate, low, high = (100 * frame[name].to_numpy() for name in ("rate", "ci_low", "ci_high"))
            axes.axhline(
                100 * self.promised, color=INK, linewidth=0.9, linestyle=(0, (3, 2)), label="promised at most"
            )
            axes.plot(middle, rate, color=LINES[0], marker="o", markersize=3, label="flagged")
            axes.fill_between(middle, low, high, color=LINES[0], alpha=0.15, linewidth=0)
            axes.vlines(middle, low, high, color=LINES[0], alpha=0.35, linewidth=1.0)
            if self.starts:
                ends: Any = (self.starts[0], self.starts[-1] + timedelta(seconds=self.width))
                axes.set_xlim(*ends)
            axes.set_ylim(bottom=0)
            axes.grid(False, axis="x")
            axes.set_ylabel("% of questions with a score")
            axes.set_xlabel("UTC", color=MUTED)
            legend_or_undefined(figure, axes, defined=bool(frame["rate"].notna().any()))
        return figure

    def describe(self) -> str:
        frame = self.frame().dropna(subset=["rate"])
        if not len(frame):
            return "Share flagged over time: no question had a score."
        least, most = frame.loc[frame["rate"].idxmin()], frame.loc[frame["rate"].idxmax()]
        return (
            f"Share flagged over time, {len(frame)} spans: from {least['rate']:.3f} ({least['start']:%Y-%m-%d %H:%M}) "
            f"to {most['rate']:.3f} ({most['start']:%Y-%m-%d %H:%M} UTC), {self.promised:g} promised at most."
        )
