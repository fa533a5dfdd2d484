"""Entropy over meanings that may be alike: draws share their weight by how near they are."""

from __future__ import annotations

from typing import Literal

import numpy as np

from llmood.measures.kernel_entropy import (
    entailment_weights,
    heat_kernel,
    kernel_language_entropy,
    matern_kernel,
)
from llmood.measures.token_statistics import Floats
from llmood.scorers.base import register
from llmood.scorers.drawn import Drawn, FromDraws
from llmood.scorers.settings import SAME_WORDS, TEN_DRAWS, Params


@register("kernel_language_entropy", {"": {}, ".matern": {"kernel": "matern"}})
class KernelLanguageEntropy(FromDraws):
    """The von Neumann entropy of a kernel on the graph of the draws.

    Formula: `measures.kernel_entropy` (Nikitin et al., NeurIPS 2024), with the kernel that heat flowing along the edges
    makes, or Matérn's.

    Args:
        kernel: `heat` or `matern`.
    """

    compared = "all"

    def __init__(
        self,
        *,
        generations: Params = TEN_DRAWS,
        equivalence: Params = SAME_WORDS,
        kernel: Literal["heat", "matern"] = "heat",
    ) -> None:
        super().__init__(generations=generations, equivalence=equivalence)
        self.kernel = kernel

    def uncertainty(self, drawn: Drawn) -> Floats:
        kernel = heat_kernel if self.kernel == "heat" else matern_kernel
        return np.array(
            [
                float(kernel_language_entropy(kernel(entailment_weights(entails, contradicts))))
                for entails, contradicts in zip(drawn.entailment, drawn.contradiction, strict=True)
            ]
        )
