"""SDM: a softmax that is sharp only near train rows that were predicted right."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from llmood.measures.linear_head import head_logits, standardised
from llmood.measures.nearest import nearest_neighbours
from llmood.measures.sdm import (
    Admission,
    DistanceQuantiles,
    admitted,
    distance_quantiles,
    fit_admission,
    matching_run,
    rescaled_similarity,
    sdm_log_probabilities,
)
from llmood.measures.token_statistics import Floats, Integers
from llmood.records import Split
from llmood.scorers.base import register
from llmood.scorers.head import OfHead
from llmood.scorers.learned import Learned
from llmood.scorers.representation import OF

MOST = 200
"""q counts no further: the published code's 2,048 would take as many neighbours of every row."""


@register("sdm", {**OF, ".rejected": {"rejected": True}})
class SDM(OfHead):
    """−log of the largest similarity–distance–magnitude probability of a class.

    Formula: `measures.sdm` (Schmaltz, 2025), with a linear head in place of the trained adaptor, on what the head
    reads. Similarity is to train's rows, distance against those of `validation`, which the head wasn't fitted on.
    `.rejected` is 1 for a row that the publication's rule doesn't admit and 0 for one that it does: of those admitted,
    a share `alpha` is to be right in every class.

    Args:
        alpha: of that rule, between ½ and 1.
        rejected: the rule's verdict in place of the probability.
        reading: as in `Representation`.
    """

    chosen_on: ClassVar[Split | None] = "validation"
    bank_: Floats
    labels_: NDArray[np.int64]
    predictions_: NDArray[np.int64]
    quantiles_: DistanceQuantiles
    admission_: Admission

    def __init__(self, *, alpha: float = 0.9, rejected: bool = False, **reading: Any) -> None:
        super().__init__(**reading)
        if not 0.5 < alpha < 1.0:
            raise ValueError(f"alpha lies between 0.5 and 1, not {alpha:g}")
        self.alpha = alpha
        self.rejected = rejected

    def learn(self, train: Learned, held: Learned | None) -> None:
        super().learn(train, held)
        if held is None or not len(held.states):
            raise ValueError("no row of validation has a state to calibrate by")
        number = {name: place for place, name in enumerate(train.names)}
        known = np.array([number.get(held.names[own], -1) for own in held.classes], np.int64)
        states, labels = held.states[known >= 0], known[known >= 0]
        if not len(states):
            raise ValueError("no row of validation has a class of train")
        self.bank_ = standardised(train.states, self.head_)
        self.labels_ = train.classes
        self.predictions_ = head_logits(train.states, self.head_).argmax(axis=1).astype(np.int64)
        logits, similarity, distance = self._seen(states)
        self.quantiles_ = distance_quantiles(distance, labels, similarity, len(train.names))
        untold = sum(not len(known) for known in self.quantiles_.by_class)
        if untold:
            raise ValueError(
                f"{untold} of {len(train.names)} classes have no row of validation that is near train rows of their "
                "own, and without one everything is infinitely far"
            )
        log_probabilities = sdm_log_probabilities(logits, similarity, self.quantiles_(distance))
        rescaled = rescaled_similarity(similarity, np.exp(log_probabilities.max(axis=1)))
        self.admission_ = fit_admission(rescaled, np.exp(log_probabilities), labels, self.alpha)

    def distances(self, states: Floats) -> Floats:
        logits, similarity, distance = self._seen(states)
        log_probabilities = sdm_log_probabilities(logits, similarity, self.quantiles_(distance))
        top = log_probabilities.max(axis=1)
        if not self.rejected:
            return np.asarray(-top)
        rescaled = rescaled_similarity(similarity, np.exp(top))
        return np.where(admitted(rescaled, np.exp(log_probabilities), self.admission_), 0.0, 1.0)

    def _seen(self, states: Floats) -> tuple[Floats, Integers, Floats]:
        """Logits, similarity q, and the distance to the nearest train row."""
        logits = head_logits(states, self.head_)
        most = min(MOST, len(self.bank_))
        near = nearest_neighbours(standardised(states, self.head_), self.bank_, most)
        predictions = logits.argmax(axis=1)
        similarity = matching_run(near.indices, self.labels_, self.predictions_, predictions)
        return logits, similarity, near.distances[:, 0]
