"""How far a confidence can be trusted, in one population: accuracy beside confidence, and how often which is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from llmood.displays.style import DASHES, INK, LINES, MUTED, label, legend_or_undefined, styled
from llmood.metrics.reliability import ReliabilityBin, reliability_curve

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curve = tuple[NDArray[np.float64], NDArray[np.bool_]]
BINS = 10
LARGEST_DOT = 9.0  # points, for a bin that holds every answer


class ReliabilityDiagram:
    """A line a confidence: the share of right answers in each bin with its interval, beside the mean confidence.

    On the diagonal a confidence is what it says; below it the model is trusted too much. Dots are as large as their
    bins are full. Beneath: how often which confidence is given.

    Args:
        curves: what each confidence is called → (confidence (n,), which answers are right (n,) bool).
        task: the population's name.
        level: of the intervals.
    """

    def __init__(self, curves: Mapping[str, Curve], *, task: str, level: float = 0.95) -> None:
        self.curves = {name: curve for name, curve in curves.items() if len(curve[0])}
        self.task = task
        self.level = level

    def frame(self) -> pd.DataFrame:
        """One row a confidence and bin that holds answers."""
        import pandas as pd

        rows = [
            (
                name,
                each.low,
                each.high,
                each.n,
                each.mean_confidence,
                each.accuracy,
                each.ci_low,
                each.ci_high,
            )
            for name, curve in self._bins().items()
            for each in curve
        ]
        names = ["confidence", "low", "high", "n", "mean_confidence", "accuracy", "ci_low", "ci_high"]
        return pd.DataFrame(rows, columns=names)

    def plot(self) -> Figure:
        from matplotlib.figure import Figure

        with styled():
            figure = Figure(figsize=(4.2, 4.4), layout="constrained")
            over, under = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1))
            over.axline((0, 0), slope=1, color=MUTED, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
            for place, (name, curve) in enumerate(self._bins().items()):
                _draw_curve(over, place, name, curve)
                _draw_counts(under, place, curve)
            over.set_xlim(-0.02, 1.02)
            over.set_ylim(-0.02, 1.02)
            over.set_ylabel("share of right answers")
            under.set_ylabel("of answers")
            under.set_xlabel("confidence")
            under.grid(False, axis="x")
            legend_or_undefined(figure, over, defined=bool(self.curves))
        return figure

    def describe(self) -> str:
        said = "; ".join(
            f"{name}: mean confidence {confidence.mean():.3f}, {correct.mean():.3f} right of {len(correct)}"
            for name, (confidence, correct) in self.curves.items()
        )
        return f"Accuracy by confidence on {self.task}: {said or 'no answer has a confidence'}."

    def _bins(self) -> dict[str, list[ReliabilityBin]]:
        return {
            name: reliability_curve(*curve, bins=BINS, level=self.level)
            for name, curve in self.curves.items()
        }


def _draw_curve(axes: Axes, place: int, name: str, curve: list[ReliabilityBin]) -> None:
    colour, total = LINES[place % len(LINES)], sum(each.n for each in curve)
    across = [each.mean_confidence for each in curve]
    up = [each.accuracy for each in curve]
    axes.fill_between(
        across,
        [each.ci_low for each in curve],
        [each.ci_high for each in curve],
        color=colour,
        alpha=0.14,
        linewidth=0,
    )
    axes.plot(across, up, color=colour, linestyle=DASHES[place % len(DASHES)], label=label(name, 28))
    sizes = [(LARGEST_DOT * (0.3 + 0.7 * (each.n / total) ** 0.5)) ** 2 for each in curve]
    axes.scatter(across, up, s=sizes, color=colour, edgecolors=INK, linewidths=0.4, zorder=3)


def _draw_counts(axes: Axes, place: int, curve: list[ReliabilityBin]) -> None:
    total = sum(each.n for each in curve)
    edges = np.linspace(0.0, 1.0, BINS + 1)
    shares = np.zeros(BINS)
    for each in curve:
        shares[int(np.argmin(np.abs(edges[:-1] - each.low)))] = each.n / total
    axes.stairs(
        shares, edges, color=LINES[place % len(LINES)], linestyle=DASHES[place % len(DASHES)], linewidth=1.4
    )
