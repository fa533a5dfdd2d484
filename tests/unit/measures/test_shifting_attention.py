from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from llmood.measures.shifting_attention import sar, sentence_sar, token_sar

QUESTIONS = st.integers(1, 6).flatmap(
    lambda k: st.tuples(
        arrays(float, k, elements=st.floats(-30, 0)), arrays(float, (k, k), elements=st.floats(0, 1))
    )
)


class TestTokens:
    def test_relevance_weighs_surprise(self) -> None:
        # 1·3/4 + 5·1/4, and a row whose only token carries all of it.
        found = token_sar(np.array([-1.0, -5.0, -2.0]), np.array([0.3, 0.1, 0.5]), np.array([0, 2, 3]))
        np.testing.assert_allclose(found, [2.0, 2.0])

    def test_no_relevance_at_all_is_relevance_alike(self) -> None:
        assert token_sar(np.array([-1.0, -5.0]), np.zeros(2), np.array([0, 2])) == 3.0

    def test_an_irrelevant_token_adds_nothing(self) -> None:
        assert token_sar(np.array([-np.inf, -1.0]), np.array([0.0, 0.2]), np.array([0, 2])) == 1.0

    def test_no_tokens_and_negative_relevance(self) -> None:
        assert np.isnan(token_sar(np.zeros(0), np.zeros(0), np.array([0, 0])))[0]
        with pytest.raises(ValueError, match="clip similarities at 1"):
            token_sar(np.array([-1.0]), np.array([-0.1]), np.array([0, 1]))

    def test_nan_stays(self) -> None:
        found = token_sar(
            np.array([-1.0, np.nan, -1.0]), np.array([np.nan, 1.0, 1.0]), np.array([0, 1, 2, 3])
        )
        np.testing.assert_array_equal(found, [np.nan, np.nan, 1.0])
        assert np.isnan(sentence_sar(np.array([-1.0, np.nan]), np.ones((2, 2))))
        assert np.isnan(sentence_sar(np.array([-1.0, -2.0]), np.full((2, 2), np.nan)))

    def test_a_slice_of_a_larger_column(self) -> None:
        log_p, relevance = np.array([-9.0, -1.0, -5.0]), np.array([1.0, 0.3, 0.1])
        assert token_sar(log_p, relevance, np.array([1, 3])) == pytest.approx(2.0)


class TestSentences:
    def test_by_hand(self) -> None:
        # p = ½, ¼; similarity 0.2 one way and 0.4 the other; t = 0.1.
        log_p, similarity = np.log([0.5, 0.25]), np.array([[1.0, 0.2], [0.4, 1.0]])
        expected = -(math.log(0.5 + 0.2 * 0.25 / 0.1) + math.log(0.25 + 0.4 * 0.5 / 0.1)) / 2
        assert sentence_sar(log_p, similarity, temperature=0.1) == pytest.approx(expected, abs=1e-12)

    def test_without_others_it_is_the_sequence_entropy(self) -> None:
        assert sentence_sar(np.array([-7.0]), np.ones((1, 1))) == 7.0
        assert sentence_sar(np.array([-7.0, -3.0]), np.eye(2)) == 5.0

    def test_long_answers_do_not_underflow(self) -> None:
        log_p, similarity = np.array([-2000.0, -2001.0]), np.full((2, 2), 0.5)
        near = sentence_sar(log_p + 1990, similarity)
        assert sentence_sar(log_p, similarity) == pytest.approx(near + 1990, abs=1e-9)

    def test_full_sar_is_of_token_sars(self) -> None:
        values, similarity = np.array([0.5, 1.5]), np.array([[1.0, 0.3], [0.3, 1.0]])
        assert sar(values, similarity) == sentence_sar(-values, similarity)

    @given(QUESTIONS, st.data())
    def test_equals_the_loop_in_any_order(
        self, question: tuple[np.ndarray, np.ndarray], choice: st.DataObject
    ) -> None:
        log_p, similarity = question
        k = len(log_p)
        expected = -sum(
            math.log(
                math.exp(log_p[i])
                + sum(similarity[i, j] * math.exp(log_p[j]) for j in range(k) if j != i) / 0.001
            )
            for i in range(k)
        )
        assert sentence_sar(log_p, similarity) == pytest.approx(expected / k, abs=1e-9)
        order = choice.draw(st.permutations(range(k)))
        turned = sentence_sar(log_p[order], similarity[np.ix_(order, order)])
        assert turned == pytest.approx(sentence_sar(log_p, similarity), abs=1e-9)

    def test_support_lowers_it(self) -> None:
        log_p = np.array([-2.0, -2.0, -2.0])
        values = [float(sentence_sar(log_p, np.full((3, 3), share))) for share in (0.0, 0.1, 0.9)]
        assert values[0] > values[1] > values[2]

    def test_many_questions_at_once_and_refusals(self) -> None:
        log_p = np.array([[-1.0, -2.0], [-3.0, -0.5]])
        similarity = np.array([[[1.0, 0.4], [0.2, 1.0]], [[1.0, 0.9], [0.9, 1.0]]])
        alone = [sentence_sar(p, s) for p, s in zip(log_p, similarity, strict=True)]
        np.testing.assert_allclose(sentence_sar(log_p, similarity), alone)
        with pytest.raises(ValueError, match="no draws"):
            sentence_sar(np.zeros(0), np.zeros((0, 0)))
        with pytest.raises(ValueError, match="similarities at least 0"):
            sentence_sar(np.zeros(2), np.array([[1.0, -0.5], [0.0, 1.0]]))
