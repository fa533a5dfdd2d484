"""LUQ, CoCoA, semantic density: what other draws say of an answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from llmood.measures.cocoa import cocoa
from llmood.measures.luq import entailment_over_contradiction, luq
from llmood.measures.semantic_density import semantic_density, squared_distance


class TestLuq:
    def test_by_hand(self) -> None:
        # Draw 0 has two sentences, draw 1 one, draw 2 one. What a draw says of its own sentences is 99.
        support = np.array([[99.0, 1.0, 0.0], [99.0, 0.5, 0.5], [0.2, 99.0, 0.4], [1.0, 1.0, 99.0]])
        expected = 1 - ((0.5 + 0.5) / 2 + 0.3 + 1.0) / 3
        assert luq(support, np.array([0, 0, 1, 2]), 3) == pytest.approx(expected, abs=1e-12)

    def test_full_and_no_support(self) -> None:
        own = np.array([0, 1, 1])
        assert luq(np.ones((3, 2)), own, 2) == 0.0
        assert luq(np.zeros((3, 2)), own, 2) == 1.0

    def test_a_draw_without_sentences_is_no_part_of_the_mean(self) -> None:
        # Draw 1 is empty: it supports nothing, and nothing is asked of it.
        assert luq(np.array([[1.0, 0.0, 1.0], [1.0, 0.0, 1.0]]), np.array([0, 2]), 3) == 0.5

    def test_degenerate(self) -> None:
        assert math.isnan(luq(np.ones((2, 1)), np.array([0, 0]), 1))
        assert math.isnan(luq(np.ones((0, 3)), np.zeros(0, dtype=int), 3))
        with pytest.raises(ValueError, match=r"shape \(2, 3\), not \(2, 2\)"):
            luq(np.ones((2, 2)), np.array([0, 1]), 3)

    def test_one_sentence_a_draw_is_the_mean_over_pairs(self) -> None:
        generator = np.random.default_rng(0)
        support = generator.random((5, 5))
        pairs = support[~np.eye(5, dtype=bool)]
        assert luq(support, np.arange(5), 5) == pytest.approx(1 - pairs.mean(), abs=1e-12)

    def test_logits(self) -> None:
        found = entailment_over_contradiction(
            np.array([0.0, 2.0, 800.0, -800.0]), np.array([0.0, 1.0, -800.0, 800.0])
        )
        np.testing.assert_allclose(found, [0.5, math.e / (1 + math.e), 1.0, 0.0], atol=1e-12)


class TestCocoa:
    def test_by_hand(self) -> None:
        # Doubts 2 and 3; mean distances (0 + 0.5)/2 and 1; the third has no draws.
        found = cocoa(np.array([2.0, 3.0, 1.0]), np.array([1.0, 0.5, 0.0]), np.array([0, 2, 3, 3]))
        np.testing.assert_allclose(found, [0.5, 3.0, np.nan])

    def test_agreement_or_no_doubt_is_0(self) -> None:
        offsets = np.array([0, 2, 3])
        np.testing.assert_array_equal(
            cocoa(np.array([np.inf, 0.0]), np.array([1.0, 1.0, 0.2]), offsets), [0.0, 0.0]
        )
        assert np.isposinf(cocoa(np.array([np.inf]), np.array([0.5]), np.array([0, 1])))[0]
        assert np.isnan(cocoa(np.array([np.nan]), np.array([1.0]), np.array([0, 1])))[0]
        assert np.isnan(cocoa(np.array([0.0]), np.array([np.nan]), np.array([0, 1])))[0]


class TestDensity:
    def test_by_hand(self) -> None:
        # Likelihoods ½ and ¼ a token, at squared distances 0 and 0.4.
        found = semantic_density(np.array([0.0, 0.4]), np.log([0.5, 0.25]), np.array([0, 2]))
        assert found == pytest.approx((0.5 + 0.25 * 0.6) / 0.75, abs=1e-12)

    def test_distances(self) -> None:
        contradiction, neutral = np.array([1.0, 0.0, 0.0, 0.5]), np.array([0.0, 1.0, 0.0, 0.3])
        np.testing.assert_allclose(squared_distance(contradiction, neutral), [1.0, 0.5, 0.0, 0.65])

    def test_far_and_near(self) -> None:
        offsets = np.array([0, 2, 4, 4, 5])
        distances = np.array([0.0, 0.0, 1.0, 1.0, 0.5])
        found = semantic_density(distances, np.array([-1.0, -2.0, -1.0, -2.0, -np.inf]), offsets)
        np.testing.assert_array_equal(found, [1.0, 0.0, np.nan, np.nan])

    def test_small_likelihoods_do_not_underflow(self) -> None:
        log_p, offsets = np.array([-1.0, -2.0]), np.array([0, 2])
        near = semantic_density(np.array([0.1, 0.7]), log_p, offsets)
        assert semantic_density(np.array([0.1, 0.7]), log_p - 3000, offsets) == pytest.approx(near, abs=1e-12)

    @given(
        st.integers(1, 6).flatmap(
            lambda k: st.tuples(
                arrays(float, k, elements=st.floats(0, 1)), arrays(float, k, elements=st.floats(-20, 0))
            )
        )
    )
    def test_bounds_and_order(self, question: tuple[np.ndarray, np.ndarray]) -> None:
        distances, log_p = question
        offsets = np.array([0, len(log_p)])
        found = semantic_density(distances, log_p, offsets)[0]
        assert 1 - distances.max() - 1e-9 <= found <= 1 - distances.min() + 1e-9
        assert semantic_density(distances[::-1], log_p[::-1], offsets)[0] == pytest.approx(found, abs=1e-12)
