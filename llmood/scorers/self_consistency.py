"""How many of the draws disagree with most of them."""

from __future__ import annotations

from llmood.measures.self_consistency import self_inconsistency
from llmood.measures.token_statistics import Floats
from llmood.scorers.base import register
from llmood.scorers.drawn import Drawn, FromDraws


@register("self_consistency")
class SelfConsistency(FromDraws):
    """1 − the share of the draws that say what most of them say.

    Formula: `measures.self_consistency.self_inconsistency` (Wang et al., ICLR 2023; Xiong et al., ICLR 2024).
    """

    def uncertainty(self, drawn: Drawn) -> Floats:
        return self_inconsistency(drawn.clusters, drawn.offsets)
