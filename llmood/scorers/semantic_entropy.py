"""Entropy over meanings instead of over words, in three definitions that share the name."""

from __future__ import annotations

from typing import Literal

import numpy as np

from llmood.measures.semantic_entropy import (
    discrete_semantic_entropy,
    monte_carlo_semantic_entropy,
    number_of_semantic_sets,
    rao_semantic_entropy,
)
from llmood.measures.token_statistics import Floats
from llmood.scorers.base import register
from llmood.scorers.drawn import Drawn, FromDraws
from llmood.scorers.settings import SAME_WORDS, TEN_DRAWS, Params

Estimate = Literal["rao", "discrete", "monte_carlo"]


@register(
    "semantic_entropy",
    {"": {}, ".discrete": {"estimate": "discrete"}, ".monte_carlo": {"estimate": "monte_carlo"}},
)
class SemanticEntropy(FromDraws):
    """How spread the draws are over meanings, each weighed by its likelihood.

    Formula: `measures.semantic_entropy` (Farquhar et al., Nature 630, 2024). The plain one is Rao's: a cluster has the
    share of the draws' likelihood that its draws have, with the mean log-probability of a draw's tokens. `.discrete`
    counts draws instead, and needs no log-probabilities. `.monte_carlo` (Kuhn et al., ICLR 2023) takes the sequences'
    own probabilities and normalises nothing.

    Args:
        estimate: which of them.
    """

    def __init__(
        self,
        *,
        generations: Params = TEN_DRAWS,
        equivalence: Params = SAME_WORDS,
        estimate: Estimate = "rao",
    ) -> None:
        super().__init__(generations=generations, equivalence=equivalence)
        self.estimate = estimate

    @property
    def reads_logprobs(self) -> bool:
        return self.estimate != "discrete"

    def uncertainty(self, drawn: Drawn) -> Floats:
        if self.estimate == "discrete":
            return discrete_semantic_entropy(drawn.clusters, drawn.offsets)
        if self.estimate == "rao":
            means = drawn.log_likelihoods / drawn.tokens
            return rao_semantic_entropy(drawn.clusters, means, drawn.offsets)
        found = monte_carlo_semantic_entropy(
            drawn.clusters, drawn.log_likelihoods, drawn.offsets, drawn.sequences
        )
        return np.where(np.isinf(found), np.nan, found)


@register("semantic_sets")
class SemanticSets(FromDraws):
    """How many meanings the draws have.

    Formula: `measures.semantic_entropy.number_of_semantic_sets` (Lin et al., TMLR 2024).
    """

    def uncertainty(self, drawn: Drawn) -> Floats:
        return number_of_semantic_sets(drawn.clusters, drawn.offsets)
