"""The nearest texts by tf-idf of pieces of words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from llmood.measures.similar_texts import SimilarTexts

TEXTS = ["how do I freeze my card", "is my card frozen", "what is the weather", "the rate of a loan"]


def test_a_text_is_nearest_to_itself() -> None:
    similar = SimilarTexts(TEXTS)
    for text in TEXTS:
        (first, cosine), *_ = similar.nearest(text, 2)
        assert first == text
        assert cosine == pytest.approx(1.0)


def test_cosines_are_those_of_scikit_learn_where_every_piece_is_known() -> None:
    asked = "my card is frozen"  # the last word's pieces are all in "frozen"
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)).fit(TEXTS)
    pieces = vectorizer.build_analyzer()
    assert {*pieces(asked)} <= {*vectorizer.vocabulary_}
    expected = (vectorizer.transform(TEXTS) @ vectorizer.transform([asked]).T).toarray()[:, 0]
    found = dict(SimilarTexts(TEXTS).nearest(asked, 4))
    for text, cosine in zip(TEXTS, expected, strict=True):
        assert found[text] == pytest.approx(cosine)


def test_unknown_words_make_a_text_less_alike() -> None:
    similar = SimilarTexts(TEXTS)
    assert similar.nearest("is my card frozen 祝你好运", 1)[0][1] < 0.9
    assert similar.nearest("祝你", 3) == []


@given(st.text(max_size=40), st.integers(1, 6))
def test_cosines_are_ordered_shares(text: str, k: int) -> None:
    found = SimilarTexts(TEXTS).nearest(text, k)
    cosines = [cosine for _, cosine in found]
    assert len(found) <= min(k, len(TEXTS))
    assert cosines == sorted(cosines, reverse=True)
    assert all(0 < cosine <= 1 + 1e-12 for cosine in cosines)
    assert np.isfinite(cosines).all()
