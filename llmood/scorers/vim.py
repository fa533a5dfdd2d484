"""ViM: a state's part outside train's plane, as one logit against those of the classes."""

from __future__ import annotations

from typing import Any

from llmood.measures.linear_head import head_logits, standardised
from llmood.measures.moments import moments_of
from llmood.measures.subspace import Vim, residual_norm, vim, vim_origin, vim_scaled, vim_subspace
from llmood.measures.token_statistics import Floats
from llmood.scorers.base import register
from llmood.scorers.head import OfHead
from llmood.scorers.learned import Learned
from llmood.scorers.representation import OF


@register("vim", {**OF, ".residual": {"residual": True}})
class ViM(OfHead):
    """The energy of a linear head, with the norm of the state's residual as one logit more.

    Formula: `measures.subspace.vim` (Wang et al., CVPR 2022), on what the head reads. `.residual` is that norm alone.

    Args:
        residual: leave the logits out.
        reading: as in `Representation`.
    """

    vim_: Vim

    def __init__(self, *, residual: bool = False, **reading: Any) -> None:
        super().__init__(**reading)
        self.residual = residual

    def learn(self, train: Learned, held: Learned | None) -> None:
        super().learn(train, held)
        states = standardised(train.states, self.head_)
        origin = vim_origin(self.head_.weights, self.head_.bias)
        subspace = vim_subspace(moments_of(states), origin)
        logits = head_logits(train.states, self.head_)
        self.vim_ = Vim(subspace, 0.0) if self.residual else vim_scaled(states, logits, subspace)

    def distances(self, states: Floats) -> Floats:
        read = standardised(states, self.head_)
        if self.residual:
            return residual_norm(read, self.vim_.subspace)
        return vim(read, head_logits(states, self.head_), self.vim_)
