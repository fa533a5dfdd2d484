"""Which side of the input is new: the AUROC of the picture against that of the question, a point a population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llmood.displays.style import LINES, MUTED, label, legend_or_undefined, new_figure, styled
from llmood.questions.modality import CHANCE, IMAGE, NEW_SIDES, ON_PART, QUESTION, TEXT

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ENDS = ("value", "ci_low", "ci_high")
NUMBERS = tuple(f"{side}{end}" for side in (TEXT, IMAGE) for end in ("", "_low", "_high"))
CORNERS = {
    (0.0, 0.91): ("left", "center", "the picture is new"),
    (0.93, 0.91): ("right", "center", "both are new"),
    (0.0, 0.03): ("left", "center", "neither is new"),
    (0.93, 0.03): ("right", "center", "the question is new"),
}
SHOWN = 12


class Sides:
    """A numbered point a population with the intervals of both sides, in four named quarters.

    Args:
        records: records of `metrics.json`.
        scorer: whose parts are drawn.
        ood_tasks: which populations, in their order; those beyond the twelfth are in `frame()` alone.
    """

    def __init__(
        self, records: Sequence[Mapping[str, Any]], *, scorer: str, ood_tasks: Sequence[str]
    ) -> None:
        self.scorer = scorer
        self.ood_tasks = ood_tasks
        self.records = {
            (record["metric"], record["slice"], record["ood_task"]): record
            for record in records
            if record["question"] == QUESTION and record["scorer"] == scorer
        }

    def frame(self) -> pd.DataFrame:
        """One row a population: AUROC of text and image with their intervals, NaN where undefined; and the verdict."""
        import pandas as pd

        rows = []
        for task in self.ood_tasks:
            parts = [self.records.get((ON_PART, side, task), {}) for side in (TEXT, IMAGE)]
            told = self.records.get((NEW_SIDES, None, task), {"params": {}})["params"].get("verdict")
            rows.append((task, *(part.get(end) for part in parts for end in ENDS), told))
        frame = pd.DataFrame(rows, columns=["ood_task", *NUMBERS, "verdict"])
        return frame.astype(dict.fromkeys(NUMBERS, float))

    def plot(self) -> Figure:
        drawn = self.frame().dropna(subset=[TEXT, IMAGE]).head(SHOWN)
        with styled():
            figure, axes = new_figure(4.6, 4.2)
            for line in (axes.axhline, axes.axvline):
                line(CHANCE, color=MUTED, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
            for (x, y), (across, along, words) in CORNERS.items():
                axes.text(x, y, words, ha=across, va=along, color=MUTED, fontsize=8.5)
            for number, row in enumerate(drawn.to_dict("records"), start=1):
                colour = LINES[(number - 1) % len(LINES)]
                x, y = row[TEXT], row[IMAGE]
                axes.hlines(y, row[f"{TEXT}_low"], row[f"{TEXT}_high"], color=colour, linewidth=1.2)
                axes.vlines(x, row[f"{IMAGE}_low"], row[f"{IMAGE}_high"], color=colour, linewidth=1.2)
                name = f"{number} {label(row['ood_task'], 26)}"
                axes.plot([x], [y], marker="o", markersize=5, linestyle="", color=colour, label=name)
                axes.annotate(
                    str(number), (x, y), xytext=(4, 4), textcoords="offset points", fontsize=8.5, color=colour
                )
            axes.set_xlim(-0.03, 1.07)
            axes.set_ylim(-0.03, 1.07)
            axes.set_xlabel("AUROC of the question alone (0.5 = chance)")
            axes.set_ylabel("AUROC of the picture alone")
            legend_or_undefined(figure, axes, defined=bool(len(drawn)))
        return figure

    def describe(self) -> str:
        frame = self.frame().dropna(subset=[TEXT, IMAGE])
        shown = "; ".join(
            f"{row['ood_task']} {row[IMAGE]:.3f} of the picture, {row[TEXT]:.3f} of the question"
            for row in frame.to_dict("records")
        )
        return f"AUROC of each side of the input under {self.scorer}: {shown or 'undefined for every population'}."
