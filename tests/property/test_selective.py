"""What holds of every metric of errors on any data, and that loops and permutations give the same numbers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from llmood.metrics import (
    accuracy_at_coverage,
    aurac,
    aurc,
    eaurc,
    error_auroc,
    error_detection_metrics,
    prr,
)
from llmood.metrics.inputs import BoolArray, FloatArray

Data = tuple[FloatArray, BoolArray]


@st.composite
def data(draw: st.DrawFn, max_size: int = 30, *, finite: bool = False) -> Data:
    special = [0.0, -0.0, 1.0, 0.5] + ([] if finite else [math.inf, -math.inf])
    value = st.one_of(st.sampled_from(special), st.integers(-2, 2).map(float), st.floats(-1e6, 1e6))
    rows = draw(st.lists(st.tuples(value, st.booleans()), max_size=max_size))
    rows += [(draw(value), True), (draw(value), False)]
    scores, correct = zip(*draw(st.permutations(rows)), strict=True)
    return np.array(scores), np.array(correct)


@st.composite
def graded(draw: st.DrawFn, max_size: int = 20) -> tuple[FloatArray, FloatArray]:
    quality = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))
    rows = draw(st.lists(st.tuples(st.integers(0, 4).map(float), quality), max_size=max_size))
    rows += [(1.0, 0.0), (2.0, 1.0)]
    scores, qualities = zip(*draw(st.permutations(rows)), strict=True)
    return np.array(scores), np.array(qualities)


def everything(scores: FloatArray, correct: BoolArray) -> dict[str, float]:
    return {metric.id: metric(scores, ~correct) for metric in error_detection_metrics()}


def area(risks: FloatArray) -> float:
    return sum(float(np.mean(risks[: i + 1])) for i in range(len(risks))) / len(risks)


def orders(scores: FloatArray) -> list[list[int]]:
    """Every order of the rows that the scores allow."""
    groups = [np.flatnonzero(scores == value).tolist() for value in np.unique(scores)]
    choices = itertools.product(*(itertools.permutations(group) for group in groups))
    return [list(itertools.chain(*choice)) for choice in choices]


@given(data(max_size=4))
@settings(max_examples=60)
def test_equal_to_the_mean_over_every_order_of_ties(x: Data) -> None:
    scores, correct = x
    every = [correct[order] for order in orders(scores)]
    n = len(correct)
    assert aurc(*x) == pytest.approx(np.mean([area(~each) for each in every]), abs=1e-12)
    for coverage in (0.2, 0.5, 0.8, 1.0):
        wanted = math.ceil(coverage * n - 1e-9)
        expected = np.mean([each[:wanted].mean() for each in every])
        assert accuracy_at_coverage(*x, coverage) == pytest.approx(expected, abs=1e-12)


@given(graded(max_size=4))
@settings(max_examples=60)
def test_graded_prr_equals_the_mean_over_every_order_of_ties(x: tuple[FloatArray, FloatArray]) -> None:
    scores, quality = x
    found = np.mean([area(1 - quality[order]) for order in orders(scores)])
    chance, best = float(np.mean(1 - quality)), area(np.sort(1 - quality))
    assert prr(scores, quality) == pytest.approx((chance - found) / (chance - best), abs=1e-9)


@given(data(finite=True))
def test_a_plain_loop_gives_the_same(x: Data) -> None:
    # Ties spread out: each tied answer is as wrong as its group is on average.
    scores, correct = x
    risks = np.array([np.mean(~correct[scores == score]) for score in np.sort(scores)])
    assert aurc(scores, correct) == pytest.approx(area(risks), abs=1e-12)
    best = area(np.sort(~correct).astype(float))
    assert eaurc(scores, correct) == pytest.approx(area(risks) - best, abs=1e-12)
    chance = float(np.mean(~correct))
    assert prr(scores, correct) == pytest.approx((chance - area(risks)) / (chance - best), abs=1e-9)
    assert error_auroc(scores, correct) == pytest.approx(
        sklearn.metrics.roc_auc_score(~correct, scores), abs=1e-12
    )
    accuracies = [1 - np.mean(risks[: math.ceil(c * len(risks) - 1e-9)]) for c in np.linspace(0.1, 1, 20)]
    assert aurac(scores, correct) == pytest.approx(np.mean(accuracies), abs=1e-12)


@given(data())
def test_bounds(x: Data) -> None:
    for metric in error_detection_metrics():
        low, high = metric.bounds
        assert low <= metric(x[0], ~x[1]) <= high


@given(data(), st.data())
def test_the_order_of_rows_changes_nothing_at_all(x: Data, choice: st.DataObject) -> None:
    order = np.array(choice.draw(st.permutations(range(len(x[0])))))
    assert everything(x[0][order], x[1][order]) == everything(*x)


@given(graded(), st.data())
def test_the_order_of_rows_changes_nothing_for_graded_answers(
    x: tuple[FloatArray, FloatArray], choice: st.DataObject
) -> None:
    order = np.array(choice.draw(st.permutations(range(len(x[0])))))
    assert prr(x[0][order], x[1][order]) == prr(*x)


@given(data())
def test_a_monotone_transform_changes_nothing_at_all(x: Data) -> None:
    ranks = np.unique(x[0], return_inverse=True)[1].astype(np.float64)
    assert everything(np.exp(ranks / 5.0) - 17.0, x[1]) == everything(*x)


@given(data(), st.floats(-10, 10))
def test_a_constant_score_has_prr_0_whatever_the_order(x: Data, value: float) -> None:
    constant = np.full(len(x[1]), value)
    assert prr(constant, x[1]) == 0.0
    assert error_auroc(constant, x[1]) == 0.5
    assert aurc(constant, x[1]) == pytest.approx(np.mean(~x[1]), abs=1e-12)
    assert accuracy_at_coverage(constant, x[1], 0.3) == pytest.approx(np.mean(x[1]), abs=1e-12)


@given(graded(), st.floats(-10, 10))
def test_a_constant_score_has_prr_0_for_graded_answers(
    x: tuple[FloatArray, FloatArray], value: float
) -> None:
    assert prr(np.full(len(x[1]), value), x[1]) == pytest.approx(0.0, abs=1e-12)


@given(data(), graded())
def test_a_perfect_score_has_prr_1(x: Data, y: tuple[FloatArray, FloatArray]) -> None:
    jitter = np.linspace(0, 0.5, len(x[1]))
    perfect = (~x[1]).astype(float) + jitter
    assert prr(perfect, x[1]) == pytest.approx(1.0, abs=1e-9)
    assert eaurc(perfect, x[1]) == pytest.approx(0.0, abs=1e-12)
    assert prr(-y[1], y[1]) == pytest.approx(1.0, abs=1e-9)


@given(data())
def test_no_order_is_better_than_the_oracle(x: Data) -> None:
    assert prr(*x) <= 1.0
    assert eaurc(*x) >= 0.0
