"""Rank correlations of grades with means at each grade: by hand, and each resample laid out row by row."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from llmood.metrics import UndefinedMetric, grade_means, grade_rank_intervals, rank_with_grade
from llmood.metrics.pooled import UnlabelledResamples

GRADE = np.array([5, 0, 1, 1, 5, 0])
VALUES = np.array([3.0, 1.0, 4.0, 6.0, 1.0, 2.0])  # means: 1.5 at 0, 5 at 1, 2 at 5


def test_by_hand() -> None:
    grades, means = grade_means(GRADE, VALUES)
    assert grades.tolist() == [0, 1, 5]
    assert means.tolist() == [1.5, 5.0, 2.0]
    # Ranks 1, 3, 2 against 1, 2, 3: 1 − 6 (0 + 1 + 1) / (3 · 8).
    assert rank_with_grade(grades, means) == pytest.approx(0.5)
    assert rank_with_grade(grades, -means) == pytest.approx(-0.5)


def world(seed: int = 0, n: int = 30) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """A sample at each of six grades, a group each; the values rise with the grade, with noise."""
    generator = np.random.default_rng(seed)
    grade = np.tile(np.arange(6), n)
    return grade, grade * 0.1 + generator.normal(size=6 * n), [f"g{row // 6}" for row in range(6 * n)]


@pytest.mark.parametrize("grouped", [True, False])
def test_intervals_are_those_of_resamples_laid_out(grouped: bool) -> None:
    grade, values, names = world()
    groups = names if grouped else None
    found = grade_rank_intervals(grade, {"a": values, "b": -values}, groups=groups, draws=150, seed=4)
    drawn = []
    for weights in UnlabelledResamples(len(grade), groups, draws=150, seed=4).chunks():
        for each in weights:
            rows = np.repeat(np.arange(len(grade)), each)
            means = [values[rows][grade[rows] == step].mean() for step in range(6)]
            drawn.append(spearmanr(range(6), means).statistic)
    own, turned = found["a"], found["b"]
    assert own.value == pytest.approx(
        spearmanr(range(6), [values[grade == step].mean() for step in range(6)]).statistic
    )
    assert (own.low, own.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))
    assert (own.method, own.draws) == ("percentile", 150)
    assert (turned.low, turned.high) == pytest.approx((-(own.high or 0.0), -(own.low or 0.0)))


def test_what_moves_together_is_told_more_surely() -> None:
    grade, _, names = world()
    generator = np.random.default_rng(1)
    values = np.repeat(generator.normal(size=30), 6) + 0.01 * grade
    settings = {"draws": 300, "seed": 0}
    paired = grade_rank_intervals(grade, {"a": values}, groups=names, **settings)["a"]  # type: ignore[arg-type]
    alone = grade_rank_intervals(grade, {"a": values}, **settings)["a"]  # type: ignore[arg-type]
    assert (paired.value, paired.low, paired.high) == (1.0, 1.0, 1.0)
    assert alone.low is not None
    assert alone.low < 0.5


def test_the_order_of_the_rows_and_a_rising_change_of_grades_are_nothing() -> None:
    grade, values, _ = world()
    order = np.random.default_rng(5).permutation(len(grade))
    first, other = (
        grade_rank_intervals(*each, draws=10)["a"].value
        for each in ((grade, {"a": values}), (grade[order] ** 3, {"a": values[order]}))
    )
    assert first == other


def test_undefined() -> None:
    with pytest.raises(UndefinedMetric, match="answers at 2 grades"):
        rank_with_grade([0, 1], [0.1, 0.2])
    found = grade_rank_intervals(GRADE, {"flat": np.ones(6), "few": VALUES}, draws=200)
    assert found["flat"].value is None
    assert found["flat"].reason == "a constant score has no order to compare"
    # Two samples a grade: many resamples lose one.
    assert found["few"].value == pytest.approx(0.5)
    assert found["few"].low is None
    assert "of 200 resamples" in str(found["few"].reason)
    one = grade_rank_intervals(GRADE, {"a": VALUES}, groups=["g"] * 6)["a"]
    assert (one.low, one.reason) == (None, "fewer than two independent groups to resample")
    with pytest.raises(ValueError, match="shape"):
        grade_rank_intervals(GRADE, {"a": VALUES[1:]})
