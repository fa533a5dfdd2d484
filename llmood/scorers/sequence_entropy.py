"""How improbable the model finds what it says, whatever it means."""

from __future__ import annotations

from llmood.measures.sequence_entropy import (
    length_normalised_sequence_entropy,
    monte_carlo_sequence_entropy,
)
from llmood.measures.token_statistics import Floats
from llmood.scorers.base import register
from llmood.scorers.drawn import Drawn, FromDraws
from llmood.scorers.settings import SAME_WORDS, TEN_DRAWS, Params


@register("sequence_entropy", {"": {}, ".mean": {"mean": True}})
class SequenceEntropy(FromDraws):
    """The mean −log p of the draws, of their sums over tokens or (`.mean`) of their means.

    Formula: `measures.sequence_entropy` (Malinin and Gales, ICLR 2021); "naive entropy" in code for semantic entropy.

    Args:
        mean: per token.
    """

    reads_answers = False
    reads_logprobs = True
    compared = None

    def __init__(
        self, *, generations: Params = TEN_DRAWS, equivalence: Params = SAME_WORDS, mean: bool = False
    ) -> None:
        super().__init__(generations=generations, equivalence=equivalence)
        self.mean = mean

    def uncertainty(self, drawn: Drawn) -> Floats:
        if self.mean:
            return length_normalised_sequence_entropy(drawn.log_likelihoods, drawn.tokens, drawn.offsets)
        return monte_carlo_sequence_entropy(drawn.log_likelihoods, drawn.offsets)
