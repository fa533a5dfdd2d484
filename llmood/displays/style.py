"""How figures look: small, quiet, colour-blind safe (Okabe and Ito 2008), the same bytes for the same data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from llmood.clean import clean

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, GREY = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#aa4499",  # Okabe and Ito's reddish purple #cc79a7 is too pale for a thin line on white
    "#e69f00",
    "#56b4e9",
    "#8a8f98",
)
LINES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1.5, 1)),
    (0, (6, 1.5, 1.5, 1.5)),
    (0, (8, 2)),
    (0, (3, 1)),
)

ID_COLOUR, OOD_COLOUR = BLUE, VERMILION
SHORT_LABEL = 20  # characters: two such stand side by side in a legend
LEGEND_ROW = 0.17  # inches

INK, MUTED, RULE, PAPER = "#1d2229", "#5b6470", "#d9dce1", "#ffffff"

STYLE: Mapping[str, Any] = {
    "axes.edgecolor": MUTED,
    "axes.grid": True,
    "axes.grid.axis": "both",
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9.5,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.unicode_minus": True,
    "figure.dpi": 72,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "font.family": "DejaVu Sans",  # comes with matplotlib: the layout is the same everywhere
    "font.size": 9,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "legend.borderpad": 0.3,
    "legend.edgecolor": "none",
    "legend.facecolor": PAPER,
    "legend.fontsize": 9,
    "legend.framealpha": 0.8,
    "lines.linewidth": 1.5,
    "savefig.facecolor": "none",
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "xtick.color": MUTED,
    "xtick.labelsize": 9,
    "xtick.major.size": 0,
    "ytick.color": MUTED,
    "ytick.labelsize": 9,
    "ytick.major.size": 0,
}


def styled(**more: Any) -> AbstractContextManager[None]:
    """Matplotlib's settings within a `with` block: this file's, and `more`."""
    import matplotlib as mpl

    settings: Any = {**STYLE, **more}
    return mpl.rc_context(settings)


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of one axes, in inches. Call within `styled()`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.set_axisbelow(True)
    return figure, axes


def legend_below(figure: Figure, axes: Axes) -> None:
    """The axes' legend under them, where it covers nothing; the figure grows by its height. Call within `styled()`."""
    handles, labels = axes.get_legend_handles_labels()
    columns = 2 if max(map(len, labels), default=0) <= SHORT_LABEL else 1
    rows = -(-len(labels) // columns)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + 0.1 + LEGEND_ROW * rows)
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, handlelength=2.4, labelspacing=0.3
    )


def legend_or_undefined(figure: Figure, axes: Axes, *, defined: bool) -> None:
    """The legend below axes that show something; the word where nothing is defined. Call within `styled()`."""
    if defined:
        legend_below(figure, axes)
    else:
        axes.text(0.5, 0.55, "undefined", ha="center", color=MUTED, transform=axes.transAxes)


def _draw_intervals(
    axes: Axes, places: Sequence[float], values: Any, low: Any, high: Any, *, position: int, name: str
) -> None:
    """The line of one of several scorers, with an interval at each of its dots. Call within `styled()`.

    Args:
        places: where its dots stand; see `_beside`.
        position: which of the scorers, from 0: its colour and dashes.
    """
    colour = LINES[position]
    axes.plot(
        places,
        values,
        marker="o",
        markersize=4,
        color=colour,
        linestyle=DASHES[position],
        label=label(name, 28),
    )
    axes.vlines(places, low, high, color=colour, linewidth=1.4)


def draw_scorers(
    axes: Axes,
    frame: pd.DataFrame,
    scorers: Sequence[str],
    value: str,
    places: Callable[[pd.DataFrame], Sequence[float]],
) -> None:
    """A line with intervals for each of the first six scorers that has rows. Call within `styled()`.

    Args:
        frame: with columns `scorer`, `ci_low`, `ci_high` and that of the value.
        value: the column that is drawn.
        places: where a scorer's rows stand on the axis.
    """
    drawn = scorers[: len(LINES)]
    for position, name in enumerate(drawn):
        own = frame[frame["scorer"] == name]
        if len(own):
            moved = [place + _beside(position, len(drawn)) for place in places(own)]
            _draw_intervals(
                axes, moved, own[value], own["ci_low"], own["ci_high"], position=position, name=name
            )


def _beside(position: int, of: int) -> float:
    """How far a scorer's dots stand from their place, so that the intervals of several can be told apart."""
    return 0.06 * (position - (of - 1) / 2)


def label(name: str, limit: int = 34) -> str:
    """A task's or scorer's name, clean and short enough for an axis; the middle goes first."""
    name = clean(name).replace("\n", " ")
    if len(name) <= limit:
        return name
    head = (limit - 1) * 2 // 3
    return f"{name[:head]}…{name[-(limit - 1 - head) :]}"
