"""How improbable the model's own answer was to it, as it said it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pyarrow as pa

from llmood.measures.token_statistics import Floats, negative_log_likelihood, sum_scored_tokens
from llmood.scorers.answer_tokens import SAYS_WHETHER_EMPTY, FromResponse
from llmood.scorers.base import Probability, register
from llmood.scorers.settings import SHORT_ANSWER, Params
from llmood.scorers.spans import any_missing, token_column


@register("sequence_probability", {"": {}, ".mean": {"mean": True}})
class SequenceProbability(FromResponse):
    """−log p of the answer given the prompt, summed or (`.mean`) averaged over its tokens, as it was decoded.

    Formula: `measures.token_statistics.negative_log_likelihood`; "maximum sequence probability", and perplexity where
    it is a mean. The same number as `likelihood.response_given_prompt`, without reading the answer a second time; the
    end token is among its tokens, as there.

    Args:
        response: how it was decoded (the run's `response`).
        mean: per token.
    """

    missing: ClassVar[str] = "the answer has no log-probabilities"
    columns: ClassVar[Mapping[str, list[str]]] = {"response": SAYS_WHETHER_EMPTY}

    def __init__(self, *, response: Params = SHORT_ANSWER, mean: bool = False) -> None:
        super().__init__(response=response)
        self.mean = mean

    @property
    def probability(self) -> Probability | None:  # type: ignore[override]
        """Of the whole answer; a mean over tokens stands for no answer's."""
        return None if self.mean else "negative_log"

    @property
    def sureness(self) -> Probability | None:  # type: ignore[override]
        """Of a token of the answer."""
        return "negative_log" if self.mean else None

    @property
    def token_columns(self) -> Mapping[str, str]:
        return {"response": "logprobs"}

    def uncertainty(self, *tables: pa.Table) -> Floats:
        (answers,) = tables
        values, offsets = token_column(answers, "logprobs")
        total, tokens = sum_scored_tokens(values, offsets)
        total[any_missing(values, offsets)] = np.nan  # a part is no sum
        return negative_log_likelihood(total, tokens, mean=self.mean)
