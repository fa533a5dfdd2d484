from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.measures.membership import mistaken_for_members, youden_threshold

confidences = st.lists(st.sampled_from([0.1, 0.5, 0.9, 1.0]), min_size=1, max_size=20)


def test_by_hand() -> None:
    found = youden_threshold([0.9, 0.8, 0.3], [0.2, 0.5, 0.85])
    # At 0.8: 2 of 3 less 1 of 3; at 0.9: 1 of 3 less none; at 0.3: all less 2 of 3. The highest of the equals.
    assert found == pytest.approx((0.9, 1 / 3, 0.0))
    assert youden_threshold([0.9, 0.8, 0.3], [0.2, 0.1]) == (0.3, 1.0, 0.0)


@given(confidences, confidences)
def test_no_other_threshold_is_better(members: list[float], others: list[float]) -> None:
    found = youden_threshold(members, others)
    inside, outside = np.array(members), np.array(others)
    best = max((inside >= t).mean() - (outside >= t).mean() for t in {*members, *others})
    assert found.true_positives - found.false_positives == pytest.approx(best)
    assert found.true_positives == pytest.approx((inside >= found.value).mean())
    assert found.false_positives == pytest.approx(mistaken_for_members(others, found.value).rate)


def test_mistaken() -> None:
    assert mistaken_for_members([0.5, 0.75, 1.0, 0.0], 0.75) == (0.5, 0.875)
    assert mistaken_for_members([0.5], 0.75) == (0.0, None)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="members and others"):
        youden_threshold([], [0.5])
    with pytest.raises(ValueError, match="no row"):
        mistaken_for_members([], 0.5)
