"""F1 of one answer among two: by hand, by scikit-learn's formula, with an interval."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.metrics import UndefinedMetric, f1_interval, f1_of

FLAGS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30)


def test_by_hand() -> None:
    said, wanted = [True, True, True, False], [True, True, False, True]
    # precision 2/3, recall 2/3
    assert f1_of(said, wanted) == pytest.approx(2 / 3)
    assert f1_of([True], [True]) == 1.0
    assert f1_of([True, False], [False, True]) == 0.0


def test_nobody_says_it_and_nobody_should() -> None:
    with pytest.raises(UndefinedMetric, match="nobody"):
        f1_of([False], [False])


@given(FLAGS)
def test_it_is_the_harmonic_mean_of_precision_and_recall(flags: list[tuple[bool, bool]]) -> None:
    said, wanted = map(np.array, zip(*flags, strict=True))
    common = int((said & wanted).sum())
    if common:
        precision, recall = common / said.sum(), common / wanted.sum()
        assert f1_of(said, wanted) == pytest.approx(2 * precision * recall / (precision + recall))


def test_the_interval_holds_the_value_and_the_seed_decides_it() -> None:
    generator = np.random.default_rng(0)
    wanted = generator.random(400) < 0.5
    said = wanted ^ (generator.random(400) < 0.2)
    found = f1_interval(said, wanted, draws=300, seed=1)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high
    assert found.high - found.low < 0.12
    assert f1_interval(said, wanted, draws=300, seed=1) == found
    # Each row four times over, as one group, is no more than the row.
    groups = np.repeat(np.arange(400), 4).tolist()
    wider = f1_interval(said.repeat(4), wanted.repeat(4), groups=groups, draws=300, seed=1)
    assert (wider.low, wider.high) == pytest.approx((found.low, found.high))


@pytest.mark.parametrize(
    ("said", "wanted", "reason"),
    [
        ([True, False, False], [True, False, False], "undefined in"),  # a resample without the first row
        ([True, True], [True, True], "repeats it"),
    ],
)
def test_no_interval_where_resamples_say_nothing(said: list[bool], wanted: list[bool], reason: str) -> None:
    found = f1_interval(said, wanted, draws=200)
    assert (found.value, found.low, found.high) == (1.0, None, None)
    assert reason in (found.reason or "")


def test_one_group_says_nothing_of_spread() -> None:
    found = f1_interval([True, True], [True, False], groups=["one", "one"])
    assert found.low is None
    assert found.reason
