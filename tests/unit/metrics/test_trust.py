"""Thresholds to trust answers above, against scipy's exact interval and what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from llmood.metrics import UndefinedMetric, trust_above
from llmood.metrics.exact import clopper_pearson


def test_the_interval_is_scipy_s() -> None:
    cases = [(0, 10), (3, 10), (10, 10), (1, 1), (950, 1000)]
    hits, of = (np.array(column, dtype=float) for column in zip(*cases, strict=True))
    low, high = clopper_pearson(hits, of, 0.95)
    for place, (k, n) in enumerate(cases):
        expected = binomtest(k, n).proportion_ci(0.95)
        assert (low[place], high[place]) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_by_hand() -> None:
    # 100 answers of 0.9, 90 right, above 100 of 0.5, 60 right: two looks, each at 1 − 0.05/2.
    confidence = np.repeat([0.5, 0.9], 100)
    correct = np.concatenate([np.arange(100) < 60, np.arange(100) < 90])
    first, second, third = trust_above(confidence, correct, (0.6, 0.8, 0.99))
    whole, upper = (binomtest(k, n).proportion_ci(0.975) for k, n in ((150, 200), (90, 100)))
    assert first[1:6] == (0.5, None, 200, 1.0, 0.75)
    assert (first.ci_low, first.ci_high) == pytest.approx((whole.low, whole.high), abs=1e-12)
    assert second[1:6] == (0.9, None, 100, 0.5, 0.9)
    assert (second.ci_low, second.ci_high) == pytest.approx((upper.low, upper.high), abs=1e-12)
    assert third.threshold is None
    assert third.ci_low is None
    assert third.reason == (
        f"at 95 % no more than {upper.low:.3g} can be said, of the 100 answers from a confidence of 0.9 on"
    )


def test_higher_accuracies_get_no_lower_thresholds() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(2000)
    found = trust_above(confidence, rng.random(2000) < confidence, np.linspace(0.4, 0.9, 11).tolist())
    thresholds = [trust.threshold for trust in found]
    assert None not in thresholds
    assert thresholds == sorted(thresholds)
    assert len(set(thresholds)) > 3
    assert all(trust.ci_low >= trust.asked for trust in found)


def test_the_promise_holds_for_all_looks_at_once() -> None:
    """Over 400 samples of known accuracy the share of broken promises is at most 5 % and two standard errors."""
    broken = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        confidence = rng.random(300)
        # Calibrated: above t, answers are right with (1 + t) / 2.
        for trust in trust_above(
            confidence, rng.random(300) < confidence, np.linspace(0.4, 0.95, 12).tolist()
        ):
            if trust.threshold is not None and (1 + trust.threshold) / 2 < trust.asked:
                broken += 1
                break
    assert broken / 400 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)


def test_groups_count_once() -> None:
    confidence, correct = np.repeat([0.5, 0.9], 50), np.arange(100) % 5 > 0
    (alone,) = trust_above(confidence, correct, [0.5])
    (many,) = trust_above(np.repeat(confidence, 3), np.repeat(correct, 3), [0.5])
    (together,) = trust_above(
        np.repeat(confidence, 3), np.repeat(correct, 3), [0.5], groups=np.repeat(np.arange(100), 3).tolist()
    )
    assert many.ci_low > alone.ci_low
    assert (together.n, together.ci_low, together.ci_high) == (300, alone.ci_low, alone.ci_high)


def test_refuses() -> None:
    with pytest.raises(UndefinedMetric, match="no samples"):
        trust_above([], np.array([], dtype=bool))
    with pytest.raises(ValueError, match=r"an accuracy must be above 0 and at most 1, not 1\.5"):
        trust_above([0.5], [True], [1.5])
    with pytest.raises(ValueError, match="level must lie between"):
        trust_above([0.5], [True], level=0.0)
    with pytest.raises(ValueError, match="2 groups for 1 samples"):
        trust_above([0.5], [True], groups=["a", "b"])
