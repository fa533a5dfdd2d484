from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from llmood.measures.early_exit import early_exit_likelihood_ratio
from llmood.measures.layer_prediction import fit_layer_forecast, layer_prediction_error


class TestForecast:
    @pytest.mark.parametrize("samples", [60, 5])
    def test_scikit_learn(self, samples: int) -> None:
        generator = np.random.default_rng(0)
        below, above = generator.normal(size=(samples, 8)) + 4, generator.normal(size=(samples, 3)) - 2
        others, higher = generator.normal(size=(10, 8)), generator.normal(size=(10, 3))
        theirs = Ridge(alpha=0.7, solver="svd").fit(below, above)
        expected = np.linalg.norm(higher - theirs.predict(others), axis=1)
        fitted = fit_layer_forecast(below, above, 0.7)
        np.testing.assert_allclose(layer_prediction_error(others, higher, fitted), expected, rtol=1e-9)

    def test_a_linear_layer_is_foretold_and_a_broken_one_not(self) -> None:
        generator = np.random.default_rng(1)
        matrix = generator.normal(size=(6, 6))
        below = generator.normal(size=(100, 6))
        fitted = fit_layer_forecast(below, below @ matrix + 3, 1e-9)
        others = generator.normal(size=(20, 6)) * 5
        np.testing.assert_allclose(layer_prediction_error(others, others @ matrix + 3, fitted), 0, atol=1e-6)
        off = others @ matrix + 3 + np.array([3.0, 4.0, 0, 0, 0, 0])
        np.testing.assert_allclose(layer_prediction_error(others, off, fitted), 5.0, atol=1e-6)

    def test_bad_input(self) -> None:
        with pytest.raises(ValueError, match="ridge must be above 0"):
            fit_layer_forecast(np.ones((2, 2)), np.ones((2, 2)), 0.0)
        with pytest.raises(ValueError, match="same samples"):
            fit_layer_forecast(np.ones((2, 2)), np.ones((3, 2)), 1.0)
        fitted = fit_layer_forecast(np.ones((2, 2)), np.ones((2, 3)), 1.0)
        with pytest.raises(ValueError, match="above must have 3 columns"):
            layer_prediction_error(np.ones((1, 2)), np.ones((1, 2)), fitted)


class TestEarlyExit:
    OFFSETS = np.array([0, 3, 3, 5])

    def test_by_hand(self) -> None:
        full, early = np.log([0.5, 0.8, 0.1, 0.2, 0.4]), np.log([0.25, 0.8, 0.2, 0.1, 0.1])
        full[3] = early[3] = np.nan  # nothing precedes it
        found = early_exit_likelihood_ratio(full, early, self.OFFSETS)
        np.testing.assert_allclose(found, [0.0, np.nan, math.log(4)], atol=1e-12)
        found = early_exit_likelihood_ratio(full - 0.3, early, self.OFFSETS, mean=True)
        np.testing.assert_allclose(found, [-0.3, np.nan, math.log(4) - 0.3], atol=1e-12)

    def test_equal_heads_have_none_and_swapped_ones_its_negative(self) -> None:
        one, other = -np.random.default_rng(0).exponential(size=(2, 5))
        assert early_exit_likelihood_ratio(one, one, self.OFFSETS)[[0, 2]].tolist() == [0.0, 0.0]
        np.testing.assert_array_equal(
            early_exit_likelihood_ratio(one, other, self.OFFSETS),
            -early_exit_likelihood_ratio(other, one, self.OFFSETS),
        )

    def test_other_tokens(self) -> None:
        with pytest.raises(ValueError, match="same tokens"):
            early_exit_likelihood_ratio(np.array([np.nan, -1.0]), np.zeros(2), np.array([0, 2]))
