"""How spread the next token's distribution was while the model answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from llmood.measures.token_entropy import entropy_bounds, max_token_entropy, mean_token_entropy
from llmood.measures.token_statistics import Floats
from llmood.scorers.answer_tokens import SAYS_WHETHER_EMPTY, FromResponse
from llmood.scorers.base import register
from llmood.scorers.settings import SHORT_ANSWER, Params
from llmood.scorers.spans import any_missing, token_column

ANY_VOCABULARY = 2**31  # the lower bound doesn't depend on it


@register("token_entropy", {"": {}, ".max": {"largest": True}})
class TokenEntropy(FromResponse):
    """The entropy of the distribution before each token of the answer, averaged over its tokens (or the largest).

    Formula: `measures.token_entropy.mean_token_entropy` (Fomicheva et al., TACL 2020) and `max_token_entropy` (Manakul
    et al., EMNLP 2023). Where an engine gives the likeliest tokens in place of the entropy, each token counts with the
    least entropy that they allow (`entropy_bounds`).

    Args:
        response: how it was decoded (the run's `response`).
        largest: of the tokens, rather than the mean.
    """

    asked: ClassVar[Params] = {"entropy": True}
    missing: ClassVar[str] = "the engine gave neither entropies nor the likeliest tokens"
    columns: ClassVar[Mapping[str, list[str]]] = {
        "response": [*SAYS_WHETHER_EMPTY, "entropy", "top_logprobs", "residual_mass"]
    }

    def __init__(self, *, response: Params = SHORT_ANSWER, largest: bool = False) -> None:
        super().__init__(response=response)
        self.largest = largest

    @property
    def definition(self) -> str:
        return "entropy: exact where the engine gives it, else the least that the likeliest tokens allow"

    def uncertainty(self, *tables: pa.Table) -> Floats:
        (answers,) = tables
        reduce = max_token_entropy if self.largest else mean_token_entropy
        entropies, offsets = token_column(answers, "entropy")
        found = reduce(entropies.astype(np.float64), offsets)
        found[any_missing(entropies, offsets)] = np.nan  # a mean over some tokens is no answer's
        names = ("entropy", "top_logprobs", "residual_mass")
        for row, (exact, top, left) in enumerate(
            zip(*(answers[name].to_pylist() for name in names), strict=True)
        ):
            if not exact and top and left:
                least = least_entropies(top, left)
                found[row] = np.nan if np.isnan(least).any() else reduce(least, np.array([0, len(least)]))[0]
        return found


def least_entropies(top_logprobs: Sequence[Sequence[float]], residual_mass: Sequence[float]) -> Floats:
    """For each token the least entropy that its likeliest alternatives allow, NaN where it has none: float64 (T,)."""
    pairs = zip(top_logprobs, residual_mass, strict=True)
    bounds: list[Any] = [
        entropy_bounds(np.array(known), np.array(left), ANY_VOCABULARY).lower if known else np.nan
        for known, left in pairs
    ]
    return np.array(bounds, dtype=np.float64)
