"""Claim-conditioned probability and RAUQ."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from llmood.measures.claim_conditioned import (
    claim_conditioned_log_probability,
    claim_conditioned_uncertainty,
)
from llmood.measures.nli import Verdict
from llmood.measures.rauq import rauq

C, N, E = Verdict.CONTRADICTION, Verdict.NEUTRAL, Verdict.ENTAILMENT


class TestClaims:
    def test_by_hand(self) -> None:
        # Chosen 0.4; 0.2 entails it, 0.1 is another kind of claim, 0.3 contradicts: 0.6 of 0.9.
        log_p, verdicts = np.log([[0.4, 0.2, 0.1, 0.3]]), np.array([[C, E, N, C]])
        found = claim_conditioned_log_probability(log_p, verdicts)
        assert found == pytest.approx(math.log(2 / 3), abs=1e-12)

    def test_nothing_contradicts(self) -> None:
        log_p = np.log([[0.1, 0.7], [0.5, 0.5]])
        np.testing.assert_array_equal(
            claim_conditioned_log_probability(log_p, np.array([[E, N], [E, E]])), [0.0, 0.0]
        )
        # One alternative, the chosen one, whatever its verdict.
        assert claim_conditioned_log_probability(np.array([[-3.0]]), np.array([[C]])) == 0.0

    def test_rows_are_filled_up_with_minus_infinity(self) -> None:
        log_p, verdicts = np.array([[math.log(0.5), math.log(0.5), -np.inf]]), np.array([[E, C, C]])
        assert claim_conditioned_log_probability(log_p, verdicts) == pytest.approx(math.log(0.5))
        assert np.isnan(claim_conditioned_log_probability(np.array([[-np.inf]]), np.array([[E]])))[0]

    def test_a_claim_is_as_sure_as_the_product_of_its_tokens(self) -> None:
        values = np.array([math.log(0.5), math.log(0.8), 0.0, 0.0, -np.inf, np.nan])
        found = claim_conditioned_uncertainty(values, np.array([0, 3, 4, 4, 5, 6]))
        np.testing.assert_allclose(found, [0.6, 0.0, 0.0, 1.0, np.nan], atol=1e-12)

    def test_shapes(self) -> None:
        with pytest.raises(ValueError, match="must share a shape"):
            claim_conditioned_log_probability(np.zeros((2, 3)), np.zeros((2, 2), dtype=int))
        with pytest.raises(ValueError, match="k of at least 1"):
            claim_conditioned_log_probability(np.zeros((2, 0)), np.zeros((2, 0), dtype=int))

    @given(
        arrays(float, (4, 5), elements=st.floats(-30, 0)),
        arrays(int, (4, 5), elements=st.sampled_from([0, 1, 2])),
    )
    def test_bounds_and_order_of_alternatives(self, log_p: np.ndarray, verdicts: np.ndarray) -> None:
        found = claim_conditioned_log_probability(log_p, verdicts)
        assert (found <= 0).all()
        order = [0, 4, 2, 1, 3]
        turned = claim_conditioned_log_probability(log_p[:, order], verdicts[:, order])
        np.testing.assert_allclose(turned, found, atol=1e-9)
        uncertainty = claim_conditioned_uncertainty(found, np.array([0, 4]))[0]
        assert 0.0 <= uncertainty <= 1.0


class TestRauq:
    def test_by_hand(self) -> None:
        # One head: c = ½; 0.2·¼ + 0.8·0.5·½ = ¼; 0.2·1 + 0.8·0.25·¼ = ¼.
        log_p, attention = np.log([0.5, 0.25, 1.0]), np.array([[[0.5, 0.25]]])
        expected = -(math.log(0.5) + 2 * math.log(0.25)) / 3
        assert rauq(log_p, attention) == pytest.approx(expected, abs=1e-12)

    def test_the_head_that_looks_back_most_and_the_least_sure_layer(self) -> None:
        log_p = np.log([0.5, 0.5])
        # Layer 0 takes its second head (0.6), layer 1 its first (0.1): the less attention, the less is handed on.
        attention = np.array([[[0.2], [0.6]], [[0.1], [0.0]]])
        least = rauq(log_p, np.array([[[0.1]]]))
        assert rauq(log_p, attention) == least
        assert least > rauq(log_p, np.array([[[0.6]]]))

    def test_alpha_1_is_the_mean_surprise(self) -> None:
        log_p = np.array([-1.0, -2.0, -6.0])
        assert rauq(log_p, np.full((2, 3, 2), 0.3), alpha=1.0) == pytest.approx(3.0, abs=1e-12)

    def test_one_token_none_and_zero(self) -> None:
        assert rauq(np.array([-1.5]), np.zeros((2, 3, 0))) == 1.5
        assert math.isnan(rauq(np.zeros(0), np.zeros((1, 1, 0))))
        assert rauq(np.array([-1.0, -np.inf]), np.zeros((1, 1, 1))) == math.inf

    def test_refused(self) -> None:
        with pytest.raises(ValueError, match=r"shape \(layers, heads, 1\)"):
            rauq(np.zeros(2), np.zeros((1, 1, 2)))
        with pytest.raises(ValueError, match="alpha must lie in"):
            rauq(np.zeros(2), np.zeros((1, 1, 1)), alpha=1.5)

    @given(arrays(float, 4, elements=st.floats(-10, 0)), arrays(float, (2, 3, 3), elements=st.floats(0, 1)))
    def test_bounds(self, log_p: np.ndarray, attention: np.ndarray) -> None:
        # No confidence is over 1, or under alpha times the token's own.
        found = rauq(log_p, attention)
        assert -1e-12 <= found <= -log_p.mean() - math.log(0.2) + 1e-9
