"""How sure the answer is of what it claims, whatever words it takes for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pyarrow as pa

from llmood.engines.captures import ALTERNATIVES, EQUIVALENCE, comparison_of
from llmood.measures.claim_conditioned import claim_conditioned_uncertainty
from llmood.measures.token_statistics import Floats
from llmood.records import CaptureSpec
from llmood.scorers.answer_tokens import SAYS_WHETHER_EMPTY, FromResponse
from llmood.scorers.base import register
from llmood.scorers.drawn import described
from llmood.scorers.settings import SAME_WORDS, SHORT_ANSWER, Params
from llmood.scorers.spans import token_column


@register("claim_conditioned")
class ClaimConditioned(FromResponse):
    """1 − the product, over the answer's tokens, of the share of what claims the same among what claims otherwise too.

    Formula: `measures.claim_conditioned` (Fadeeva et al., Findings of ACL 2024), over all tokens that add words. What
    an alternative claims is told by the run's `equivalence`, of the answer up to there with either token.

    Args:
        response: how the answer was decoded (the run's `response`).
        equivalence: what tells claims apart (the run's `equivalence`).
        alternatives: how many of the likeliest tokens are looked at in each token's place.
    """

    reads_answers: ClassVar[bool] = True
    missing: ClassVar[str] = "not defined: tokens of probability 0"
    columns: ClassVar[Mapping[str, list[str]]] = {
        "response": SAYS_WHETHER_EMPTY,
        EQUIVALENCE: ["claim_logprobs"],
    }

    def __init__(
        self, *, response: Params = SHORT_ANSWER, equivalence: Params = SAME_WORDS, alternatives: int = 10
    ) -> None:
        if alternatives < 1:
            raise ValueError(f"alternatives must be at least 1, not {alternatives}")
        super().__init__(response=response)
        self.equivalence = equivalence
        self.alternatives = alternatives

    @property
    def definition(self) -> str:
        return described(self.equivalence)

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        asked = {**self.response, "top": self.alternatives}
        return (self.answer, comparison_of(ALTERNATIVES, self.equivalence, response=asked))

    def uncertainty(self, *tables: pa.Table) -> Floats:
        _, compared = tables
        values, offsets = token_column(compared, "claim_logprobs")
        return claim_conditioned_uncertainty(values.astype(np.float64), offsets)
