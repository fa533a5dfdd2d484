"""Scorers of the logits that a model gives to the labels of a classification, right behind the prompt."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from llmood.engines.labels import BETWEEN
from llmood.engines.observations import Block
from llmood.measures.logit_scores import energy, max_logit_uncertainty, max_softmax_uncertainty
from llmood.measures.token_statistics import Floats
from llmood.records import CaptureSpec, Scores
from llmood.scorers.base import Probability, Scorer, register, with_reasons
from llmood.scorers.spans import status_of

LETTERS = "A|B|C|D"
NO_LOGITS = "the engine gave no logits of the labels"


class OfLabels(Scorer):
    """A scorer of the tuned model's logits of the labels' first tokens; nothing is fitted.

    It says something where the prompt asks for one of the labels and they are what comes next: "A" where a prompt ends
    in "Answer: " and " A" where it ends in "Answer:" are different tokens. Two labels of one first token are refused.

    Args:
        labels: what the model may answer, with `|` between.
    """

    columns: ClassVar[Mapping[str, list[str]]] = {"next_token": ["label_logits"]}

    def __init__(self, *, labels: str = LETTERS) -> None:
        names = str(labels).split(BETWEEN)  # YAML may give a number
        if len(names) < 2 or not all(names) or len(set(names)) < len(names):
            raise ValueError(
                f"labels are at least two different texts with '{BETWEEN}' between, not {labels!r}"
            )
        self.labels = labels

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        return (CaptureSpec.of("next_token", "tuned", labels=self.labels, top=0),)

    @property
    def definition(self) -> str | None:
        return f"labels: {self.labels}"

    @property
    def no_value(self) -> str:
        """Why a row whose observation is there has no score."""
        return NO_LOGITS

    @abstractmethod
    def of_logits(self, logits: Floats) -> Floats:
        """Of logits (n, C), (n,); higher = more OOD."""

    def score(self, block: Block) -> Scores:
        (spec,) = self.needs
        given = block[spec]["label_logits"].to_pylist()
        there = np.array([row is not None for row in given], dtype=bool)
        values = np.full(len(block), np.nan)
        if there.any():
            values[there] = self.of_logits(np.array([row for row in given if row is not None], np.float64))
        return with_reasons(values, *status_of(block, spec), self.no_value)


@register("msp.labels")
class LabelMaxSoftmax(OfLabels):
    """1 − the probability of the likeliest label, among the labels alone.

    Formula: `measures.logit_scores.max_softmax_uncertainty` (Hendrycks and Gimpel, ICLR 2017).

    Args:
        labels: as in `OfLabels`.
    """

    probability: ClassVar[Probability | None] = "complement"  # a greedy answer is the likeliest label
    sureness: ClassVar[Probability | None] = "complement"

    def of_logits(self, logits: Floats) -> Floats:
        return max_softmax_uncertainty(logits)


@register("max_logit.labels")
class LabelMaxLogit(OfLabels):
    """−the largest logit of a label.

    Formula: `measures.logit_scores.max_logit_uncertainty` (Hendrycks et al., ICML 2022). A language model's logits have
    an arbitrary offset: it compares prompts of one model only.

    Args:
        labels: as in `OfLabels`.
    """

    def of_logits(self, logits: Floats) -> Floats:
        return max_logit_uncertainty(logits)


@register("energy.labels")
class LabelEnergy(OfLabels):
    """−log Σ exp of the labels' logits.

    Formula: `measures.logit_scores.energy` (Liu et al., NeurIPS 2020), with the offset of `max_logit.labels`.

    Args:
        labels: as in `OfLabels`.
    """

    def of_logits(self, logits: Floats) -> Floats:
        return energy(logits)
