"""The two calibrators of probabilities, and the temperature of labels: hand values and independent fits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax

from llmood.calibrators import CalibrationError
from llmood.calibrators.beta import Beta
from llmood.calibrators.temperature import Temperature
from llmood.measures.beta_calibration import fit_beta
from llmood.measures.label_temperature import fit_label_temperature, label_probabilities, label_uncertainty
from llmood.measures.logit_scores import max_softmax_uncertainty
from llmood.measures.temperature import fit_temperature, temperature_confidence


def data(rows: int = 600, seed: int = 5, power: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """1 − p of a model whose log-odds are `power` times too large."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(0.5, 1.0, size=rows)
    correct = rng.random(rows) < 1 / (1 + np.exp(-log_odds))
    return 1 / (1 + np.exp(power * log_odds)), correct


def loss(confidence: np.ndarray, correct: np.ndarray) -> float:
    return float(-np.log(np.where(correct, confidence, 1 - confidence)).mean())


def test_a_temperature_by_hand() -> None:
    # Of answers stated at 0.9, three in four are right: logit(0.9)/T = logit(0.75), and so T = 2 as 9 = 3².
    uncertainty, correct = np.full(4, 0.1), np.array([True, True, True, False])
    inverse = fit_temperature(uncertainty, correct)
    assert inverse == pytest.approx(0.5, abs=1e-9)
    assert temperature_confidence(np.array([0.1, 0.5]), inverse) == pytest.approx([0.75, 0.5])


def test_the_temperature_that_was_put_in_comes_out() -> None:
    uncertainty, correct = data(rows=50_000)
    assert 1 / Temperature().fit(uncertainty, correct).inverse_ == pytest.approx(3.0, abs=0.1)


def test_the_temperature_is_what_a_minimiser_finds_on_its_own() -> None:
    uncertainty, correct = data()

    def at(temperature: float) -> float:
        return loss(1 / (1 + (uncertainty / (1 - uncertainty)) ** (1 / temperature)), correct)

    found = minimize_scalar(at, bounds=(0.1, 20), method="bounded", options={"xatol": 1e-9})
    assert 1 / Temperature().fit(uncertainty, correct).inverse_ == pytest.approx(found.x, abs=1e-5)


def test_a_sure_model_that_is_mostly_wrong_gets_a_half() -> None:
    uncertainty = np.linspace(0.01, 0.3, 20)
    fitted = Temperature().fit(uncertainty, np.arange(20) % 3 == 0)
    assert fitted.inverse_ == 0.0
    assert (fitted.confidence(uncertainty) == 0.5).all()


@pytest.mark.parametrize("kind", [Temperature, Beta])
def test_separated_answers_have_no_best_curve(kind: type[Temperature | Beta]) -> None:
    uncertainty = np.linspace(0.05, 0.95, 20)
    with pytest.raises(CalibrationError, match="is the best"):
        kind().fit(uncertainty, uncertainty < 0.5)


def test_stated_certainty_is_not_infinite() -> None:
    uncertainty = np.array([0.0] * 20 + [0.4] * 20)
    correct = np.arange(40) % 4 != 0
    for kind in (Temperature, Beta):
        found = kind().fit(uncertainty, correct).confidence(uncertainty)
        assert np.isfinite(loss(found, correct))


def test_probabilities_that_differ_beyond_the_edge_alone_are_equal() -> None:
    with pytest.raises(CalibrationError, match="don't differ"):
        Beta().fit(np.linspace(0, 1e-7, 20), np.arange(20) % 2 == 0)


def test_beta_meets_two_groups_by_hand() -> None:
    # Two distinct probabilities, three numbers: the curve goes through the share of right answers of each.
    uncertainty = np.repeat([0.1, 0.6], 10)
    correct = np.concatenate([np.arange(10) < 7, np.arange(10) < 4])
    found = Beta().fit(uncertainty, correct).confidence(np.array([0.1, 0.6]))
    np.testing.assert_allclose(found, [0.7, 0.4], atol=1e-6)


def test_beta_leaves_calibrated_probabilities_as_they_are() -> None:
    uncertainty, correct = data(rows=100_000, power=1.0)
    asked = np.linspace(0.1, 0.9, 9)
    found = Beta().fit(uncertainty, correct).confidence(asked)
    np.testing.assert_allclose(found, 1 - asked, atol=0.015)


@pytest.mark.parametrize("shape", [(3.0, 1.0), (0.3, 2.0), (4.0, -0.5), (-0.5, 4.0)])
def test_beta_is_what_a_bounded_minimiser_finds_on_its_own(shape: tuple[float, float]) -> None:
    rng = np.random.default_rng(8)
    chance = rng.uniform(0.02, 0.98, size=800)
    above, below = np.log(chance), -np.log(1 - chance)
    correct = rng.random(800) < 1 / (1 + np.exp(-(shape[0] * above + shape[1] * below + 0.3)))

    def at(numbers: np.ndarray) -> float:
        log_odds = numbers[0] * above + numbers[1] * below + numbers[2]
        return float(np.logaddexp(0, np.where(correct, -log_odds, log_odds)).mean())

    found = minimize(at, [1.0, 1.0, 0.0], method="L-BFGS-B", bounds=[(0, None), (0, None), (None, None)])
    curve = fit_beta(1 - chance, correct)
    assert at(np.array(curve)) <= found.fun + 1e-9
    np.testing.assert_allclose(curve, found.x, atol=5e-3)


def test_a_label_temperature_by_hand() -> None:
    # Always 0.8 against 0.1 and 0.1 (logits log 8, 0, 0), right two times in four. softmax at 1/T has the right mass
    # 8^x / (8^x + 2) = 1/2 at 8^x = 2: x = 1/3.
    logits = np.tile([np.log(8.0), 0.0, 0.0], (4, 1))
    inverse = fit_label_temperature(logits, np.array([0, 0, 1, 2]))
    assert inverse == pytest.approx(1 / 3, abs=1e-9)
    np.testing.assert_allclose(label_probabilities(logits, inverse)[0], [0.5, 0.25, 0.25], atol=1e-9)
    np.testing.assert_allclose(label_uncertainty(logits, inverse), 0.5, atol=1e-9)


def test_a_label_temperature_is_what_a_minimiser_finds_on_its_own() -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(500, 4)) * 5
    chances = np.exp(log_softmax(logits / 2.5, axis=1))
    labels = (chances.cumsum(axis=1) < rng.random((500, 1))).sum(axis=1)

    def at(temperature: float) -> float:
        return float(-log_softmax(logits / temperature, axis=1)[np.arange(500), labels].mean())

    found = minimize_scalar(at, bounds=(0.1, 20), method="bounded", options={"xatol": 1e-9})
    assert 1 / fit_label_temperature(logits, labels) == pytest.approx(found.x, abs=1e-5)
    assert fit_label_temperature(logits + 1e4, labels) == pytest.approx(1 / found.x, abs=1e-5)


def test_at_temperature_1_a_label_is_as_unsure_as_its_softmax_says() -> None:
    logits = np.random.default_rng(3).normal(size=(50, 4))
    np.testing.assert_allclose(label_uncertainty(logits, 1.0), max_softmax_uncertainty(logits), atol=1e-12)
    assert label_uncertainty(np.array([[50.0, 0.0]]), 1.0)[0] == pytest.approx(np.exp(-50.0), rel=1e-9)


def test_two_labels_are_the_binary_temperature() -> None:
    uncertainty, correct = data()
    logits = np.column_stack([np.log((1 - uncertainty) / uncertainty), np.zeros(len(correct))])
    assert fit_label_temperature(logits, np.where(correct, 0, 1)) == pytest.approx(
        fit_temperature(uncertainty, correct), abs=1e-9
    )


def test_labels_that_say_nothing_have_an_infinite_temperature() -> None:
    assert fit_label_temperature(np.array([[1.0, 0.0]] * 3), np.array([1, 1, 0])) == 0.0


@pytest.mark.parametrize(
    ("logits", "labels", "said"),
    [
        ([[2.0, 1.0], [3.0, 1.0]], [0, 0], "every right label"),
        ([[2.0, 1.0]], [2], "labels are 0"),
        ([[2.0, 1.0]], [0, 1], r"logits are \(n, C\)"),
        ([[np.inf, 1.0]], [1], "finite"),
        (np.zeros((0, 2)), np.zeros(0, int), r"logits are \(n, C\)"),
    ],
)
def test_label_temperatures_that_are_none(logits: list, labels: list, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fit_label_temperature(np.array(logits), np.array(labels))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans()), min_size=3, max_size=30))
def test_no_temperature_near_the_one_found_has_a_lower_loss(rows: list[tuple[float, bool]]) -> None:
    uncertainty = np.array([row[0] for row in rows])
    correct = np.array([row[1] for row in rows])
    try:
        inverse = fit_temperature(uncertainty, correct)
    except ValueError:
        sure, right = uncertainty < 0.5, uncertainty == 0.5
        assert ((sure == correct) | right).all()
        return
    here = loss(temperature_confidence(uncertainty, inverse), correct)
    for other in (inverse * 0.9, inverse * 1.1, inverse + 1e-3):
        assert here <= loss(temperature_confidence(uncertainty, other), correct) + 1e-9
