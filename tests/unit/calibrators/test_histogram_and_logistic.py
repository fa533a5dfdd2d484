"""Bins by hand, and several scores against an independent bounded fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from llmood.calibrators import CalibrationError
from llmood.calibrators.histogram import Histogram
from llmood.calibrators.logistic import Logistic
from llmood.measures.histogram_binning import fit_histogram, histogram_confidence
from llmood.measures.signed_logistic import fit_signed_logistic


def test_bins_by_hand() -> None:
    scores = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    correct = np.array([True, True, False, True, False, False])
    bins = fit_histogram(scores, correct, 3)
    assert bins.edges.tolist() == [2.0, 4.0]
    assert bins.values.tolist() == [3 / 4, 2 / 4, 1 / 4]
    asked = np.array([-9.0, 2.0, 2.1, 4.0, 4.1, 99.0])
    assert histogram_confidence(asked, bins).tolist() == [0.75, 0.75, 0.5, 0.5, 0.25, 0.25]


def test_ties_share_a_bin_and_leave_none_empty() -> None:
    bins = fit_histogram(np.array([1.0] * 7 + [2.0]), np.array([True] * 4 + [False] * 4), 4)
    assert bins.edges.tolist() == [1.0]
    assert bins.values.tolist() == [5 / 9, 1 / 3]


def test_many_ties_at_the_top_are_the_last_bin() -> None:
    bins = fit_histogram(np.array([1.0] + [2.0] * 7), np.array([True] + [False] * 7), 4)
    assert len(bins.edges) == 0
    assert bins.values.tolist() == [2 / 10]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=60), st.integers(1, 12))
def test_every_bin_is_the_share_of_its_own_rows(rows: list[tuple[int, bool]], count: int) -> None:
    scores = np.array([float(row[0]) for row in rows])
    correct = np.array([row[1] for row in rows])
    bins = fit_histogram(scores, correct, count)
    assert len(bins.values) <= count
    low = -np.inf
    for high, value in zip([*bins.edges, np.inf], bins.values, strict=True):
        own = (scores > low) & (scores <= high)
        assert own.any()
        assert value == pytest.approx((correct[own].sum() + 1) / (own.sum() + 2))
        low = high


def test_a_histogram_needs_two_answers_a_bin() -> None:
    scores, correct = np.arange(30.0), np.arange(30) % 2 == 0
    with pytest.raises(CalibrationError, match="40 are needed"):
        Histogram(bins=20).fit(scores, correct)
    assert len(Histogram(bins=15).fit(scores, correct).values_) == 15


@pytest.mark.parametrize("bins", [0, -1, 2.5, True, "10"])
def test_bins_are_a_whole_number(bins: object) -> None:
    with pytest.raises(ValueError, match="bins is a whole number"):
        Histogram(bins=bins)  # type: ignore[arg-type]


def several(rows: int = 500, seed: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(rows, 3)) * [1e-9, 1.0, 1e5] + [0.0, 3.0, -1e6]
    pull = (scores - [0.0, 3.0, -1e6]) / [1e-9, 1.0, 1e5] @ [1.5, 0.7, -0.8]
    return scores, rng.random(rows) < 1 / (1 + np.exp(pull))


def test_where_no_sign_is_against_it_it_is_scikit_learns_default() -> None:
    scores, correct = several()
    scores = scores[:, :2]
    fitted = Logistic().fit(scores, correct)
    standard = (scores - scores.mean(axis=0)) / scores.std(axis=0)
    theirs = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(standard, correct)
    np.testing.assert_allclose(fitted.confidence(scores), theirs.predict_proba(standard)[:, 1], atol=1e-6)


def test_a_score_that_speaks_for_the_answer_is_left_out() -> None:
    scores, correct = several()
    fitted = Logistic().fit(scores, correct)
    assert fitted.slopes_[2] == 0.0
    assert fitted.slopes_[:2] == pytest.approx(Logistic().fit(scores[:, :2], correct).slopes_, abs=1e-9)


def test_a_score_that_does_not_vary_is_left_out() -> None:
    scores, correct = several()
    scores[:, 1] = 7.0
    assert Logistic().fit(scores, correct).slopes_[1] == 0.0


def test_scores_of_other_scorers_are_refused() -> None:
    scores, correct = several()
    with pytest.raises(ValueError, match="of 3 scorers, not of 2"):
        Logistic().fit(scores, correct).confidence(scores[:, :2])


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("ridge", [1e-2, 1e-6])
def test_signed_weights_are_what_a_bounded_minimiser_finds_on_its_own(seed: int, ridge: float) -> None:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6))
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    positive = rng.random(200) < 1 / (1 + np.exp(-features @ rng.normal(size=6)))

    def at(numbers: np.ndarray) -> float:
        log_odds = features @ numbers[:-1] + numbers[-1]
        fit = np.logaddexp(0, np.where(positive, -log_odds, log_odds)).mean()
        return float(fit + ridge / 2 * (numbers[:-1] ** 2).sum())

    bounds = [(0.0, None)] * 6 + [(None, None)]
    options = {"maxiter": 5000, "maxfun": 100_000, "ftol": 1e-14}
    found = minimize(at, np.zeros(7), method="L-BFGS-B", bounds=bounds, options=options)
    weights, bias = fit_signed_logistic(features, positive, ridge)
    assert (weights >= 0).all()
    assert at(np.append(weights, bias)) <= found.fun + 1e-10
    np.testing.assert_allclose(weights, found.x[:-1], atol=2e-3)


def test_where_all_signs_are_against_it_the_bias_alone_is_left() -> None:
    features = np.linspace(-1, 1, 40)[:, None]
    weights, bias = fit_signed_logistic(features, features[:, 0] < -0.5, 0.01)
    assert weights.tolist() == [0.0]
    assert bias == pytest.approx(np.log(10 / 30), abs=1e-6)
