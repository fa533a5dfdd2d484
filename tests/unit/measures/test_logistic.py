"""The minimum of a convex function, against scikit-learn's and worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from llmood.measures.logistic import fit_logistic, log_loss


def data(seed: int = 0, rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, 3))
    return features, rng.random(rows) < 1 / (1 + np.exp(-(features @ [2.0, -1.0, 0.0] - 0.5)))


@pytest.mark.parametrize("ridge", [1.0, 0.01, 1e-4])
def test_it_is_scikit_learns(ridge: float) -> None:
    features, positive = data()
    weights, bias = fit_logistic(features, positive, ridge)
    other = LogisticRegression(C=1 / (len(features) * ridge), tol=1e-12, max_iter=10_000)
    other.fit(features, positive)
    np.testing.assert_allclose(weights, other.coef_[0], atol=1e-5)
    assert bias == pytest.approx(other.intercept_[0], abs=1e-5)


def test_without_a_signal_the_bias_is_the_log_odds() -> None:
    weights, bias = fit_logistic(np.zeros((4, 1)), np.array([True, False, False, False]), 0.1)
    assert weights.tolist() == [0.0]
    assert bias == pytest.approx(np.log(1 / 3))


def test_what_separates_completely_still_has_a_minimum() -> None:
    weights, _ = fit_logistic(np.array([[-1.0], [1.0]] * 5), np.array([False, True] * 5), 1e-4)
    assert 0 < weights[0] < np.inf


def test_features_far_from_unit_scale_converge_too() -> None:
    features, positive = data()
    weights, _ = fit_logistic(features * [1e3, 1.0, 1e-3], positive, 1e-4)
    assert np.isfinite(weights).all()


@pytest.mark.parametrize(
    ("positive", "ridge", "said"),
    [
        ([True, True], 0.1, "both classes"),
        ([True, False], 0.0, "above 0"),
        ([True, False], np.nan, "above 0"),
    ],
)
def test_what_has_no_minimum_is_refused(positive: list[bool], ridge: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fit_logistic(np.ones((2, 1)), np.array(positive), ridge)


def test_log_loss_by_hand() -> None:
    # p = 1/2 for both: log 2. Log-odds of 1000 for what is false cost 1000, and overflow nothing.
    assert log_loss(np.zeros(2), np.array([True, False])) == pytest.approx(np.log(2))
    assert log_loss(np.array([1000.0]), np.array([False])) == 1000.0
