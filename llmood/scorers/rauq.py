"""How sure the answer's tokens are, each leaning on the one before it as far as it attends to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from llmood.engines.attention import ATTENTION, MIDDLE, PREVIOUS
from llmood.measures.rauq import rauq
from llmood.measures.token_statistics import Floats
from llmood.records import CaptureSpec
from llmood.scorers.answer_tokens import SAYS_WHETHER_EMPTY, FromResponse
from llmood.scorers.base import register
from llmood.scorers.settings import SHORT_ANSWER, Params


@register("rauq")
class Rauq(FromResponse):
    """−log of a confidence that each token takes over from the one before, as far as its layer's best head attends.

    Formula: `measures.rauq.rauq` (Vazhentsev et al., 2025): the largest over the model's middle third of layers.

    Args:
        response: how it was decoded (the run's `response`).
        alpha: the share of a token's own probability, in [0, 1].
        layers: that take part: `middle`, `all`, or by number from 1 (`6`, `2-8`).
    """

    missing: ClassVar[str] = "some tokens have no log-probability"
    columns: ClassVar[Mapping[str, list[str]]] = {
        "response": SAYS_WHETHER_EMPTY,
        ATTENTION: ["layer", "values"],
    }

    def __init__(self, *, response: Params = SHORT_ANSWER, alpha: float = 0.2, layers: str = MIDDLE) -> None:
        if not 0.0 <= alpha <= 1.0:
            raise ValueError(f"alpha must lie in [0, 1], not {alpha}")
        super().__init__(response=response)
        self.alpha = alpha
        self.layers = layers

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        params = {"layers": self.layers, "statistic": PREVIOUS}
        return (self.answer, CaptureSpec.of(ATTENTION, "tuned", "prompt_response", **params))

    def uncertainty(self, *tables: pa.Table) -> Floats:
        answers, attention = tables
        columns = (answers["logprobs"], attention["layer"], attention["values"])
        return np.array(
            [self._one(*row) for row in zip(*(column.to_pylist() for column in columns), strict=True)],
            dtype=np.float64,
        )

    def _one(self, logprobs: list[Any] | None, layers: list[int], values: list[list[float]]) -> float:
        if not logprobs or None in logprobs:
            return float("nan")
        depth = len(set(layers))
        weights = np.array(values, dtype=np.float64).reshape(
            depth, len(values) // depth, -1 if values[0] else 0
        )
        return rauq(np.array(logprobs), weights, self.alpha)
