"""How little the draws' words have in common."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from llmood.measures.lexical_similarity import lexical_similarity, rouge_l_similarity
from llmood.measures.token_statistics import Floats
from llmood.scorers.base import register
from llmood.scorers.drawn import Drawn, FromDraws


@register("lexical_similarity")
class LexicalSimilarity(FromDraws):
    """1 − the mean ROUGE-L of all pairs of draws.

    Formula: `measures.lexical_similarity` (Fomicheva et al., TACL 2020). Of words as they are written: no model is
    asked what they mean.
    """

    compared = None

    def uncertainty(self, drawn: Drawn) -> Floats:
        return np.array(
            [
                1.0 - lexical_similarity(rouge_l_similarity(drawn.texts[first:last]))
                for first, last in pairwise(drawn.offsets.tolist())
            ]
        )
