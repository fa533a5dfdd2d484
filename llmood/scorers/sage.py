"""SAGE: three ways to be far from train, joined by how rare each is among held-out ID rows."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from llmood.measures.linear_head import head_logits
from llmood.measures.logit_scores import max_softmax_uncertainty
from llmood.measures.nearest import nearest_neighbours
from llmood.measures.sage import sage
from llmood.measures.subspace import Subspace, principal_subspace, residual_norm
from llmood.measures.token_statistics import Floats
from llmood.records import Split
from llmood.scorers.arguments import check_count
from llmood.scorers.base import register
from llmood.scorers.head import OfHead
from llmood.scorers.learned import Learned
from llmood.scorers.representation import OF


@register("sage", OF)
class SAGE(OfHead):
    """Minus the mean logarithm of three p-values: of neighbour distance, reconstruction error, and a head's doubt.

    Formula: `measures.sage.sage`, ranked among the ID task's `validation` rows. The latent space is that of train's
    principal components; distances are the mean Euclidean ones to the `neighbours` nearest of train there, where the
    published code has the logarithm of mean sums of absolute differences.

    Args:
        neighbours: how many.
        reading: as in `Representation`.
    """

    chosen_on: ClassVar[Split | None] = "validation"
    subspace_: Subspace
    bank_: Floats
    references_: list[Floats]

    def __init__(self, *, neighbours: int = 20, **reading: Any) -> None:
        super().__init__(**reading)
        check_count("neighbours", neighbours)
        self.neighbours = neighbours

    def learn(self, train: Learned, held: Learned | None) -> None:
        super().learn(train, held)
        if len(train.states) < self.neighbours:
            raise ValueError(
                f"{self.neighbours} neighbours are looked for, and there are {len(train.states)} states"
            )
        if held is None or not len(held.states):
            raise ValueError("no row of validation has a state to rank against")
        found = train.statistics.overall()
        self.subspace_ = principal_subspace(found.scatter / found.samples, found.mean, 0.9)
        self.bank_ = self._latent(train.states)
        self.references_ = self._parts(held.states)

    def distances(self, states: Floats) -> Floats:
        return sage(self._parts(states), self.references_)

    def _latent(self, states: Floats) -> Floats:
        return np.asarray((states - self.subspace_.origin) @ self.subspace_.directions)

    def _parts(self, states: Floats) -> list[Floats]:
        near = nearest_neighbours(self._latent(states), self.bank_, self.neighbours).distances.mean(axis=1)
        doubt = max_softmax_uncertainty(head_logits(states, self.head_))
        return [near, residual_norm(states, self.subspace_), doubt]
