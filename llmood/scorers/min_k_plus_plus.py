"""How unlikely a text's least likely tokens are beside the others that could have stood there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from llmood.engines.observations import Block
from llmood.measures.least_likely import least_likely_mean, standardised_logprobs
from llmood.measures.token_statistics import sum_scored_tokens
from llmood.records import CaptureSpec, Scores
from llmood.scorers.base import register, with_reasons
from llmood.scorers.likelihood import NO_TOKENS
from llmood.scorers.min_k import MinK
from llmood.scorers.spans import capture_of, status_of, target_start, token_column, variants

NO_SPREAD = "the model's log-probability has no spread over the vocabulary at some token"


@register("min_k_plus_plus", variants(base=True, mean=False))
class MinKPlusPlus(MinK):
    """As min_k, with each token's log p standardised by mean and spread of log p over the vocabulary.

    Formula: `measures.least_likely.standardised_logprobs` and `least_likely_mean` (Zhang et al., ICLR 2025: Min-K%++).
    A token is unlikely here where the model had something better to offer, not where anything could have followed.

    Args:
        model: the role that reads it, `tuned` or `base`.
        target: whose tokens.
        share: of the tokens, the least likely; at least one token.
    """

    columns: ClassVar[Mapping[str, list[str]]] = {
        "prompt_logprobs": ["logprobs", "spans"],
        "prompt_moments": ["logprob_mean", "logprob_std"],
    }

    sureness = None  # standardised: no log-probability

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        return (
            capture_of(self.model, self.target),
            capture_of(self.model, self.target, "prompt_moments"),
        )

    def score(self, block: Block) -> Scores:
        status, reasons = status_of(block, *self.needs)
        both = np.array([state == "ok" for state in status], dtype=bool)
        tokens, moments = (block[spec].filter(both) for spec in self.needs)
        logprobs, offsets = token_column(tokens, "logprobs")
        mean, _ = token_column(moments, "logprob_mean")
        std, _ = token_column(moments, "logprob_std")
        start = target_start(tokens, self.target)
        standardised = standardised_logprobs(logprobs, mean, std)
        # Where σ is 0 so is, in exact numbers, log p − μ: no number says how unlikely that token was.
        flat = np.where(np.isnan(logprobs), np.nan, np.asarray(std == 0, dtype=np.float64))
        without_spread, scored = sum_scored_tokens(flat, offsets, start)
        lowest = least_likely_mean(standardised, offsets, self.share, start)
        values = np.full(len(block), np.nan)
        values[both] = np.where(without_spread > 0, np.nan, -lowest)
        found = with_reasons(values, status, reasons, NO_SPREAD)
        alone = np.zeros(len(block), dtype=bool)
        alone[both] = scored == 0
        return Scores(
            found.values,
            [NO_TOKENS if one else reason for one, reason in zip(alone, found.reasons, strict=True)],
        )
