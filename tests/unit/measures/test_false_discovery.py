from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from llmood.measures.false_discovery import benjamini_hochberg
from llmood.measures.split_conformal import p_values


def test_by_hand() -> None:
    # α r / m = 0.0125, 0.025, 0.0375, 0.05: the third is small enough, and takes the second with it.
    assert benjamini_hochberg([0.035, 0.9, 0.01, 0.03], 0.05).tolist() == [True, False, True, True]
    assert benjamini_hochberg([0.035, 0.9, 0.03], 0.05).tolist() == [False, False, False]
    assert benjamini_hochberg([], 0.05).tolist() == []
    assert benjamini_hochberg([0.05] * 3, 0.05).tolist() == [True] * 3


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.floats(0.01, 0.5))
def test_scipys_adjusted_p_values(values: list[float], alpha: float) -> None:
    adjusted = stats.false_discovery_control(values)
    clear = np.abs(adjusted - alpha) > 1e-9
    assert (benjamini_hochberg(values, alpha) == (adjusted <= alpha))[clear].all()


def test_few_of_the_flags_are_false() -> None:
    """45 rows of 50 at home, one calibration set for all of them: the mean share of false flags is at most 0.9 α."""
    alpha, generator = 0.2, np.random.default_rng(2)
    shares, found = [], 0
    for _ in range(1_000):
        scores = np.concatenate([generator.normal(size=45), generator.normal(4.0, 1.0, 5)])
        flags = benjamini_hochberg(p_values(scores, generator.normal(size=500)), alpha)
        shares.append(flags[:45].sum() / max(flags.sum(), 1))
        found += int(flags[45:].sum())
    assert np.mean(shares) <= 0.9 * alpha + 2 * np.std(shares) / np.sqrt(len(shares))
    assert found > 3_000


def test_bad_input() -> None:
    for values in ([-0.1], [1.1], [np.nan], [[0.5]]):
        with pytest.raises(ValueError, match="from 0 to 1"):
            benjamini_hochberg(values, 0.1)
