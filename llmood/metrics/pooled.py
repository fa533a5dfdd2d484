"""Resamples of answers as one population: how many of them are wrong varies from draw to draw."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from llmood.metrics.base import Metric
from llmood.metrics.inputs import BoolArray, check_errors
from llmood.metrics.resample import MetricLike, Resamples, WeightArray


class PooledResamples(Resamples):
    """Bootstrap draws of answers, right and wrong as one population: the error rate varies from draw to draw.

    Groups stay together. A draw without a wrong answer, or without a right one, is drawn again: intervals are
    conditional on there being both, as the metrics are.

    Args:
        is_wrong: (n,) bool.
        groups, draws, seed: as of `Resamples`.

    Attributes:
        is_positive: (n,) `is_wrong`, checked.
        groups: how many groups hold right answers, and how many hold wrong ones.

    Raises:
        ValueError: wrong shapes or types, NaN as a group, no draws.
        UndefinedMetric: no answers, all right or all wrong.
    """

    def __init__(
        self,
        is_wrong: ArrayLike,
        groups: Sequence[Hashable | None] | None = None,
        *,
        draws: int = 1000,
        seed: int = 0,
    ) -> None:
        super().__init__(is_wrong, groups, draws=draws, seed=seed)

    @property
    def degenerate(self) -> str | None:
        """Why resampling can't show the spread of these data, or None."""
        for name, n in (("right", self.groups.n_negative), ("wrong", self.groups.n_positive)):
            if n < 2:
                return f"the {name} answers are of too few independent groups to resample"
        return None

    def _check(self, labels: ArrayLike) -> BoolArray:
        return check_errors(labels)

    def _strata(self, has_id: BoolArray, has_ood: BoolArray) -> dict[str, BoolArray]:
        return {"all": has_id | has_ood}

    def _kept(self, weights: WeightArray) -> WeightArray:
        both = weights[:, self.is_positive].any(axis=1) & weights[:, ~self.is_positive].any(axis=1)
        return weights[both]


class UnlabelledResamples(Resamples):
    """Bootstrap draws of samples that have no classes (answers of graded quality); groups stay together.

    Args:
        n: how many samples.
        groups, draws, seed: as of `Resamples`.
    """

    def __init__(
        self,
        n: int,
        groups: Sequence[Hashable | None] | None = None,
        *,
        draws: int = 1000,
        seed: int = 0,
    ) -> None:
        super().__init__(np.zeros(n, dtype=bool), groups, draws=draws, seed=seed)

    @property
    def degenerate(self) -> str | None:
        """Why resampling can't show the spread of these data, or None."""
        return "fewer than two independent groups to resample" if self.groups.n_negative < 2 else None

    def _check(self, labels: ArrayLike) -> BoolArray:
        return np.asarray(labels, dtype=np.bool_)

    def _strata(self, has_id: BoolArray, has_ood: BoolArray) -> dict[str, BoolArray]:
        return {"all": has_id}


def resamples_for(
    metrics: Sequence[MetricLike],
    labels: ArrayLike,
    groups: Sequence[Hashable | None] | None = None,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> Resamples:
    """The resamples that these metrics ask for: `PooledResamples` where they are `Metric.pooled`.

    Raises:
        ValueError: some are pooled and some aren't: they can't share draws. Else as `Resamples`.
    """
    kinds = {isinstance(metric, Metric) and metric.pooled for metric in metrics}
    if len(kinds) > 1:
        raise ValueError("metrics of errors and of OOD are resampled differently: ask for them in two calls")
    kind = PooledResamples if kinds == {True} else Resamples
    return kind(labels, groups, draws=draws, seed=seed)
