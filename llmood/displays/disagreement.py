"""Is a scorer higher where people disagree? Its mean rank by the share of raters who are for the commonest answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from llmood.displays.style import (
    MUTED,
    draw_scorers,
    legend_or_undefined,
    new_figure,
    styled,
)
from llmood.metrics import mean_bootstrap

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
PLACES = 2  # of a share: of 5 raters and of 4 they are told apart
COLUMNS = ("scorer", "majority", "n", "mean_rank", "ci_low", "ci_high")


class DisagreementCurve:
    """A line a scorer: its mean rank among these samples, from 0 to 1, at each share of the majority, with intervals.

    Args:
        scores: scorer → (n,), NaN where unscored; those beyond the sixth are in `frame()` alone.
        majority: (n,), the share of raters who gave the commonest answer.
        groups: (n,), what is resampled together.
        task: the population's name.
        draws, level, seed: of the intervals, as of `bootstrap_interval`.
    """

    def __init__(
        self,
        scores: Mapping[str, Floats],
        majority: Floats,
        groups: list[str],
        *,
        task: str,
        draws: int = 1000,
        level: float = 0.95,
        seed: int = 0,
    ) -> None:
        self.scores = scores
        self.majority = np.round(majority, PLACES)
        self.groups = groups
        self.task = task
        self.settings: dict[str, Any] = {"draws": draws, "level": level, "seed": seed}

    def frame(self) -> pd.DataFrame:
        """One row a scorer and share."""
        import pandas as pd

        rows = [row for name, values in self.scores.items() for row in self._rows(name, values)]
        frame = pd.DataFrame(rows, columns=list(COLUMNS))
        return frame.astype(dict.fromkeys(("majority", "mean_rank", "ci_low", "ci_high"), float))

    def plot(self) -> Figure:
        frame = self.frame()
        shares = sorted(frame["majority"].unique(), reverse=True)
        with styled():
            figure, axes = new_figure(4.8, 3.0)
            axes.axhline(0.5, color=MUTED, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
            draw_scorers(
                axes,
                frame,
                list(self.scores),
                "mean_rank",
                lambda own: list(map(shares.index, own["majority"])),
            )
            axes.set_xticks(range(len(shares)), [f"{share * 100:.0f} %" for share in shares])
            axes.set_ylim(-0.02, 1.02)
            axes.set_xlabel("raters for the commonest answer")
            axes.set_ylabel("mean rank of the score")
            legend_or_undefined(figure, axes, defined=bool(len(frame)))
        return figure

    def describe(self) -> str:
        frame = self.frame()
        told = "; ".join(
            f"{name}: "
            + ", ".join(
                f"{row.mean_rank:.3f} at {row.majority * 100:.0f} % ({row.n})"
                for row in own.itertuples(index=False)
            )
            for name, own in frame.groupby("scorer", sort=False)
        )
        return f"Mean rank of scores on {self.task} by agreement of raters: {told or 'no sample has both'}."

    def _rows(
        self, name: str, values: Floats
    ) -> list[tuple[str, float, int, float, float | None, float | None]]:
        from scipy.stats import rankdata

        there = np.flatnonzero(~np.isnan(values))
        if len(there) < 2:
            return []
        ranks = (rankdata(values[there]) - 1.0) / (len(there) - 1)
        found = []
        for share in np.unique(self.majority[there])[::-1].tolist():
            own = np.flatnonzero(self.majority[there] == share)
            groups = [self.groups[row] for row in there[own].tolist()]
            mean = mean_bootstrap(ranks[own], groups=groups, **self.settings)
            found.append((name, share, len(own), mean.value, mean.low, mean.high))
        return found
