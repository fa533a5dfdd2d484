from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from llmood.measures.gaussian_head import GaussianLogits, head_uncertainty, probability_top_beats, propagate

GENERATOR = np.random.default_rng(0)
WEIGHTS, BIAS = GENERATOR.normal(size=(3, 4)), GENERATOR.normal(size=3)
ROOT = GENERATOR.normal(size=(4, 4))
STATES = GENERATOR.normal(size=(2, 4))


def test_the_share_of_noisy_states_whose_top_class_still_leads() -> None:
    logits = propagate(STATES, ROOT @ ROOT.T, WEIGHTS, BIAS)
    noise = np.random.default_rng(1).normal(size=(200_000, 4)) @ ROOT.T
    found = probability_top_beats(logits)
    for row, state in enumerate(STATES):
        drawn = (state + noise) @ WEIGHTS.T + BIAS
        np.testing.assert_allclose(np.cov(drawn.T), logits.covariance, rtol=0.03, atol=0.03)
        top = (state @ WEIGHTS.T + BIAS).argmax()
        for other in {0, 1, 2} - {int(top)}:
            assert found[row, other] == pytest.approx((drawn[:, top] > drawn[:, other]).mean(), abs=0.005)
        assert found[row, top] == 1.0


def test_two_classes_in_closed_form() -> None:
    # Logits (3, 1) of variances 4 and 1, covariance ½: the difference is N(2, 4).
    logits = GaussianLogits(np.array([[3.0, 1.0]]), np.array([[4.0, 0.5], [0.5, 1.0]]))
    assert probability_top_beats(logits)[0, 1] == pytest.approx(norm.cdf(1.0), rel=1e-12)
    assert head_uncertainty(logits)[0] == pytest.approx(norm.sf(1.0), rel=1e-12)


def test_a_scale_of_noise_matters_and_one_of_the_head_does_not() -> None:
    plain = head_uncertainty(propagate(STATES, np.eye(4), WEIGHTS))
    np.testing.assert_allclose(head_uncertainty(propagate(STATES, np.eye(4), 10 * WEIGHTS)), plain, rtol=1e-9)
    assert (head_uncertainty(propagate(STATES, 4 * np.eye(4), WEIGHTS)) > plain).all()
    assert (plain < 0.5).all()


def test_without_noise() -> None:
    logits = propagate(
        np.array([[1.0, 0.0], [0.0, 0.0]]), np.zeros((2, 2)), np.array([[1.0, 0.0], [0.0, 1.0]])
    )
    assert probability_top_beats(logits).tolist() == [[1.0, 1.0], [1.0, 0.5]]
    assert head_uncertainty(logits).tolist() == [0.0, 0.5]


def test_classes_of_equal_weights_differ_by_their_bias_alone() -> None:
    weights = np.tile(GENERATOR.normal(size=(1, 4)), (2, 1))
    logits = propagate(STATES, ROOT @ ROOT.T, weights, np.array([0.1, 0.0]))
    assert head_uncertainty(logits).tolist() == [0.0, 0.0]


def test_far_in_the_tail_it_is_no_0() -> None:
    logits = GaussianLogits(np.array([[20.0, 0.0]]), np.eye(2))
    assert head_uncertainty(logits)[0] == pytest.approx(norm.sf(20 / np.sqrt(2)), rel=1e-9)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="there is one class"):
        head_uncertainty(propagate(STATES, np.eye(4), WEIGHTS[:1]))
    with pytest.raises(ValueError, match="covariance must have 4 columns"):
        propagate(STATES, np.eye(3), WEIGHTS)
