"""How unlikely a model finds a text: the plain baseline of the likelihood ratio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmood.engines.observations import Block
from llmood.measures.token_statistics import negative_log_likelihood
from llmood.records import CaptureSpec, Scores
from llmood.scorers.base import Probability, Scorer, register, with_reasons
from llmood.scorers.spans import Target, capture_of, log_likelihood, status_of, variants

NO_TOKENS = "one token: nothing to predict"


@register("likelihood", variants(base=True, mean=True))
class Likelihood(Scorer):
    """−log p of the text under one model, summed (or averaged) over its tokens.

    Formula: `measures.token_statistics.negative_log_likelihood` (Zhang et al., AISTATS 2025: LH and NLH). Base models
    give ordinary text a high likelihood whether or not it is in the tuned domain, and a sum grows with length.

    Args:
        model: the role that reads it, `tuned` or `base`.
        target: what is summed.
        mean: per token.
    """

    columns: ClassVar[Mapping[str, list[str]]] = {"prompt_logprobs": ["logprobs", "spans"]}

    def __init__(self, *, model: str = "tuned", target: Target = "prompt", mean: bool = False) -> None:
        self.model = model
        self.target = target
        self.mean = mean

    @property
    def probability(self) -> Probability | None:  # type: ignore[override]
        """Of the whole answer, by the model that gave it: what `sequence_probability` is too."""
        of_answer = self.target == "response_given_prompt" and self.model == "tuned" and not self.mean
        return "negative_log" if of_answer else None

    @property
    def sureness(self) -> Probability | None:  # type: ignore[override]
        """Of a token of the prompt, by the model that was tuned on such prompts."""
        of_prompt = self.target == "prompt" and self.model == "tuned" and self.mean
        return "negative_log" if of_prompt else None

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        return (capture_of(self.model, self.target),)

    def score(self, block: Block) -> Scores:
        total, tokens = log_likelihood(block, self.model, self.target)
        values = negative_log_likelihood(total, tokens, mean=self.mean)
        return with_reasons(values, *status_of(block, *self.needs), NO_TOKENS)


@register("perplexity", variants(base=True, mean=False))
class Perplexity(Likelihood):
    """The mean negative log-likelihood a token, not exponentiated: it ranks as perplexity does and can't overflow."""

    sureness = None  # `likelihood.mean` says the same

    def __init__(self, *, model: str = "tuned", target: Target = "prompt") -> None:
        super().__init__(model=model, target=target, mean=True)
