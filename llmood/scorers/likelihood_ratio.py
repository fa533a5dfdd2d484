"""The likelihood ratio of base and tuned model: did the tuning make this text likelier?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pyarrow as pa

from llmood.engines.observations import Block
from llmood.measures.token_statistics import likelihood_ratio, ratio_by_token
from llmood.records import CaptureSpec, Scores
from llmood.scorers.base import Scorer, register, with_reasons
from llmood.scorers.by_token import ByToken
from llmood.scorers.spans import (
    Target,
    capture_of,
    log_likelihood,
    status_of,
    target_start,
    token_column,
    variants,
)

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

    def by_token(self, block: Block) -> ByToken:
        base, tuned = (block[spec] for spec in self.needs)
        lengths = [
            np.diff(token_column(table, name)[1])
            for table, name in ((tuned, "logprobs"), (base, "logprobs"), (tuned, "token_ids"))
        ]
        there = (lengths[0] == lengths[1]) & (lengths[0] == lengths[2])  # null lists have no length
        base, tuned = (table.filter(pa.array(there)) for table in (base, tuned))
        values, offsets = token_column(tuned, "logprobs")
        start = target_start(tuned, self.target)
        ratios = ratio_by_token(token_column(base, "logprobs")[0], values, offsets, start, mean=self.mean)
        ids, _ = token_column(tuned, "token_ids")
        return ByToken(ratios, ids.astype(np.int64), np.append(0, np.cumsum(np.where(there, lengths[0], 0))))
