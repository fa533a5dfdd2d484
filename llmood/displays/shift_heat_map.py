"""A number at each place of a grid of shifts: which shift by its severity, or pictures by words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llmood.displays.auroc_intervals import above_chance
from llmood.displays.style import MUTED, PAPER, label, new_figure, styled
from llmood.questions.errors import ACCURACY
from llmood.questions.errors import QUESTION as ERRORS
from llmood.questions.ood_detection import HEADLINE
from llmood.questions.ood_detection import QUESTION as DETECTION

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = ("row", "column", "task", "value", "ci_low", "ci_high")
WIDE, HIGH = 0.55, 0.32  # inches of a cell

# One hue from light to dark (ColorBrewer's Blues): told apart without colour vision, and on paper without colour.
# It is the same in the dark: the numbers on it are, too, and aren't the page's ink.
LIGHTEST, DARKEST = (239, 243, 255), (8, 69, 148)
STEPS = (LIGHTEST, (189, 215, 231), (107, 174, 214), (49, 130, 189), DARKEST)
DARK_NUMBER, LIGHT_NUMBER, HATCH = "#1c2128", "#fefefe", "#9aa7b8"
LIGHT_FROM = 0.74  # of the scale: where light numbers are read better than dark ones


class ShiftHeatMap:
    """A field a population, darker where the number is higher, with the number in it.

    Of AUROC the scale begins at chance, 0.5; fields are hatched where the interval isn't above that. Of accuracy it
    begins at 0.

    Args:
        records: records of `metrics.json`.
        tasks: (row, column) → the population there. A place without one stays empty.
        rows, columns: in their order.
        id_task: which population is the ID task.
        scorer: whose AUROC against ID; None: the share of right answers.
        axes: what rows and columns are of, in words.
    """

    def __init__(
        self,
        records: Sequence[Mapping[str, Any]],
        tasks: Mapping[tuple[str, str], str],
        *,
        rows: Sequence[str],
        columns: Sequence[str],
        id_task: str,
        scorer: str | None = None,
        axes: tuple[str, str] = ("shift", "severity"),
    ) -> None:
        self.tasks = tasks
        self.rows = list(rows)
        self.columns = list(columns)
        self.scorer = scorer
        self.axes = axes
        question, name = (ERRORS, ACCURACY) if scorer is None else (DETECTION, HEADLINE)
        self.records = {
            record["ood_task"] or id_task: record
            for record in records
            if (record["question"], record["metric"], record["scorer"], record["slice"])
            == (question, name, scorer, None)
        }

    def frame(self) -> pd.DataFrame:
        """One row a place that has a number, by rows; NaN where that is undefined."""
        import pandas as pd

        found = [
            (row, column, task, *(record[name] for name in ("value", "ci_low", "ci_high")))
            for row in self.rows
            for column in self.columns
            if (task := self.tasks.get((row, column))) is not None
            and (record := self.records.get(task)) is not None
        ]
        frame = pd.DataFrame(found, columns=list(COLUMNS))
        return frame.astype(dict.fromkeys(COLUMNS[3:], float))

    def plot(self) -> Figure:
        with styled():
            figure, axes = new_figure(
                0.6 + 0.075 * max(map(len, map(_shown, self.rows)), default=0) + WIDE * len(self.columns),
                0.75 + HIGH * len(self.rows),
            )
            for (row, column), task in self.tasks.items():
                record = self.records.get(task)
                if record is not None:
                    self._field(axes, self.columns.index(column), self.rows.index(row), record)
            axes.set_xlim(-0.5, len(self.columns) - 0.5)
            axes.set_ylim(len(self.rows) - 0.5, -0.5)
            axes.set_xticks(range(len(self.columns)), [_shown(name) for name in self.columns])
            axes.set_yticks(range(len(self.rows)), [_shown(name) for name in self.rows])
            axes.set_xlabel(self.axes[1])
            axes.set_ylabel(self.axes[0])
            axes.grid(False)
            axes.spines[:].set_visible(False)
        return figure

    def describe(self) -> str:
        frame = self.frame().dropna(subset=["value"])
        shown = "; ".join(
            f"{row}: "
            + ", ".join(f"{each.value:.3f} at {each.column}" for each in own.itertuples(index=False))
            for row, own in frame.groupby("row", sort=False)
        )
        named = f"AUROC of {self.scorer}" if self.scorer is not None else "Share of right answers"
        return f"{named} by {self.axes[0]} and {self.axes[1]}: {shown or 'undefined everywhere'}."

    def _field(self, axes: Axes, x: int, y: int, record: Mapping[str, Any]) -> None:
        from matplotlib.patches import Rectangle

        value = record["value"]
        place: Any = {"xy": (x - 0.5, y - 0.5), "width": 1, "height": 1}
        if value is None:
            axes.text(x, y, "–", ha="center", va="center", color=MUTED)
            return
        share = value if self.scorer is None else max(0.0, 2 * value - 1)
        axes.add_patch(Rectangle(**place, facecolor=shade(share), edgecolor=PAPER, linewidth=1.5))
        if self.scorer is not None and not above_chance(record):
            axes.add_patch(Rectangle(**place, fill=False, hatch="////", edgecolor=HATCH, linewidth=0))
        number = LIGHT_NUMBER if share > LIGHT_FROM else DARK_NUMBER
        axes.text(x, y, f"{value:.3f}", ha="center", va="center", color=number, fontsize=9)


def shade(share: float) -> str:
    """The colour of a share of the scale, as hexadecimal: between the two steps that it lies between."""
    place = min(max(share, 0.0), 1.0) * (len(STEPS) - 1)
    low = min(int(place), len(STEPS) - 2)
    mixed = (
        round(one + (place - low) * (other - one))
        for one, other in zip(STEPS[low], STEPS[low + 1], strict=True)
    )
    return "#" + "".join(f"{value:02x}" for value in mixed)


def _shown(name: str) -> str:
    return label(name, 28)
