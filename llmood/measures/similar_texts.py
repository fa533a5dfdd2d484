"""The texts of a collection that are most like another one, by the pieces of words that they share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

PIECES = (2, 4)  # characters, within words and the spaces around them; a space alone is in every text


class SimilarTexts:
    """Cosines of tf-idf weighted pieces of words: cos(q, t) = Σ qᵢ tᵢ / |q|, where |t| = 1.

    A piece that no text of the collection holds counts in |q| with df = 0; left out, as scikit-learn does it, a text of
    unknown words would be as near as what little of it is known.

    Args:
        texts: none of them blank.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.texts = list(texts)
        self._vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=PIECES)
        self._vectors = self._vectorizer.fit_transform(self.texts)
        self._pieces_of = self._vectorizer.build_analyzer()
        self._unknown = float(np.log(1 + len(self.texts)) + 1)

    def nearest(self, text: str, k: int) -> list[tuple[str, float]]:
        """The k most similar texts with their cosines, the most similar first; without those that share no piece."""
        counts = Counter(self._pieces_of(text))
        query = np.zeros(self._vectors.shape[1])
        squares = 0.0
        for piece, count in counts.items():
            column = self._vectorizer.vocabulary_.get(piece)
            weight = count * (self._unknown if column is None else self._vectorizer.idf_[column])
            squares += weight**2
            if column is not None:
                query[column] = weight
        if not query.any():
            return []
        cosines = self._vectors @ query / np.sqrt(squares)
        order = np.argsort(-cosines, kind="stable")[:k]
        return [(self.texts[row], float(cosines[row])) for row in order if cosines[row] > 0]
