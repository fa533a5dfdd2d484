"""How one scorer's scores are spread on ID and on one OOD set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from llmood.displays.style import ID_COLOUR, INK, OOD_COLOUR, label, new_figure, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

MOST_BINS = 48
FEWEST_BINS = 12
LARGEST = 1e300  # what an axis can span
TAIL = 0.005  # of each population, at each end, may lie beyond the axis


class ScoreDistribution:
    """Histograms of both populations over the same bins, each as shares of its own population.

    The axis spans the central 99 % of each population; what lies beyond is counted in an open bin at each end of
    `frame()` and named under the figure, so that one extreme score can't flatten the rest.

    Args:
        scores: (n,), higher = more OOD; NaN is left out.
        is_ood: bool (n,).
        scorer: the scorer's id.
        id_task, ood_task: the populations' names.
        roles: what stands before these in the legend.
        threshold: one to draw; by default that from which 95 % of OOD lies.
    """

    def __init__(
        self,
        scores: Floats,
        is_ood: NDArray[np.bool_],
        *,
        scorer: str,
        id_task: str,
        ood_task: str,
        roles: tuple[str, str] = ("ID  ", "OOD  "),
        threshold: float | None = None,
    ) -> None:
        kept = ~np.isnan(scores)
        self.id = scores[kept & ~is_ood]
        self.ood = scores[kept & is_ood]
        self.scorer = scorer
        self.id_task = id_task
        self.ood_task = ood_task
        self.roles = roles
        self._given = threshold

    @property
    def threshold(self) -> float | None:
        """The one given, else the highest at or above which 95 % of OOD lies; None without OOD scores."""
        if self._given is not None:
            return self._given
        if not len(self.ood):
            return None
        caught = int(np.ceil(0.95 * len(self.ood) - 1e-9))
        return float(np.sort(self.ood)[len(self.ood) - caught])

    def frame(self) -> pd.DataFrame:
        """One row a population and bin [low, high): count and share; the first and last bin are open-ended."""
        import pandas as pd

        edges = np.concatenate([[-np.inf], self._edges(), [np.inf]])
        parts = []
        for population, task, values in (("id", self.id_task, self.id), ("ood", self.ood_task, self.ood)):
            # searchsorted, for the open bins and infinite scores; the last closed bin keeps its right edge.
            place = np.searchsorted(edges, values, side="right") - 1
            place[values == edges[-2]] -= 1
            place = np.minimum(place, len(edges) - 2)
            counts = np.bincount(place, minlength=len(edges) - 1)
            parts.append(
                pd.DataFrame(
                    {
                        "population": population,
                        "task": task,
                        "low": edges[:-1],
                        "high": edges[1:],
                        "count": counts,
                        "share": counts / max(1, len(values)),
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)

    def beyond(self) -> int:
        """How many scores lie beyond the axis."""
        frame = self.frame()
        return int(frame.loc[np.isinf(frame["low"]) | np.isinf(frame["high"]), "count"].sum())

    def plot(self) -> Figure:
        frame = self.frame()
        inner = frame[np.isfinite(frame["low"]) & np.isfinite(frame["high"])]
        with styled():
            figure, axes = new_figure(4.3, 3.3)
            for population, task, colour, dashes in (
                ("id", f"{self.roles[0]}{label(self.id_task, 24)}", ID_COLOUR, "-"),
                ("ood", f"{self.roles[1]}{label(self.ood_task, 24)}", OOD_COLOUR, (0, (4, 1.5))),
            ):
                part = inner[inner["population"] == population]
                edges = np.append(part["low"].to_numpy(), part["high"].to_numpy()[-1:])
                heights = part["share"].to_numpy() * 100
                axes.stairs(heights, edges, color=colour, fill=True, alpha=0.18, linewidth=0)
                axes.stairs(heights, edges, color=colour, linewidth=1.4, linestyle=dashes, label=task)
            self._finish(axes)
        return figure

    def describe(self) -> str:
        parts = [
            f"{name} has median {np.median(values):.4g} over {len(values)} samples"
            for name, values in ((self.id_task, self.id), (self.ood_task, self.ood))
            if len(values)
        ]
        return f"Histograms of {self.scorer}: {', '.join(parts) or 'no scores'}."

    def _finish(self, axes: Axes) -> None:
        top = axes.get_ylim()[1] * 1.24  # room for the legend
        axes.set_ylim(0, top)
        edges = self._edges()
        axes.set_xlim(edges[0], edges[-1])
        threshold = self.threshold
        if threshold is not None and edges[0] <= threshold <= edges[-1]:
            axes.axvline(
                threshold,
                ymax=0.8,
                color=INK,
                linewidth=0.9,
                linestyle=(0, (1, 1.5)),
                label="95 % of OOD from here" if self._given is None else "flagged from here",
            )
        axes.grid(False, axis="x")
        axes.set_ylabel("% of population")
        axes.set_xlabel("score (right = more OOD)")
        axes.set_title(label(self.scorer))
        axes.legend(loc="upper right", ncols=1, handlelength=1.8, labelspacing=0.25, borderaxespad=0.1)

    def _edges(self) -> Floats:
        finite = [np.clip(values[np.isfinite(values)], -LARGEST, LARGEST) for values in (self.id, self.ood)]
        ends = [end for values in finite if len(values) for end in _central(values)]
        low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
        bins = self._bins()
        if not high - low > 1e-9 * max(1.0, abs(low), abs(high)):
            around = max(0.5, abs(low) * 1e-3)
            return np.linspace(low - around, high + around, bins + 1)
        if 3 <= high - low < 1e9 and all((values == np.round(values)).all() for values in finite):
            # Whole numbers (a length): bins of the same count of them, or the histogram is a comb.
            width = int(np.ceil((np.floor(high) - np.floor(low) + 1) / bins))
            return np.arange(np.floor(low) - 0.5, np.floor(high) + 0.5 + width, width)
        return np.linspace(low, high, bins + 1)

    def _bins(self) -> int:
        smaller = max(1, min(len(self.id), len(self.ood)))
        return int(np.clip(3 * np.cbrt(smaller), FEWEST_BINS, MOST_BINS))  # the smaller one mustn't be a comb


def _central(values: Floats) -> tuple[float, float]:
    # Outwards, so that no sample of a small population falls off the axis.
    return (
        float(np.quantile(values, TAIL, method="lower")),
        float(np.quantile(values, 1 - TAIL, method="higher")),
    )
