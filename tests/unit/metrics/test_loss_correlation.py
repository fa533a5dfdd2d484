"""Correlations of what means lose with what is known of shifts: by hand, and each resample laid out row by row."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from llmood.metrics import UndefinedMetric, loss_correlations, mean_bootstrap, pearson
from llmood.metrics.pooled import UnlabelledResamples

KNOWN = [0.1, 0.9, 0.4, 0.5]


def world(seed: int = 0, n: int = 20) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """ID and four shifts of the same samples; the mean falls as far as is known, with noise."""
    population = np.tile(np.arange(5), n)
    values = np.random.default_rng(seed).normal(size=5 * n) - np.array([0.0, *KNOWN])[population]
    return values, population, [f"g{row // 5}" for row in range(5 * n)]


def test_by_hand() -> None:
    # Means 1, 0, −1, 3: losses 1, 2, −2 over 10, 20, 30.
    found = loss_correlations(
        [0.0, 2.0, 0.0, -1.0, 3.0], np.array([0, 0, 1, 2, 3]), [10.0, 20.0, 30.0], draws=100
    )
    losses = [1.0, 2.0, -2.0]
    assert found["pearson"].value == pytest.approx(pearsonr([10, 20, 30], losses).statistic)
    assert found["spearman"].value == pytest.approx(-0.5)


@pytest.mark.parametrize("grouped", [True, False])
def test_intervals_are_those_of_resamples_laid_out(grouped: bool) -> None:
    values, population, names = world()
    groups = names if grouped else None
    found = loss_correlations(values, population, KNOWN, groups=groups, draws=120, seed=3)
    drawn: dict[str, list[float]] = {"pearson": [], "spearman": []}
    for weights in UnlabelledResamples(len(values), groups, draws=120, seed=3).chunks():
        for each in weights:
            rows = np.repeat(np.arange(len(values)), each)
            means = [values[rows][population[rows] == one].mean() for one in range(5)]
            losses = [means[0] - mean for mean in means[1:]]
            drawn["pearson"].append(pearsonr(KNOWN, losses).statistic)
            drawn["spearman"].append(spearmanr(KNOWN, losses).statistic)
    for name, each_drawn in drawn.items():
        interval = found[name]
        assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(each_drawn, [0.025, 0.975])))
        assert interval.method == "percentile"


def test_what_is_undefined() -> None:
    values, population, names = world()
    with pytest.raises(UndefinedMetric, match="or more, not 2"):
        loss_correlations(values[population < 3], population[population < 3], KNOWN[:2])
    with pytest.raises(UndefinedMetric, match="constant"):
        loss_correlations(values, population, [0.5] * 4)
    with pytest.raises(ValueError, match="each of them somewhere"):
        loss_correlations(values, np.where(population == 4, 3, population), KNOWN)
    with pytest.raises(ValueError, match="NaN"):
        loss_correlations(np.full_like(values, np.nan), population, KNOWN)
    alone = loss_correlations(values, population, KNOWN, groups=["one"] * len(names))
    assert alone["pearson"].low is None
    assert alone["pearson"].reason is not None
    # A row a set: most resamples lose one.
    few = loss_correlations([0.0, 1.0, 2.0, 4.0, 3.0], np.arange(5), KNOWN)
    assert few["pearson"].value is not None
    assert "resamples" in (few["pearson"].reason or "")


def test_pearson() -> None:
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(2, 30))
    assert pearson(x, y) == pytest.approx(pearsonr(x, y).statistic)
    assert pearson(x, 3.0 * x + 1.0) == pytest.approx(1.0)
    assert pearson(x, -1e-9 * x) == pytest.approx(-1.0)
    # 0.1 three times has another mean than 0.1.
    with pytest.raises(UndefinedMetric, match="constant"):
        pearson(np.full(3, 0.1), [1.0, 2.0, 3.0])
    with pytest.raises(UndefinedMetric, match="two samples"):
        pearson([1.0], [1.0])
    with pytest.raises(ValueError, match="shape"):
        pearson([1.0, 2.0], [1.0])


def test_a_mean_of_any_values() -> None:
    values = np.random.default_rng(2).normal(-3.0, 2.0, size=400)
    found = mean_bootstrap(values, draws=2000)
    assert found.value == values.mean()
    # The normal approximation: ±1.96·2/√400.
    assert (found.low, found.high) == pytest.approx((values.mean() - 0.196, values.mean() + 0.196), abs=0.03)
    nothing = mean_bootstrap(np.zeros(30))
    assert (nothing.low, nothing.value, nothing.high) == (0.0, 0.0, 0.0)
    assert mean_bootstrap([0.5]).reason is not None
    with pytest.raises(UndefinedMetric):
        mean_bootstrap([])
