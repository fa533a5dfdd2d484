"""How far a state's direction is from those of train's classes."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from llmood.measures.nearest import cosine_to_class_means
from llmood.measures.token_statistics import Floats
from llmood.scorers.base import register
from llmood.scorers.learned import Learned
from llmood.scorers.representation import OF, Representation


@register("cosine", OF)
class Cosine(Representation):
    """1 − the largest cosine to the mean state of a class of train.

    Formula: `measures.nearest.cosine_to_class_means`.

    Args:
        reading: as in `Representation`.
    """

    directed: ClassVar[bool] = True
    means_: Floats

    def learn(self, train: Learned, held: Learned | None) -> None:
        means = [train.states[train.classes == number].mean(axis=0) for number in np.unique(train.classes)]
        self.means_ = np.array([mean for mean in means if mean.any()])
        if not len(self.means_):
            raise ValueError("no class has a mean that points anywhere")

    def distances(self, states: Floats) -> Floats:
        return cosine_to_class_means(states, self.means_)
