from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.measures.best_split import best_split, is_high


def within(values: np.ndarray, threshold: float) -> float:
    groups = values[values < threshold], values[values >= threshold]
    return sum(float(((group - group.mean()) ** 2).sum()) for group in groups if len(group))


@pytest.mark.parametrize(("low", "high"), [(1, 1), (7, 2), (2, 900)])
def test_two_values(low: int, high: int) -> None:
    values = np.repeat([0.0, 1.0], [low, high])
    threshold = best_split(values)
    assert 0 < threshold <= 1
    assert is_high(values, threshold).tolist() == [False] * low + [True] * high


def test_two_heaps() -> None:
    values = np.array([0.1, 0.2, 0.3, 1.9, 2.0, 2.1, 2.3])
    assert is_high(values, best_split(values)).tolist() == [False] * 3 + [True] * 4


def test_what_equals_the_threshold_is_high() -> None:
    assert is_high(np.array([0.4, 0.5, 0.6]), 0.5).tolist() == [False, True, True]
    # The only split is at the largest value itself.
    values = np.array([1.0, 1.0, 1.0 + 1e-6])
    assert is_high(values, best_split(values)).tolist() == [False, False, True]


@given(st.lists(st.sampled_from([0.0, 0.325, 0.639, 1.2, 1.478, 2.303]), min_size=2, max_size=30))
def test_no_other_threshold_is_better(entropies: list[float]) -> None:
    values = np.array(entropies)
    if len({*entropies}) == 1:
        with pytest.raises(ValueError, match="all entropies are the same"):
            best_split(values)
        return
    found = best_split(values)
    assert 0 < is_high(values, found).sum() < len(values)
    best = min(within(values, other) for other in np.linspace(1e-10, values.max(), 100))
    assert within(values, found) == pytest.approx(best, abs=1e-9)


def test_bad_input() -> None:
    for values in (np.array([0.0, np.nan]), np.array([-0.5, 1.0])):
        with pytest.raises(ValueError, match="0 or more"):
            best_split(values)
    for values in (np.zeros(0), np.zeros(5), np.array([0.0, 2e-16])):
        with pytest.raises(ValueError, match="all entropies are the same"):
            best_split(values)
