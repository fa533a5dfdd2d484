"""Ranks among a reference."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from llmood.measures.ranks import ranks_among

NUMBERS = st.lists(st.floats(-5, 5).map(lambda value: round(value, 1)), min_size=1, max_size=20)


def test_by_hand() -> None:
    reference = np.array([1.0, 2.0, 2.0, 3.0])
    # Below all; equal to the first (half of one of four); among the twos (1 below, 2 equal); between; above all.
    assert ranks_among(np.array([0.0, 1.0, 2.0, 2.5, 9.0]), reference).tolist() == [
        0.0,
        0.125,
        0.5,
        0.75,
        1.0,
    ]


@given(NUMBERS, NUMBERS)
def test_a_rank_is_the_chance_to_stand_above_a_reference(values: list[float], reference: list[float]) -> None:
    found = ranks_among(np.array(values), np.sort(reference))
    brute = [
        sum((each < value) + (each == value) / 2 for each in reference) / len(reference) for value in values
    ]
    np.testing.assert_allclose(found, brute)


@given(NUMBERS)
def test_the_references_themselves_have_mean_one_half(reference: list[float]) -> None:
    assert np.isclose(ranks_among(np.array(reference), np.sort(reference)).mean(), 0.5)
