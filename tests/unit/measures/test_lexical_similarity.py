from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.measures.lexical_similarity import (
    jaccard_similarity,
    lexical_similarity,
    longest_common_subsequence,
    rouge_l,
    rouge_l_similarity,
    words,
)

SENTENCES = st.lists(st.sampled_from("abcd"), max_size=12)


def test_rouge_l_by_hand() -> None:
    # The publication's example: "police killed the gunman" with "police kill the gunman" has 3 of 4 in order.
    assert rouge_l(words("Police killed the gunman."), words("police kill the gunman")) == 0.75
    assert rouge_l(words("the gunman kill police"), words("police killed the gunman")) == 0.5
    assert rouge_l(["a"], []) == 0.0
    assert rouge_l([], []) == 1.0


@given(SENTENCES, SENTENCES)
def test_longest_common_subsequence_equals_its_recursion(first: list[str], second: list[str]) -> None:
    @cache
    def length(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return 0
        if first[i - 1] == second[j - 1]:
            return length(i - 1, j - 1) + 1
        return max(length(i - 1, j), length(i, j - 1))

    assert longest_common_subsequence(first, second) == length(len(first), len(second))
    assert longest_common_subsequence(second, first) == length(len(first), len(second))


def test_long_texts() -> None:
    # Longer than a machine word.
    text = [str(number) for number in range(500)]
    assert longest_common_subsequence(text, text[::3]) == len(text[::3])
    assert longest_common_subsequence(text, text[::-1]) == 1


def test_words_of_any_script() -> None:
    assert words("Straße, 42 ÉTÉ!") == ["strasse", "42", "été"]
    assert words("Москва — столица") == ["москва", "столица"]
    assert rouge_l(words("Москва столица"), words("столица")) == pytest.approx(2 / 3)
    assert words("?!") == []


def test_jaccard_by_hand() -> None:
    found = jaccard_similarity(["a b", "b c d", "", "a b"])
    np.testing.assert_allclose(
        found, [[1.0, 0.25, 0.0, 1.0], [0.25, 1.0, 0.0, 0.25], [0.0, 0.0, 1.0, 0.0], [1.0, 0.25, 0.0, 1.0]]
    )
    assert jaccard_similarity(["", "!"])[0, 1] == 1.0


def test_the_mean_is_over_different_draws() -> None:
    # Three pairs: ½, ½ and 1.
    assert lexical_similarity(rouge_l_similarity(["a b", "a c", "a c"])) == pytest.approx((0.5 + 0.5 + 1) / 3)
    assert lexical_similarity(rouge_l_similarity(["x y"] * 5)) == 1.0
    assert lexical_similarity(rouge_l_similarity(["x", "y"])) == 0.0


@pytest.mark.parametrize("texts", [[], ["alone"]])
def test_fewer_than_two_draws_have_no_pair(texts: list[str]) -> None:
    assert math.isnan(lexical_similarity(rouge_l_similarity(texts)))


@given(st.lists(st.sampled_from(["a b c", "a c", "c b a", "", "d"]), min_size=2, max_size=6), st.data())
def test_bounds_and_order(texts: list[str], choice: st.DataObject) -> None:
    found = lexical_similarity(rouge_l_similarity(texts))
    assert 0.0 <= found <= 1.0
    turned = choice.draw(st.permutations(texts))
    assert lexical_similarity(rouge_l_similarity(turned)) == pytest.approx(found, abs=1e-12)
