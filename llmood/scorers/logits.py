"""Scorers of the logits of a linear head on states."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from llmood.measures.linear_head import head_logits
from llmood.measures.logit_scores import energy, max_logit_uncertainty, max_softmax_uncertainty
from llmood.measures.token_statistics import Floats
from llmood.scorers.base import Probability, register
from llmood.scorers.head import OfHead
from llmood.scorers.representation import OF


class OfLogits(OfHead):
    """A scorer of the head's logits alone."""

    @abstractmethod
    def of_logits(self, logits: Floats) -> Floats:
        """Of logits (n, C), (n,); higher = more OOD."""

    def distances(self, states: Floats) -> Floats:
        return self.of_logits(head_logits(states, self.head_))


@register("msp", OF)
class MaxSoftmax(OfLogits):
    """1 − the largest probability that a linear head on the states gives to a class.

    Formula: `measures.logit_scores.max_softmax_uncertainty` (Hendrycks and Gimpel, ICLR 2017).

    Args:
        reading: as in `Representation`.
    """

    sureness: ClassVar[Probability | None] = "complement"

    def of_logits(self, logits: Floats) -> Floats:
        return max_softmax_uncertainty(logits)


@register("max_logit", OF)
class MaxLogit(OfLogits):
    """−the largest logit of a linear head on the states.

    Formula: `measures.logit_scores.max_logit_uncertainty` (Hendrycks et al., ICML 2022).

    Args:
        reading: as in `Representation`.
    """

    def of_logits(self, logits: Floats) -> Floats:
        return max_logit_uncertainty(logits)


@register("energy", OF)
class Energy(OfLogits):
    """−log Σ exp of a linear head's logits.

    Formula: `measures.logit_scores.energy` (Liu et al., NeurIPS 2020).

    Args:
        reading: as in `Representation`.
    """

    def of_logits(self, logits: Floats) -> Floats:
        return energy(logits)
