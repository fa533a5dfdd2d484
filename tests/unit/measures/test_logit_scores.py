from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import logsumexp, softmax

from llmood.measures.logit_scores import (
    energy,
    max_logit_uncertainty,
    max_softmax_uncertainty,
    minimum_others,
)

LOGITS = arrays(np.float64, (5, 4), elements=st.floats(-50, 50))


@given(LOGITS, st.sampled_from([0.5, 1.0, 3.0]))
def test_against_scipy(logits: np.ndarray, temperature: float) -> None:
    probabilities = softmax(logits / temperature, axis=1)
    found = max_softmax_uncertainty(logits, temperature)
    np.testing.assert_allclose(found, 1 - probabilities.max(axis=1), atol=1e-14)
    assert ((found >= 0) & (found <= 0.75 + 1e-12)).all()
    expected = -temperature * logsumexp(logits / temperature, axis=1)
    np.testing.assert_allclose(energy(logits, temperature), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(max_logit_uncertainty(logits), -logits.max(axis=1))


def test_uniform_and_sure() -> None:
    logits = np.array([[2.0, 2.0, 2.0, 2.0], [100.0, 0.0, 0.0, 0.0], [101.0, 0.0, 0.0, 0.0]])
    found = max_softmax_uncertainty(logits)
    # 1 − p rounds to 0 beyond a logit of 37; these two still differ.
    np.testing.assert_allclose(found, [0.75, 3 * np.exp(-100), 3 * np.exp(-101)], rtol=1e-12)
    assert energy(logits)[0] == pytest.approx(-2 - np.log(4))


@given(LOGITS, st.floats(-1000, 1000))
def test_an_offset_moves_energy_and_max_logit_but_not_softmax(logits: np.ndarray, offset: float) -> None:
    np.testing.assert_allclose(
        max_softmax_uncertainty(logits + offset), max_softmax_uncertainty(logits), atol=1e-9
    )
    np.testing.assert_allclose(energy(logits + offset), energy(logits) - offset, atol=1e-9)


class TestOthers:
    def test_by_hand(self) -> None:
        # Two groups: "others" and two classes, "others" and one.
        logits = np.log([[1.0, 2.0, 1.0, 3.0, 1.0], [8.0, 1.0, 1.0, 1.0, 9.0], [8.0, 1.0, 1.0, 9.0, 1.0]])
        found = minimum_others(logits, [3, 2])
        # Probabilities of "others": 1/4 and 3/4; 8/10 and 1/10; 8/10 and 9/10, of which nobody claims the sample.
        np.testing.assert_allclose(found.uncertainty, [0.25, 0.1, 0.8], rtol=1e-12)
        assert found.prediction.tolist() == [1, 4, 1]

    @given(LOGITS)
    def test_one_group_is_what_its_classes_leave_of_1(self, logits: np.ndarray) -> None:
        found = minimum_others(logits, [4])
        np.testing.assert_allclose(
            found.uncertainty, 1 - softmax(logits, axis=1)[:, 1:].sum(axis=1), atol=1e-12
        )
        assert (found.prediction > 0).all()
        predicted = logits[np.arange(len(logits)), found.prediction]
        np.testing.assert_allclose(predicted, logits[:, 1:].max(axis=1), atol=1e-9)

    @pytest.mark.parametrize("sizes", [[], [4], [1, 4], [2, 2]])
    def test_sizes(self, sizes: list[int]) -> None:
        with pytest.raises(ValueError, match="add up to 5 columns"):
            minimum_others(np.zeros((1, 5)), sizes)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="logits: row 1"):
        energy(np.array([[0.0, 1.0], [np.nan, 0.0]]))
    with pytest.raises(ValueError, match="temperature must be above 0"):
        max_softmax_uncertainty(np.zeros((1, 2)), 0.0)
