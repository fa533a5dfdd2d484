"""What the scorers of a linear head share: one head for a set of states, which tells train's classes apart."""

from __future__ import annotations

from llmood.measures.linear_head import LinearHead
from llmood.scorers.learned import Learned
from llmood.scorers.representation import Representation


class OfHead(Representation):
    """A scorer that reads states through a linear head.

    Formula of the head: `measures.linear_head.fit_head`, on train's labels.

    Args:
        reading: as in `Representation`.
    """

    head_: LinearHead

    @property
    def least_classes(self) -> int:
        return 2

    def learn(self, train: Learned, held: Learned | None) -> None:
        self.head_ = train.head

    @property
    def definition(self) -> str | None:
        return f"a linear head on {super().definition}"
