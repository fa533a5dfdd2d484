"""Several scorers on one scale without labels: the mean of their ranks among ID rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from llmood.engines.observations import Observations
from llmood.measures.ranks import ranks_among
from llmood.measures.token_statistics import Floats
from llmood.records import Split
from llmood.scorers.base import register
from llmood.scorers.combined import Combination, Make, refuse_others


@register("rank_average")
class RankAverage(Combination):
    """The mean of several scorers' ranks among the ID task's `validation` rows; needs no labels.

    Formula: `measures.ranks.ranks_among`. A score alone has no rank, so it is ranked among rows that are neither tuned
    on nor measured: a model's scores of what it was tuned on lie lower than those of anything else.

    Args:
        of: the scorers' names.
        make: how the run makes them.
    """

    least = 2
    references_: dict[str, list[float]]

    def __init__(
        self, *, of: Sequence[str] = ("likelihood_ratio", "likelihood"), make: Make | None = None
    ) -> None:
        super().__init__(of=of, make=make)

    @property
    def fitted_on(self) -> Split:  # type: ignore[override]  # the members' own split comes first
        return next((member.fitted_on for member in self.members.values() if member.fitted_on), "validation")

    chosen_on = "validation"

    def fit(self, train: Observations, validation: Observations | None = None) -> Self:
        """Learn how each member's scores are spread over ID rows: those of `validation`, or `train` without any."""
        refuse_others("rank_average", train, "train", "validation")
        ranked = train if validation is None else validation
        refuse_others("rank_average", ranked, "train", "validation")
        self.fit_members(train)
        table = self.table(ranked)
        known = [np.sort(values[~np.isnan(values)]) for values in table.T]
        self.references_ = {name: values.tolist() for name, values in zip(self.of, known, strict=True)}
        lacking = next((name for name, values in self.references_.items() if not values), None)
        self.unfit_ = None if lacking is None else f"{lacking} scores no row to rank among"
        return self

    def combined(self, values: Floats) -> Floats:
        ranks = [
            ranks_among(own, np.array(self.references_[name]))
            for name, own in zip(self.of, values.T, strict=True)
        ]
        return np.asarray(np.mean(ranks, axis=0), dtype=np.float64)
