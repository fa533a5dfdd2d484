"""The channel against refitting without each row, against what made the rows, and its symmetries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ortho_group
from sklearn.linear_model import Ridge

from llmood.measures.gaussian_channel import RIDGES, GaussianChannel, channel_means, fit_channel


def made(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def rows_of(seed: int, n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    generator = made(seed)
    x = generator.normal(2.0, 1.0, (n, 3)) * [3.0, 1.0, 0.3]
    return x, x @ generator.normal(size=(3, 2)) + generator.normal(size=(n, 2)) * [0.5, 2.0] - 7.0


def refitted(x: np.ndarray, each: list[np.ndarray], share: float) -> np.ndarray:
    """Mean squares of residuals, (e,), by scikit-learn's ridge of all rows but one, row by row."""
    penalty = share * np.linalg.svd(x - x.mean(axis=0), compute_uv=False)[0] ** 2
    squares = []
    for row in range(len(x)):
        rest = np.arange(len(x)) != row
        model = Ridge(penalty).fit(x[rest], np.mean(each, axis=0)[rest])
        squares += [(one[row] - model.predict(x[[row]])[0]) ** 2 for one in each]
    return np.mean(squares, axis=0)


@pytest.mark.parametrize("count", [1, 2])
def test_rows_are_left_out(count: int) -> None:
    x, y = rows_of(0)
    each = [y, y + made(1).normal(size=y.shape)][:count]
    channel = fit_channel(x, *each)
    losses = {share: float(np.log(refitted(x, each, share)).sum()) for share in RIDGES.tolist()}
    assert channel.ridge == min(losses, key=lambda share: losses[share])
    np.testing.assert_allclose(channel.variances, refitted(x, each, channel.ridge))
    penalty = channel.ridge * np.linalg.svd(x - x.mean(axis=0), compute_uv=False)[0] ** 2
    model = Ridge(penalty).fit(x, np.mean(each, axis=0))
    np.testing.assert_allclose(channel_means(x, channel), model.predict(x))


def test_what_made_the_rows_is_found() -> None:
    generator = made(2)
    x = generator.normal(size=(20_000, 1))
    channel = fit_channel(x, 0.6 * x + 0.8 * generator.normal(size=x.shape))
    assert channel.weights.item() == pytest.approx(0.6, abs=0.02)
    assert channel.variances.item() == pytest.approx(0.64, abs=0.02)


def test_more_dimensions_than_rows_and_nothing_to_find() -> None:
    """By heart it would know all of these rows; left out, they are as far off as they vary."""
    x, y = made(3).normal(size=(2, 60, 200))
    channel = fit_channel(x, y)
    assert channel.ridge == RIDGES[-1]
    assert channel.variances.mean() == pytest.approx(y.var(axis=0).mean(), rel=0.1)
    assert np.abs(channel_means(x, channel) - y.mean(axis=0)).max() < 0.2


@given(st.integers(0, 1000))
def test_symmetries(seed: int) -> None:
    x, y = rows_of(seed)
    channel = fit_channel(x, y)
    means = channel_means(x, channel)
    order, turn = made(seed).permutation(len(x)), ortho_group.rvs(3, random_state=seed)

    def same(other: GaussianChannel, inputs: np.ndarray, scale: float = 1.0, place: float = 0.0) -> None:
        assert other.ridge == channel.ridge
        np.testing.assert_allclose(channel_means(inputs, other), means * scale + place, atol=1e-6)
        np.testing.assert_allclose(other.variances, channel.variances * scale**2, rtol=1e-6)

    same(fit_channel(x[order], y[order]), x)
    same(fit_channel(x @ turn, y), x @ turn)
    same(fit_channel(x * 5.0 + 1.0, y * 3.0 - 2.0), x * 5.0 + 1.0, 3.0, -2.0)


def test_what_does_not_vary() -> None:
    x, y = rows_of(4)
    flat = fit_channel(x, np.column_stack([y, np.full(len(y), 0.1)]))
    assert np.isinf(flat.variances).tolist() == [False, False, True]
    np.testing.assert_allclose(flat.variances[:2], fit_channel(x, y).variances)
    blind = fit_channel(np.full((len(x), 2), 0.1), y)
    np.testing.assert_allclose(channel_means(np.ones((2, 2)), blind), np.tile(y.mean(axis=0), (2, 1)))


def test_outputs_that_follow_are_refused() -> None:
    x, y = rows_of(5)
    for known in (x, x @ np.ones((3, 2)), np.column_stack([y, x[:, 0]])):
        with pytest.raises(ValueError, match="has no bound"):
            fit_channel(x, known)


def test_bad_input() -> None:
    x, y = rows_of(6)
    with pytest.raises(ValueError, match="three rows"):
        fit_channel(x[:2], y[:2])
    with pytest.raises(ValueError, match="as many outputs"):
        fit_channel(x, y[:-1])
    with pytest.raises(ValueError, match="as many outputs"):
        fit_channel(x)
    with pytest.raises(ValueError, match="of one width"):
        fit_channel(x, y, y[:, :1])
    with pytest.raises(ValueError, match="inputs: row 0"):
        fit_channel(np.where(np.arange(len(x))[:, None] == 0, np.nan, x), y)
    with pytest.raises(ValueError, match="3 columns"):
        channel_means(y, fit_channel(x, y))
