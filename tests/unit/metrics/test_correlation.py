from __future__ import annotations

import math

import pytest

from llmood.metrics import UndefinedMetric, spearman


def test_hand_worked() -> None:
    # Ranks 1 2 3 4 and 1 3 2 4: 1 − 6·(0 + 1 + 1 + 0)/(4·15) = 0.8.
    assert spearman([1.0, 2.0, 3.0, 4.0], [10.0, 30.0, 20.0, 40.0]) == pytest.approx(0.8, abs=1e-15)


def test_ties_share_their_mean_rank() -> None:
    # Ranks 1 2.5 2.5 4 (from their mean −1.5 0 0 1.5) and 1 2 3 4 (−1.5 −0.5 0.5 1.5):
    # 4.5 / √(4.5 · 5) = √0.9.
    assert spearman([1.0, 2.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0]) == pytest.approx(math.sqrt(0.9), abs=1e-15)


def test_ends_are_exact_and_infinities_rank() -> None:
    x = [-math.inf, 0.0, 1e300, math.inf]
    assert spearman(x, x) == 1.0
    assert spearman(x, [4.0, 3.0, 2.0, 1.0]) == -1.0


def test_what_has_no_answer() -> None:
    with pytest.raises(UndefinedMetric, match="constant"):
        spearman([1.0, 2.0], [3.0, 3.0])
    with pytest.raises(UndefinedMetric, match="fewer than two"):
        spearman([1.0], [3.0])
    with pytest.raises(ValueError, match="NaN"):
        spearman([1.0, math.nan], [3.0, 4.0])
    with pytest.raises(ValueError, match="differ in shape"):
        spearman([1.0, 2.0], [3.0, 4.0, 5.0])
