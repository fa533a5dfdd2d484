"""ROC curves: what share of OOD is caught at each share of ID flagged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from llmood.displays.style import DASHES, GREY, LINES, MUTED, label, legend_below, new_figure, styled
from llmood.metrics import Ranking, UndefinedMetric, auroc

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

MAX_POINTS = 400
MAX_POINTS_A_FIGURE = 4000
MAX_NAMED = len(LINES)


class RocCurves:
    """The ROC curves of several scorers on one ID and one OOD population; OOD is positive.

    Args:
        scores: scorer to its scores (n,), higher = more OOD; NaN where unscored, which is left out.
        is_ood: bool (n,).
        ood_task: the OOD set's name.
        first: scorers to name before others, where there are more than have a colour.
    """

    def __init__(
        self,
        scores: Mapping[str, Floats],
        is_ood: NDArray[np.bool_],
        *,
        ood_task: str,
        first: Sequence[str] = (),
    ) -> None:
        self.scores = scores
        self.is_ood = is_ood
        self.ood_task = ood_task
        self.first = first

    def frame(self) -> pd.DataFrame:
        """One row a vertex: scorer, false_positive_rate, true_positive_rate; vertices on a straight line left out.

        Where a curve has more than 400, those kept are vertices of it, spread evenly along it.
        """
        import pandas as pd

        curves = self._curves()
        parts = [
            pd.DataFrame({"scorer": name, "false_positive_rate": x, "true_positive_rate": y})
            for name, (x, y) in curves.items()
        ]
        empty = pd.DataFrame({"scorer": [], "false_positive_rate": [], "true_positive_rate": []})
        return pd.concat(parts, ignore_index=True) if parts else empty

    def plot(self) -> Figure:
        curves = self._curves()
        named = self._named(curves)
        with styled():
            figure, axes = new_figure(4.3, 3.3)
            axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (3, 2)))
            for name in curves:
                if name not in named:
                    axes.plot(*curves[name], color=GREY, linewidth=0.7, alpha=0.7)
            for position, name in enumerate(named):
                style: dict[str, Any] = {"color": LINES[position], "linestyle": DASHES[position]}
                axes.plot(*curves[name], **style, label=label(name, 30), zorder=4 - 0.1 * position)
            others = len(curves) - len(named)
            if others:
                axes.plot([], [], color=GREY, linewidth=0.7, label=f"{others} more")
            axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
            axes.set_xlabel("share of ID flagged")
            axes.set_ylabel("share of OOD caught")
            axes.set_title("ROC")
            if curves:
                legend_below(figure, axes)
            else:
                axes.text(0.5, 0.55, "undefined", ha="center", color=MUTED)
        return figure

    def describe(self) -> str:
        curves = len(self._curves())
        return (
            f"ROC curves of {curves} scorers on {self.ood_task}: share of OOD caught by share of ID flagged."
        )

    def _curves(self) -> dict[str, tuple[Floats, Floats]]:
        room = max(50, min(MAX_POINTS, MAX_POINTS_A_FIGURE // max(1, len(self.scores))))
        found = {}
        for name, values in self.scores.items():
            kept = ~np.isnan(values)
            try:
                counts = Ranking(values[kept], self.is_ood[kept]).counts()
            except UndefinedMetric:
                continue
            found[name] = _thin(*_corners(counts.fp / counts.negatives, counts.tp / counts.positives), room)
        return found

    def _named(self, curves: Mapping[str, Any]) -> list[str]:
        def strength(name: str) -> float:
            kept = ~np.isnan(self.scores[name])
            return auroc(self.scores[name][kept], self.is_ood[kept])

        others = sorted((name for name in curves if name not in self.first), key=strength, reverse=True)
        chosen = [*(name for name in self.first if name in curves), *others][:MAX_NAMED]
        return sorted(chosen, key=strength, reverse=True)


def _corners(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """The curve without the points on a straight line between their neighbours: the same curve."""
    cross = np.diff(x)[:-1] * np.diff(y)[1:] - np.diff(x)[1:] * np.diff(y)[:-1]
    kept = np.concatenate([[True], np.abs(cross) > 1e-15, [True]])
    return x[kept], y[kept]


def _thin(x: Floats, y: Floats, room: int) -> tuple[Floats, Floats]:
    """At most `room` of the points, the ends among them, spread evenly along the curve."""
    if len(x) <= room:
        return x, y
    along = x + y  # a ROC curve only rises, so this is its length in steps
    wanted = np.linspace(along[0], along[-1], room)
    kept = np.unique(np.searchsorted(along, wanted).clip(0, len(x) - 1))
    return x[kept], y[kept]
