"""What holds of thirds and of the gap on any data; ties are always there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmood.metrics import auroc_gap_interval, thirds

VALUES = st.lists(st.sampled_from([-np.inf, -2.0, 0.0, 1.0, 1.5, 3.0, 7.0, np.inf]), min_size=1, max_size=40)
SCORES = st.lists(st.integers(-4, 4).map(float), min_size=10, max_size=25)


@given(VALUES, st.randoms(use_true_random=False))
def test_a_third_is_the_values_own_whatever_the_order(
    values: list[float], random: np.random.Generator
) -> None:
    order = list(range(len(values)))
    random.shuffle(order)
    assert thirds([values[row] for row in order]).tolist() == [int(thirds(values)[row]) for row in order]


@given(VALUES)
def test_thirds_rise_with_the_values_and_turn_round_with_them(values: list[float]) -> None:
    array, part = np.array(values), thirds(values)
    assert (np.diff(part[np.argsort(array, kind="stable")]) >= 0).all()
    assert thirds(-array).tolist() == (2 - part).tolist()
    assert thirds(np.arctan(array)).tolist() == part.tolist()
    for value in set(values):
        assert len(set(part[array == value].tolist())) == 1


@given(st.integers(1, 60))
def test_values_that_all_differ_make_even_thirds(n: int) -> None:
    sizes = np.bincount(thirds(np.arange(n)), minlength=3)
    assert sizes.sum() == n
    assert sizes[0] == sizes[2]
    assert abs(sizes[1] - sizes[0]) <= 1


@settings(max_examples=25, deadline=None)
@given(SCORES, SCORES, SCORES)
def test_the_gap_turns_round_with_its_slices(ids: list[float], low: list[float], high: list[float]) -> None:
    found = auroc_gap_interval(ids, low, high, draws=40)
    turned = auroc_gap_interval(ids, high, low, draws=40)
    assert turned.value == pytest.approx(-found.value)
    assert -1 <= found.value <= 1
    same = auroc_gap_interval(ids, low, low, draws=40)
    assert same.value == 0
    if found.low is not None and found.high is not None:
        assert -1 <= found.low <= found.high <= 1
    # A monotone transform of all scores changes nothing.
    raised = [list(np.exp(each)) for each in (ids, low, high)]
    assert auroc_gap_interval(*raised, draws=40) == found
