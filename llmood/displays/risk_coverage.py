"""What it costs to answer more: the share of wrong answers among those given, from the surest on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from llmood.displays.style import DASHES, LINES, label, legend_or_undefined, new_figure, styled
from llmood.metrics.risk_coverage import expected_risk

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Curve = tuple[NDArray[np.float64], NDArray[np.bool_]]
STEPS = 50


class RiskCoverage:
    """A line a population: the expected share of wrong answers among the surest, at each coverage; ties in any order.

    Args:
        curves: population → (uncertainty (n,), which answers are right (n,) bool).
        scorer: whose uncertainty that is.
    """

    def __init__(self, curves: Mapping[str, Curve], *, scorer: str) -> None:
        self.curves = {name: curve for name, curve in curves.items() if len(curve[0])}
        self.scorer = scorer

    def frame(self) -> pd.DataFrame:
        """One row a population and coverage: how many answers are given, and the share of wrong ones among them."""
        import pandas as pd

        rows = []
        for name, (uncertainty, correct) in self.curves.items():
            n = len(correct)
            wanted = np.unique(np.ceil(np.linspace(1 / STEPS, 1.0, STEPS) * n).astype(np.int64))
            accepted, wrong = _sums(uncertainty, correct)
            risks = expected_risk(accepted, wrong, wanted) / wanted
            rows += [
                (name, int(many), many / n, float(risk)) for many, risk in zip(wanted, risks, strict=True)
            ]
        return pd.DataFrame(rows, columns=["population", "n", "coverage", "risk"])

    def plot(self) -> Figure:
        frame = self.frame()
        with styled():
            figure, axes = new_figure(5.2, 3.0)
            for place, name in enumerate(self.curves):
                own = frame[frame["population"] == name]
                axes.plot(
                    own["coverage"],
                    own["risk"],
                    color=LINES[place % len(LINES)],
                    linestyle=DASHES[place % len(DASHES)],
                    label=label(name, 28),
                )
            axes.set_xlim(0, 1)
            axes.set_ylim(bottom=0)
            axes.set_xlabel("share of questions answered, the surest first")
            axes.set_ylabel("wrong among the answers")
            legend_or_undefined(figure, axes, defined=bool(self.curves))
        return figure

    def describe(self) -> str:
        said = []
        for name, own in self.frame().groupby("population", sort=False):
            half = own.iloc[int(np.argmin(np.abs(own["coverage"] - 0.5)))]
            said.append(f"{name} {half.risk:.3f} at half, {own['risk'].iloc[-1]:.3f} at all")
        shown = "; ".join(said) or "no answer is judged"
        return f"Share of wrong answers by coverage, {self.scorer}: {shown}."


def _sums(
    uncertainty: NDArray[np.float64], correct: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many answers are at least so sure, and how many of those are wrong; also where all are right."""
    _, places, counts = np.unique(uncertainty, return_inverse=True, return_counts=True)
    wrong = np.bincount(places, weights=~correct, minlength=len(counts)).astype(np.int64)
    accepted = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return accepted, np.concatenate([[0], np.cumsum(wrong)]).astype(np.int64)
