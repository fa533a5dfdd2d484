"""An answer that others resemble counts as more probable."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from llmood.measures.shifting_attention import sentence_sar
from llmood.measures.similarity_graph import symmetric
from llmood.measures.token_statistics import Floats
from llmood.scorers.base import register
from llmood.scorers.drawn import Drawn, FromDraws


@register("sentence_sar")
class SentenceSar(FromDraws):
    """The mean −log p of the draws, each with the likelihood of those that say nearly the same.

    Formula: `measures.shifting_attention.sentence_sar` (Duan et al., ACL 2024), with how far two draws entail each
    other, averaged over both ways, for their similarity.
    """

    reads_logprobs = True
    compared = "all"

    def uncertainty(self, drawn: Drawn) -> Floats:
        spans = pairwise(drawn.offsets.tolist())
        return np.array(
            [
                float(sentence_sar(drawn.log_likelihoods[first:last], symmetric(entails)))
                for (first, last), entails in zip(spans, drawn.entailment, strict=True)
            ]
        )
