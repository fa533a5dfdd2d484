"""How little the model's distributions had in common with chance while it answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pyarrow as pa

from llmood.measures.segments import row_means
from llmood.measures.token_statistics import Floats
from llmood.scorers.answer_tokens import SAYS_WHETHER_EMPTY, FromResponse
from llmood.scorers.base import register
from llmood.scorers.settings import Params
from llmood.scorers.spans import token_column


class FromUniform(FromResponse):
    """−(mean over the answer's tokens) of how far the distribution before each is from the uniform one."""

    statistic: ClassVar[str]
    """The column of the response that holds it, a number a token."""
    asked: ClassVar[Params] = {"statistics": True}
    missing: ClassVar[str] = "not a finite number: the model gives some tokens a probability of 0"

    def uncertainty(self, *tables: pa.Table) -> Floats:
        (answers,) = tables
        values, offsets = token_column(answers, self.statistic)
        means = row_means(values, offsets)
        return np.where(np.isfinite(means), -means, np.nan)


@register("self_certainty")
class SelfCertainty(FromUniform):
    """−KL(uniform ‖ p), averaged over the answer's tokens: the tokens that the model all but rules out count most.

    Formula: `measures.token_entropy.self_certainty` (Kang et al., 2025), negated.

    Args:
        response: how it was decoded (the run's `response`).
    """

    statistic: ClassVar[str] = "self_certainty"
    columns: ClassVar[Mapping[str, list[str]]] = {"response": [*SAYS_WHETHER_EMPTY, statistic]}


@register("renyi")
class Renyi(FromUniform):
    """−(Rényi divergence of order 1/2 of p from the uniform distribution), averaged over the answer's tokens.

    Formula: `measures.token_entropy.renyi_divergence_from_uniform` at temperature 1 (Darrin et al., EMNLP 2023, whose
    code takes temperature 2), negated.

    Args:
        response: how it was decoded (the run's `response`).
    """

    statistic: ClassVar[str] = "renyi"
    columns: ClassVar[Mapping[str, list[str]]] = {"response": [*SAYS_WHETHER_EMPTY, statistic]}


@register("fisher_rao")
class FisherRao(FromUniform):
    """−(Fisher–Rao distance of p from the uniform distribution), averaged over the answer's tokens; from −1 to 0.

    Formula: `measures.token_entropy.fisher_rao_from_uniform` at temperature 1 (Darrin et al., EMNLP 2023, whose code
    takes temperature 2), negated.

    Args:
        response: how it was decoded (the run's `response`).
    """

    statistic: ClassVar[str] = "fisher_rao"
    columns: ClassVar[Mapping[str, list[str]]] = {"response": [*SAYS_WHETHER_EMPTY, statistic]}
