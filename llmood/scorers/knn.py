"""How far a state is from the nearest ones of train."""

from __future__ import annotations

from typing import Any, ClassVar

from llmood.engines.observations import Block
from llmood.measures.nearest import Neighbours, cosine_neighbours, knn_distance
from llmood.measures.token_statistics import Floats
from llmood.scorers.arguments import check_count
from llmood.scorers.base import register
from llmood.scorers.learned import Learned
from llmood.scorers.neighbours import placed
from llmood.scorers.representation import OF, Representation


@register("knn", OF)
class KNN(Representation):
    """1 − the cosine to the k-th most similar train state.

    Formula: `measures.nearest.knn_distance` (Sun et al., ICML 2022), exact.

    Args:
        k: which neighbour.
        reading: as in `Representation`.
    """

    directed: ClassVar[bool] = True
    by_concepts: ClassVar[bool] = True
    bank_: Floats
    bank_ids_: list[str]

    def __init__(self, *, k: int = 1, **reading: Any) -> None:
        super().__init__(**reading)
        check_count("k", k)
        self.k = k

    def learn(self, train: Learned, held: Learned | None) -> None:
        if len(train.states) < self.k:
            raise ValueError(f"neighbour {self.k} is looked for, and there are {len(train.states)} states")
        # As they are: rows scaled twice differ in the last digit, and an equal of one would not be at 0.
        self.bank_ = train.states
        self.bank_ids_ = list(train.ids)

    def distances(self, states: Floats) -> Floats:
        return knn_distance(states, self.bank_, self.k)

    def neighbours(self, block: Block, k: int) -> Neighbours:
        rows, states, _ = self.readable(block)
        found = cosine_neighbours(states, self.bank_, min(k, len(self.bank_))) if len(rows) else None
        return placed(found, rows, len(block), k)
