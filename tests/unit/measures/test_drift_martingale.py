from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from llmood.measures.drift_martingale import DriftMartingale


def test_p_values_by_hand() -> None:
    """Each row among all before it; a bin's rows are as one."""
    martingale = DriftMartingale(np.arange(8.0), 0)
    edges, counts = martingale.edges, martingale.counts.copy()
    assert (len(edges), counts.sum()) == (2, 6)
    scores = np.array([7.5, 7.5, -1.0, edges[0]])
    places = np.random.Generator(np.random.PCG64([0, 2])).random(4)
    top, bottom = counts[-1], counts[0]
    expected = [
        places[0] * (top + 1) / 7,
        places[1] * (top + 2) / 8,
        (8 - bottom + places[2] * (bottom + 1)) / 9,
        (8 - bottom + places[3] * (bottom + 2)) / 10,
    ]
    assert martingale.p_values(scores).tolist() == pytest.approx(expected)


def test_p_values_are_uniform_and_independent_whatever_the_calibration_rows() -> None:
    generator = np.random.default_rng(1)
    found = np.stack(
        [
            DriftMartingale(generator.integers(0, 6, 40), seed).p_values(generator.integers(0, 6, 20))
            for seed in range(2_000)
        ]
    )
    assert stats.kstest(found.ravel(), "uniform").pvalue > 0.001
    pairs = np.corrcoef(found.T)[np.triu_indices(20, 1)]
    # p-values among the calibration rows alone correlate by about 1/n = 0.03 here.
    assert abs(pairs.mean()) < 4 / np.sqrt(len(pairs) * 2_000)


@pytest.mark.parametrize("size", [1, 100, 255, 257, 600])
def test_how_the_stream_is_cut_changes_nothing(size: int) -> None:
    generator = np.random.default_rng(2)
    calibration, scores = generator.normal(size=200), generator.normal(0.5, 1.0, 600)
    whole = DriftMartingale(calibration, 9).update(scores)
    pieces, found = DriftMartingale(calibration, 9), []
    for start in range(0, len(scores), size):
        found += pieces.update(scores[start : start + size]).tolist()
    assert found == whole.tolist()
    assert pieces.highest == max(0.0, *found)
    assert pieces.evidence() == pytest.approx(np.exp(-pieces.highest))


def test_the_promise_where_nothing_moves() -> None:
    """Of 1,000 streams at most δ, and two standard errors, ever reach 1/δ, looked at after each of 1,000 rows."""
    streams, generator = 1_000, np.random.default_rng(3)
    highest = []
    for seed in range(streams):
        martingale = DriftMartingale(generator.standard_t(3, size=200), seed)
        martingale.update(generator.standard_t(3, size=1_000))
        highest.append(martingale.highest)
    for delta in (0.2, 0.1, 0.05):
        crossed = np.mean(np.array(highest) >= np.log(1 / delta))
        assert crossed <= delta + 2 * np.sqrt(delta * (1 - delta) / streams), delta


def test_its_mean_is_one() -> None:
    generator = np.random.default_rng(4)
    capital = [
        np.exp(DriftMartingale(generator.normal(size=40), seed).update(generator.normal(size=15))[-1])
        for seed in range(3_000)
    ]
    assert np.mean(capital) == pytest.approx(1.0, abs=4 * np.std(capital) / np.sqrt(3_000))


@pytest.mark.parametrize("shift", [0.5, -0.5])
@pytest.mark.parametrize("before", [0, 3_000])
def test_a_shift_is_found_at_once_or_late(shift: float, before: int) -> None:
    generator = np.random.default_rng(5)
    found, too_early = 0, 0
    for seed in range(20):
        martingale = DriftMartingale(generator.normal(size=1_000), seed)
        martingale.update(generator.normal(size=before))
        too_early += martingale.evidence() <= 0.01
        martingale.update(generator.normal(shift, 1.0, 500))
        found += martingale.evidence() <= 0.01
    assert (found, too_early) == (20, 0)


def test_capital_beyond_all_floats() -> None:
    martingale = DriftMartingale(np.random.default_rng(6).normal(size=20_000), 0)
    capital = martingale.update(np.full(6_000, 99.0))
    assert capital[-1] > 1_000  # e^1000 is no float
    assert np.isfinite(capital).all()


def test_few_calibration_rows_and_bad_input() -> None:
    for calibration in ([], [1.0], [1.0, 1.0, 1.0, 1.0]):
        martingale = DriftMartingale(calibration, 0)
        assert np.isfinite(martingale.update([1.0, 2.0, 1.0])).all()
    with pytest.raises(ValueError, match="without NaN"):
        martingale.update([np.nan])
