from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from llmood.measures.score_drift import ScoreDrift, kolmogorov_smirnov, population_stability

values = st.lists(st.sampled_from([-2.0, 0.0, 0.1, 0.5, 1.0, 1.5, np.inf]), min_size=1, max_size=60)


# SciPy divides by zero where both hold one row.
@given(st.lists(st.sampled_from([0.0, 0.1, 0.5]), min_size=2), values)
def test_scipys_kolmogorov_smirnov(calibration: list[float], scores: list[float]) -> None:
    found = kolmogorov_smirnov(calibration, scores)
    expected = stats.ks_2samp(calibration, scores, method="asymp")
    assert found.statistic == pytest.approx(expected.statistic, abs=1e-12)
    assert found.p_value == pytest.approx(expected.pvalue, abs=1e-9)


def test_stability_by_hand() -> None:
    # Two bins, up to 2 and above; 2 and 2 of four, 1 and 3 of four, with half a row more: 0.5, 0.5 and 0.3, 0.7.
    found = population_stability([1.0, 2.0, 3.0, 4.0], [2.0, 2.5, 9.0, 4.0], bins=2)
    assert found.value == pytest.approx(-0.2 * np.log(0.6) + 0.2 * np.log(1.4))
    assert (found.expected, found.bins) == (0.5, 2)
    assert population_stability([1.0, 2.0], [1.0, 2.0], bins=2).value == 0.0


def test_stability_with_ties() -> None:
    found = population_stability([0.0] * 8 + [1.0, 2.0], [0.0] * 9 + [2.0])
    assert (found.bins, np.isfinite(found.value)) == (3, True)
    assert population_stability([3.0] * 5, [9.0]).value == 0.0  # one bin holds all that there is


def test_stability_where_nothing_moved_is_what_is_expected() -> None:
    generator = np.random.default_rng(0)
    found = [population_stability(generator.normal(size=500), generator.normal(size=400)) for _ in range(400)]
    index = np.array([each.value for each in found])
    assert index.mean() == pytest.approx(found[0].expected, rel=0.1)
    assert population_stability(generator.normal(size=500), generator.normal(1.0, 1.0, 400)).value > 0.25


@given(st.integers(1, 60), st.integers(0, 3))
def test_chunks_in_any_order(size: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    calibration, scores = generator.integers(0, 30, 50) / 10.0, generator.normal(1.0, 2.0, 60)
    whole, pieces = ScoreDrift(calibration), ScoreDrift(calibration)
    whole.update(scores)
    for start in reversed(range(0, len(scores), size)):
        pieces.update(scores[start : start + size])
    assert pieces.kolmogorov_smirnov() == whole.kolmogorov_smirnov()
    assert pieces.stability() == whole.stability()


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="there are none"):
        ScoreDrift([])
    drift = ScoreDrift([1.0])
    for measure in (drift.kolmogorov_smirnov, drift.stability):
        with pytest.raises(ValueError, match="no row has a score"):
            measure()
    with pytest.raises(ValueError, match="without NaN"):
        drift.update([np.nan])
