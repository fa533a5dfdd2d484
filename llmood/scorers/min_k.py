"""How unlikely a model finds a text's least likely tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmood.engines.observations import Block
from llmood.measures.least_likely import least_likely_mean
from llmood.records import CaptureSpec, Scores
from llmood.scorers.arguments import check_share
from llmood.scorers.base import Probability, Scorer, register, with_reasons
from llmood.scorers.likelihood import NO_TOKENS
from llmood.scorers.spans import Target, capture_of, status_of, target_start, token_column, variants


@register("min_k", variants(base=True, mean=False))
class MinK(Scorer):
    """−log p of the text's least likely tokens under one model, averaged over a share of them.

    Formula: `measures.least_likely.least_likely_mean` (Shi et al., ICLR 2024: Min-K % Prob, there a test of whether a
    text was in the training data). A few words that the model didn't expect count; a long, easy rest can't hide them.

    Args:
        model: the role that reads it, `tuned` or `base`.
        target: whose tokens.
        share: of the tokens, the least likely; at least one token.
    """

    columns: ClassVar[Mapping[str, list[str]]] = {"prompt_logprobs": ["logprobs", "spans"]}

    def __init__(self, *, model: str = "tuned", target: Target = "prompt", share: float = 0.2) -> None:
        check_share("share", share)
        self.model = model
        self.target = target
        self.share = share

    @property
    def sureness(self) -> Probability | None:  # type: ignore[override]
        """Of a token of the prompt, by the model that was tuned on such prompts."""
        return "negative_log" if self.target == "prompt" and self.model == "tuned" else None

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        return (capture_of(self.model, self.target),)

    def score(self, block: Block) -> Scores:
        table = block[self.needs[0]]
        values, offsets = token_column(table, "logprobs")
        lowest = least_likely_mean(values, offsets, self.share, target_start(table, self.target))
        return with_reasons(-lowest, *status_of(block, *self.needs), NO_TOKENS)
