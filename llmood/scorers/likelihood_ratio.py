"""The likelihood ratio of base and tuned model: did the tuning make this text likelier?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmood.engines.observations import Block
from llmood.measures.token_statistics import likelihood_ratio
from llmood.records import CaptureSpec, Scores
from llmood.scorers.base import Scorer, register, with_reasons
from llmood.scorers.spans import Target, capture_of, log_likelihood, status_of, variants

UNDEFINED = "no token to predict, or both models gave probability zero"


@register("likelihood_ratio", variants(base=False, mean=True))
class LikelihoodRatio(Scorer):
    """log p_base − log p_tuned of the text, summed (or averaged) over its tokens.

    Formula: `measures.token_statistics.likelihood_ratio` (Zhang et al., AISTATS 2025: LR and NLR), with the exact sum
    over the T − 1 predicted tokens. What both models find likely or unlikely alike cancels, so that ordinary text
    outside the tuned domain stands out where plain likelihood misses it.

    Args:
        target: what is summed; the responses are the tuned model's greedy ones.
        mean: per token, against the growth of a sum with length.
    """

    columns: ClassVar[Mapping[str, list[str]]] = {"prompt_logprobs": ["logprobs", "spans"]}

    def __init__(self, *, target: Target = "prompt", mean: bool = False) -> None:
        self.target = target
        self.mean = mean

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        return capture_of("base", self.target), capture_of("tuned", self.target)

    def score(self, block: Block) -> Scores:
        base, tokens = log_likelihood(block, "base", self.target)
        tuned, _ = log_likelihood(block, "tuned", self.target)
        values = likelihood_ratio(base, tuned, tokens, mean=self.mean)
        return with_reasons(values, *status_of(block, *self.needs), UNDEFINED)
