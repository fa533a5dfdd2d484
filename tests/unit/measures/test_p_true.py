"""p(True) of two logits."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from llmood.measures.p_true import probability_false

LOGITS = st.floats(-1e4, 1e4)


def test_worked_by_hand() -> None:
    # e^2 / (e^2 + e^0) = 0.880797
    np.testing.assert_allclose(
        probability_false(np.array([[2.0, 0.0], [0.0, 2.0], [5.0, 5.0]])),
        [0.119203, 0.880797, 0.5],
        atol=1e-6,
    )
    assert np.isnan(probability_false(np.array([[np.nan, np.nan]]))).all()
    assert probability_false(np.zeros((0, 2))).shape == (0,)


@given(LOGITS, LOGITS, st.floats(-100, 100))
def test_it_is_a_share_of_the_two_alone(true: float, false: float, shift: float) -> None:
    value, other, moved = probability_false(
        np.array([[true, false], [false, true], [true + shift, false + shift]])
    )
    assert 0.0 <= value <= 1.0
    np.testing.assert_allclose(value + other, 1.0, atol=1e-12)
    np.testing.assert_allclose(moved, value, atol=1e-9)


@given(LOGITS, st.floats(0.01, 10))
def test_a_likelier_true_scores_lower(logit: float, more: float) -> None:
    low, high = probability_false(np.array([[more, 0.0], [0.0, more]]))
    assert low < 0.5 < high
