"""The two calibrators of any score, against hand values, scikit-learn and an independent fit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression

from llmood.calibrators.isotonic import Isotonic
from llmood.calibrators.platt import Platt
from llmood.measures.isotonic import IsotonicCurve, fit_isotonic, isotonic_confidence
from llmood.measures.platt import fit_platt, platt_confidence, platt_targets


def data(rows: int = 500, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=rows) * 40 - 1000
    return scores, rng.random(rows) < 1 / (1 + np.exp((scores + 1000) / 30))


def test_platts_targets() -> None:
    assert platt_targets(np.array([True, True, False])) == (3 / 4, 1 / 3)


def test_two_groups_by_hand() -> None:
    # Two distinct scores: the curve goes through the mean target of each. Targets: (4+1)/(4+2), 1/(4+2).
    scores = np.array([0.0] * 4 + [1.0] * 4)
    correct = np.array([True, True, True, False, True, False, False, False])
    found = platt_confidence(np.array([0.0, 1.0]), fit_platt(scores, correct))
    high, low = 5 / 6, 1 / 6
    np.testing.assert_allclose(found, [(3 * high + low) / 4, (high + 3 * low) / 4], atol=1e-9)


def test_platt_is_what_a_minimiser_finds_on_its_own() -> None:
    scores, correct = data()
    high, low = platt_targets(correct)
    targets = np.where(correct, high, low)

    def loss(at: np.ndarray) -> float:
        log_odds = at[0] * (scores + 1000) / 40 + at[1]
        return float(
            (targets * np.logaddexp(0, -log_odds) + (1 - targets) * np.logaddexp(0, log_odds)).mean()
        )

    found = minimize(loss, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-15})
    expected = 1 / (1 + np.exp(-(found.x[0] * (scores + 1000) / 40 + found.x[1])))
    np.testing.assert_allclose(Platt().fit(scores, correct).confidence(scores), expected, atol=1e-6)


class Given(ClassifierMixin, BaseEstimator):
    """A classifier, to scikit-learn, whose decision function is the score itself."""

    def fit(self, rows: np.ndarray, correct: np.ndarray) -> Given:
        self.classes_ = np.unique(correct)
        return self

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.decision_function(rows) > 0

    def decision_function(self, rows: np.ndarray) -> np.ndarray:
        return -rows[:, 0]


@pytest.mark.parametrize(
    ("ours", "method", "within"), [(Platt, "sigmoid", 1e-5), (Isotonic, "isotonic", 1e-12)]
)
def test_scikit_learns_calibrated_classifier_agrees(ours: type, method: str, within: float) -> None:
    scores, correct = data()
    theirs = CalibratedClassifierCV(FrozenEstimator(Given().fit(scores[:, None], correct)), method=method)
    theirs.fit(scores[:, None], correct)
    asked = np.concatenate([scores, [scores.min() - 50, scores.max() + 50]])
    expected = theirs.predict_proba(asked[:, None])[:, 1]
    least = 1 / (len(scores) + 2) if method == "isotonic" else 0.0
    found = ours().fit(scores, correct).confidence(asked)
    np.testing.assert_allclose(found, np.clip(expected, least, 1 - least), atol=within)


def test_separated_answers_have_a_finite_curve() -> None:
    # Ten right and ten wrong answers count as 11/12 and 1/12.
    scores = np.repeat([-3e5, -2e5], 10)
    found = Platt().fit(scores, scores == -3e5).confidence(np.array([-3e5, -2e5]))
    np.testing.assert_allclose(found, [11 / 12, 1 / 12], atol=1e-9)


def test_platt_is_flat_where_right_answers_score_higher() -> None:
    scores = np.arange(20.0)
    fitted = Platt().fit(scores, scores >= 10)
    np.testing.assert_allclose(fitted.confidence(np.array([-100.0, 5.0, 1e9])), 0.5, atol=1e-12)


def test_isotonic_pools_by_hand() -> None:
    # 1 1 | 0 1 pooled to 1/2 | 0, and then kept in [1/7, 6/7].
    curve = fit_isotonic(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([True, True, False, True, False]))
    asked = np.array([-9.0, 1.0, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 99.0])
    expected = [6 / 7, 6 / 7, 6 / 7, (6 / 7 + 0.5) / 2, 0.5, 0.5, 0.5, (0.5 + 1 / 7) / 2, 1 / 7, 1 / 7]
    np.testing.assert_allclose(isotonic_confidence(asked, curve), expected, atol=1e-12)


def test_isotonic_takes_the_mean_of_ties() -> None:
    curve = fit_isotonic(np.array([1.0, 1.0, 1.0, 2.0]), np.array([True, False, True, False]))
    assert isotonic_confidence(np.array([1.0]), curve)[0] == pytest.approx(2 / 3)


def test_isotonic_tells_scores_apart_that_scikit_learn_takes_for_equal() -> None:
    scores = np.arange(1.0, 21.0) * 1e-17
    correct = scores < 10.5e-17
    alike = IsotonicRegression(increasing=False).fit(scores, correct.astype(float))
    assert len(alike.X_thresholds_) < 4
    found = Isotonic().fit(scores, correct).confidence(scores)
    np.testing.assert_allclose(found, np.where(correct, 21 / 22, 1 / 22))


def test_one_knot_is_a_flat_curve() -> None:
    found = isotonic_confidence(np.array([-1.0, 5.0]), IsotonicCurve(np.array([2.0]), np.array([0.25])))
    assert found.tolist() == [0.25, 0.25]
