"""How far a state is from the nearest ones of train."""

from __future__ import annotations

from typing import Any, ClassVar

from llmood.measures.nearest import knn_distance
from llmood.measures.states import unit_rows
from llmood.measures.token_statistics import Floats
from llmood.scorers.arguments import check_count
from llmood.scorers.base import register
from llmood.scorers.representation import OF, Learned, Representation


@register("knn", OF)
class KNN(Representation):
    """1 − the cosine to the k-th most similar train state.

    Formula: `measures.nearest.knn_distance` (Sun et al., ICML 2022), exact.

    Args:
        k: which neighbour.
        reading: as in `Representation`.
    """

    directed: ClassVar[bool] = True
    bank_: Floats

    def __init__(self, *, k: int = 1, **reading: Any) -> None:
        super().__init__(**reading)
        check_count("k", k)
        self.k = k

    def learn(self, train: Learned, held: Learned | None) -> None:
        if len(train.states) < self.k:
            raise ValueError(f"neighbour {self.k} is looked for, and there are {len(train.states)} states")
        self.bank_ = unit_rows(train.states)

    def distances(self, states: Floats) -> Floats:
        return knn_distance(states, self.bank_, self.k)
