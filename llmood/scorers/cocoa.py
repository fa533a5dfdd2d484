"""The model's own doubt in its answer, times how unlike the answer its draws are."""

from __future__ import annotations

from typing import Literal

import numpy as np

from llmood.measures.cocoa import cocoa
from llmood.measures.token_statistics import Floats
from llmood.scorers.answered import Answered, FromAnswer
from llmood.scorers.base import register
from llmood.scorers.settings import SAME_WORDS, SHORT_ANSWER, TEN_DRAWS, Params

Doubt = Literal["msp", "ppl", "mte"]


@register("cocoa", {".msp": {"doubt": "msp"}, ".ppl": {"doubt": "ppl"}, ".mte": {"doubt": "mte"}})
class Cocoa(FromAnswer):
    """The model's doubt in its answer times the mean distance of the draws from it.

    Formula: `measures.cocoa` (Vashurin et al., NeurIPS 2025), with how far answer and draw entail each other, averaged
    over both ways, for their similarity.

    Args:
        doubt: `msp`, −log p of the answer; `ppl`, its mean over tokens; `mte`, the mean entropy of its tokens.
    """

    def __init__(
        self,
        *,
        generations: Params = TEN_DRAWS,
        equivalence: Params = SAME_WORDS,
        response: Params = SHORT_ANSWER,
        doubt: Doubt = "msp",
    ) -> None:
        super().__init__(generations=generations, equivalence=equivalence, response=response)
        self.doubt = doubt

    @property
    def token_values(self) -> Literal["logprobs", "entropy"]:
        return "entropy" if self.doubt == "mte" else "logprobs"

    def of_answers(self, answered: Answered) -> Floats:
        doubt = answered.sums if self.doubt == "mte" else -answered.sums
        if self.doubt != "msp":
            doubt = doubt / answered.tokens
        # A sum of logarithms that are all 0 may be −0 or less by rounding.
        return cocoa(np.maximum(doubt, 0.0), answered.similarity, answered.draws.offsets)
