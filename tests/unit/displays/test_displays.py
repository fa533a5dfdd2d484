from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from llmood.clean import clean
from llmood.displays import AurocIntervals, Differences, RocCurves, ScoreDistribution, SeverityCurve
from llmood.displays.auroc_intervals import side_of_chance
from llmood.displays.roc import MAX_POINTS
from llmood.displays.style import label
from llmood.metrics import auroc

IS_OOD = np.array([False, False, False, True, True])


def test_roc_vertices_by_hand() -> None:
    # Falling scores: 5 ood, 4 id, 3 ood, 2 id, 1 id. Curve: up ½, right ⅓, up ½, right ⅔ (one straight line).
    frame = RocCurves({"s": np.array([4.0, 2.0, 1.0, 5.0, 3.0])}, IS_OOD, ood_task="o").frame()
    points = list(zip(frame["false_positive_rate"], frame["true_positive_rate"], strict=True))
    assert points == [(0.0, 0.0), (0.0, 0.5), (1 / 3, 0.5), (1 / 3, 1.0), (1.0, 1.0)]


def test_a_tie_across_populations_is_a_slope() -> None:
    frame = RocCurves({"s": np.zeros(5)}, IS_OOD, ood_task="o").frame()
    assert frame[["false_positive_rate", "true_positive_rate"]].to_numpy().tolist() == [[0, 0], [1, 1]]


def test_unscored_samples_leave_the_curve() -> None:
    values = np.array([np.nan, 2.0, 1.0, 5.0, np.nan])
    frame = RocCurves({"s": values, "none": np.full(5, np.nan)}, IS_OOD, ood_task="o").frame()
    assert set(frame["scorer"]) == {"s"}
    assert frame.iloc[-1]["true_positive_rate"] == 1.0


def test_long_curves_are_thinned_at_their_vertices() -> None:
    generator = np.random.default_rng(0)
    scores = generator.normal(size=20_000)
    is_ood = np.repeat([False, True], 10_000)
    scores[is_ood] += 1
    frame = RocCurves({"s": scores}, is_ood, ood_task="o").frame()
    assert 100 < len(frame) <= MAX_POINTS
    x, y = frame["false_positive_rate"].to_numpy(), frame["true_positive_rate"].to_numpy()
    # Every point kept is a point of the whole curve: a count over 10,000.
    assert np.allclose(x * 10_000, np.round(x * 10_000), atol=1e-6)
    assert np.trapezoid(y, x) == pytest.approx(auroc(scores, is_ood), abs=0.002)


def test_distribution_counts_everything_once() -> None:
    scores = np.array([0.0, 1.0, 2.0, 3.5, np.nan, 1.0, 4.0, np.inf])
    is_ood = np.array([False] * 4 + [True] * 4)
    display = ScoreDistribution(scores, is_ood, scorer="s", id_task="i", ood_task="o")
    frame = display.frame()
    counted = frame.groupby("population")["count"].sum()
    assert (counted["id"], counted["ood"]) == (4, 3)
    assert frame.loc[frame["population"] == "id", "share"].sum() == pytest.approx(1.0)
    beyond = frame[np.isinf(frame["low"]) | np.isinf(frame["high"])]["count"].sum()
    assert display.beyond() == beyond
    assert beyond >= 1
    display.plot()


def test_the_threshold_catches_95_percent() -> None:
    scores = np.arange(40.0)
    is_ood = np.repeat([False, True], 20)
    display = ScoreDistribution(scores, is_ood, scorer="s", id_task="i", ood_task="o")
    assert display.threshold == 21.0  # 19 of the 20 OOD scores 20 … 39 are at or above it


def test_whole_numbers_get_whole_bins() -> None:
    scores = np.array([5.0, 6, 7, 8, 90, 95, 99])
    is_ood = np.array([False] * 4 + [True] * 3)
    frame = ScoreDistribution(scores, is_ood, scorer="length", id_task="i", ood_task="o").frame()
    widths = (frame["high"] - frame["low"]).replace(np.inf, np.nan).dropna().unique()
    assert widths.tolist() == [8.0]  # 95 whole numbers in at most 12 bins


@pytest.mark.parametrize(
    "scores",
    [
        np.zeros(5),
        np.full(5, np.nan),
        np.full(5, np.inf),
        np.array([1e300, -1e300, 0, 1, 2]),
        np.full(5, 1e-300),
    ],
)
def test_strange_scores_can_be_drawn(scores: np.ndarray) -> None:
    ScoreDistribution(scores, IS_OOD, scorer="s", id_task="i", ood_task="o").plot()
    RocCurves({"s": scores}, IS_OOD, ood_task="o").plot()


def test_auroc_intervals_read_the_records() -> None:
    common = {"question": "ood_detection", "ood_task": "o", "slice": None, "reason": None}
    rows: list[dict[str, Any]] = [
        {**common, "metric": "auroc", "scorer": "a", "value": 0.9, "ci_low": 0.8, "ci_high": 0.95},
        {**common, "metric": "auroc", "scorer": "b", "value": None, "ci_low": None, "ci_high": None},
        {**common, "metric": "auroc", "scorer": "length", "value": 0.4, "ci_low": 0.3, "ci_high": 0.5},
        {
            **common,
            "metric": "auroc",
            "scorer": "a",
            "ood_task": "other",
            "value": 0.1,
            "ci_low": 0,
            "ci_high": 1,
        },
        {
            **common,
            "metric": "auroc_behind_best",
            "scorer": "a",
            "params": {"best": "a", "ties_with_best": True},
        },
    ]
    display = AurocIntervals(rows, ood_task="o")
    frame = display.frame()
    assert frame["scorer"].tolist() == ["a", "b", "length"]
    assert frame["auroc"].tolist()[::2] == [0.9, 0.4]
    assert np.isnan(frame["auroc"][1])
    assert frame["baseline"].tolist() == [False, False, True]
    assert frame["best"].tolist() == [True, False, False]
    assert display.describe() == "AUROC with interval on o: a 0.900, length 0.400."
    display.plot()
    AurocIntervals([], ood_task="o").plot()


@pytest.mark.parametrize(
    ("value", "low", "expected"),
    [(0.6, 0.51, True), (0.6, 0.5, False), (0.6, None, True), (0.5, None, False), (None, None, False)],
)
def test_only_what_is_above_chance_is_marked_best(
    value: float | None, low: float | None, expected: bool
) -> None:
    common = {"question": "ood_detection", "ood_task": "o", "slice": None, "scorer": "a"}
    high = None if low is None else 0.9
    rows: list[dict[str, Any]] = [
        {**common, "metric": "auroc", "value": value, "ci_low": low, "ci_high": high},
        {**common, "metric": "auroc_behind_best", "params": {"best": "a", "ties_with_best": True}},
    ]
    frame = AurocIntervals(rows, ood_task="o").frame()
    assert frame["best"].tolist() == frame["ties_with_best"].tolist() == [expected]


def test_labels_are_short_and_clean() -> None:
    assert label("name") == "name"
    assert len(label("n" * 100, 20)) == 20
    assert label("a\nb\x00") == "a b␀"


def test_clean_keeps_every_language() -> None:
    text = "naïve 中文 العربية 👩‍👧 tab\there\nline"
    assert clean(text) == text
    assert clean("a\r\nb\rc") == "a\nb\nc"
    assert clean("\x7f\x85\ufffe") == "␡��"


def covers(figure: Figure) -> bool:
    """Whether a legend lies on the axes, or beyond the figure's edge."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    (axes,) = figure.axes
    legends = [*figure.legends, *filter(None, [axes.get_legend()])]
    assert legends
    boxes = [legend.get_window_extent(renderer) for legend in legends]
    whole = figure.bbox
    inside = all(
        box.x0 >= 0 and box.y0 >= 0 and box.x1 <= whole.width and box.y1 <= whole.height for box in boxes
    )
    return not inside or any(box.overlaps(axes.get_tightbbox(renderer)) for box in boxes)


@pytest.mark.parametrize("many", [1, 2, 6, 9])
@pytest.mark.parametrize("name", ["s", "likelihood_ratio.response_given_prompt.mean@tuned:1"])
def test_no_legend_lies_on_the_curves(many: int, name: str) -> None:
    scorers = [f"{place} {name}" for place in range(many)]
    # Every corner is taken: scores that rank forwards, and backwards.
    scores = {scorer: np.arange(5.0) * (-1) ** place for place, scorer in enumerate(scorers)}
    assert not covers(RocCurves(scores, IS_OOD, ood_task="o").plot())
    records = [
        {
            "question": "ood_detection",
            "metric": "auroc",
            "slice": None,
            "scorer": scorer,
            "ood_task": f"t{grade}",
            "value": place / many,
            "ci_low": 0.0,
            "ci_high": 1.0,
        }
        for place, scorer in enumerate(scorers)
        for grade in range(1, 6)
    ]
    grades = {f"t{grade}": grade for grade in range(1, 6)}
    figure = SeverityCurve(records, grades, family="t", scorers=scorers).plot()
    assert not covers(figure)
    (box,) = [axes.get_position() for axes in figure.axes]
    assert box.height * figure.get_figheight() > 2  # the curves keep their room


def test_each_row_of_a_forest_plot_keeps_its_scorer_whole() -> None:
    def record(scorer: str) -> dict[str, Any]:
        sides = {"a": {"letter": "A", "scorer": "length"}, "b": {"letter": "B", "scorer": scorer}}
        values = {"value": 0.1, "ci_low": 0.0, "ci_high": 0.2}
        return {"ood_task": "a_task_with_a_name_that_is_far_too_long", **values, "params": sides}

    names = ["likelihood_ratio.mean@tuned:1", "likelihood_ratio.response_given_prompt.mean@tuned:1"]
    display = Differences([record(name) for name in names], title="AUROC")
    assert display.frame()["label"].tolist() == [
        f"a_task_with_a_name_that_is_far_too_long · {name}" for name in names
    ]
    figure = display.plot()
    first, second = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert first.endswith(f" · {names[0]}")
    assert second.partition(" · ")[2].startswith("likelihood_ratio.respon")
    assert second.endswith("mean@tuned:1")
    figure.draw_without_rendering()
    renderer = FigureCanvasAgg(figure).get_renderer()
    assert all(tick.get_window_extent(renderer).x0 >= 0 for tick in figure.axes[0].get_yticklabels())
    assert figure.axes[0].get_position().width * figure.get_figwidth() > 2.5


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [
        (0.489, 0.457, 0.517, "chance"),
        (0.505, 0.459, 0.549, "chance"),
        (0.55, 0.5, 0.6, "chance"),
        (0.45, 0.4, 0.49, "below"),
        (0.55, 0.51, 0.6, "above"),
        (0.4, None, None, "below"),
        (0.5, None, None, "chance"),
        (None, None, None, None),
    ],
)
def test_an_interval_that_holds_a_half_is_chance(
    value: float | None, low: float | None, high: float | None, expected: str | None
) -> None:
    record = {"question": "ood_detection", "metric": "auroc", "value": value, "ci_low": low, "ci_high": high}
    assert side_of_chance(record) == expected
    frame = AurocIntervals([{**record, "ood_task": "o", "slice": None, "scorer": "a"}], ood_task="o").frame()
    assert frame["side"].tolist() == [expected]
