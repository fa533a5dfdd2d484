"""The scorers that every report holds beside the others: a score that doesn't beat them found nothing."""

from __future__ import annotations

import numpy as np

from llmood.engines.observations import Block
from llmood.records import Scores
from llmood.scorers.base import Scorer, register
from llmood.seeds import unit_interval

BASELINES = ("length", "random", "constant")

NO_COUNT = "the number of prompt tokens is not known"


@register("length")
class Length(Scorer):
    """The number of prompt tokens. Where it separates ID from OOD, so does any sum over tokens."""

    def score(self, block: Block) -> Scores:
        values = block.samples["prompt_tokens"].to_numpy().astype(np.float64)
        return Scores(values, [NO_COUNT if unknown else None for unknown in np.isnan(values)])


@register("random")
class Random(Scorer):
    """A uniform number by hash of the sample: AUROC 0.5 but for chance, and the same in every run.

    Args:
        seed: another seed gives other numbers.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed

    def score(self, block: Block) -> Scores:
        ids = block.samples["sample_id"].to_pylist()
        return Scores(
            np.array([unit_interval(self.seed, "random", name) for name in ids]), [None] * len(block)
        )


@register("constant")
class Constant(Scorer):
    """Zero for every sample: what a metric gives to no information at all."""

    def score(self, block: Block) -> Scores:
        return Scores(np.zeros(len(block)), [None] * len(block))
