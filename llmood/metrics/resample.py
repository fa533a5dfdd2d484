"""Resamples as integer weights, drawn in chunks so that memory stays flat."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llmood.metrics.base import GroupCounts, Metric
from llmood.metrics.counts import Ranking
from llmood.metrics.inputs import BoolArray, FloatArray, check_populations
from llmood.seeds import derive_generator

# Entries of a weight matrix held at once: a handful of such arrays fit a processor's cache.
CHUNK = 1 << 18

WeightArray = NDArray[np.int32]
MetricLike = Metric | Callable[[FloatArray, NDArray[np.bool_]], float]


class Resamples:
    """Bootstrap draws of ID and OOD samples; the same arguments always give the same draws.

    What is drawn is groups: samples that share one stay together. Groups that hold only ID samples, only OOD
    samples, or both, are three strata, and each is drawn with replacement to its own number of groups. ID and
    OOD are therefore resampled separately, a group that spans both moves both, and no draw can lose a
    population.

    Args:
        is_ood: (n,) bool.
        groups: (n,) the group of each sample (its source document), None for a group of its own.
        draws: how many resamples.
        seed: the run's seed.

    Attributes:
        is_positive: (n,) `is_ood`, checked.
        groups: how many groups hold ID samples, and how many hold OOD samples.

    Raises:
        ValueError: wrong shapes or types, NaN as a group, no draws.
        UndefinedMetric: no samples, or one population only.
    """

    def __init__(
        self,
        is_ood: ArrayLike,
        groups: Sequence[Hashable | None] | None = None,
        *,
        draws: int = 1000,
        seed: int = 0,
    ) -> None:
        self.is_positive = self._check(is_ood)
        if draws < 1:
            raise ValueError(f"draws must be at least 1, not {draws}")
        self.draws = draws
        self.seed = seed
        unit = number_groups(groups, len(self.is_positive))
        n_units = int(unit.max()) + 1
        has_ood = np.bincount(unit, weights=self.is_positive, minlength=n_units) > 0
        has_id = np.bincount(unit, weights=~self.is_positive, minlength=n_units) > 0
        self.groups = GroupCounts(n_negative=int(has_id.sum()), n_positive=int(has_ood.sum()))
        strata = self._strata(has_id, has_ood)
        self._sizes = {name: int(members.sum()) for name, members in strata.items()}
        # Units are drawn stratum by stratum, so a unit's column is its place in that order.
        column = np.empty(n_units, dtype=np.intp)
        column[np.concatenate([np.flatnonzero(members) for members in strata.values()])] = np.arange(n_units)
        self._column = column[unit]

    @property
    def degenerate(self) -> str | None:
        """Why resampling can't show the spread of these data, or None.

        A stratum of one group is the same in every draw, so a population needs a stratum of two.
        """
        for name in ("id", "ood"):
            if max(self._sizes[name], self._sizes["both"]) < 2:
                return f"the {name.upper()} samples are of too few independent groups to resample"
        return None

    def chunks(self, size: int | None = None) -> Iterator[WeightArray]:
        """How often each sample occurs in each draw: int32 (≤ size, n), chunk by chunk.

        Args:
            size: draws in a chunk at most; by default what keeps memory flat. It changes nothing about the draws.
        """
        size = size or max(1, CHUNK // len(self.is_positive))
        # A generator for each stratum: chunks of any size then read the same stream.
        generators = {name: derive_generator(self.seed, "bootstrap", name) for name in self._sizes}
        left = self.draws
        while left:
            rows = min(size, left)
            drawn = [_draw(generators[name], rows, units) for name, units in self._sizes.items() if units]
            weights = self._kept(np.concatenate(drawn, axis=1).take(self._column, axis=1))
            left -= len(weights)
            if len(weights):
                yield weights

    def _check(self, labels: ArrayLike) -> BoolArray:
        return check_populations(labels)

    def _strata(self, has_id: BoolArray, has_ood: BoolArray) -> dict[str, BoolArray]:
        return {"id": has_id & ~has_ood, "ood": has_ood & ~has_id, "both": has_id & has_ood}

    def _kept(self, weights: WeightArray) -> WeightArray:
        return weights


def resample_weights(
    is_ood: ArrayLike, groups: Sequence[Hashable | None] | None = None, draws: int = 1000, seed: int = 0
) -> WeightArray:
    """All draws of `Resamples` at once: int32 (draws, n); for large n iterate over `Resamples.chunks`."""
    return np.concatenate(list(Resamples(is_ood, groups, draws=draws, seed=seed).chunks()))


def metric_draws(
    metrics: Sequence[MetricLike], scores: Sequence[ArrayLike], resamples: Resamples
) -> FloatArray:
    """Every metric of every scorer on the same draws: float64 (scorers, metrics, draws).

    Args:
        metrics: registered metrics, or any callable of (scores, is_ood); a callable, and a metric without a
            vectorised form, is called once a draw on the resampled arrays.
        scores: one array (n,) for each scorer, over the samples of `resamples`.
        resamples: the draws.
    """
    rankings = [Ranking(values, resamples.is_positive) for values in scores]
    out = np.empty((len(rankings), len(metrics), resamples.draws))
    start = 0
    for weights in resamples.chunks():
        rows = slice(start, start + len(weights))
        for i, ranking in enumerate(rankings):
            counts = ranking.counts(weights)
            for j, metric in enumerate(metrics):
                if isinstance(metric, Metric) and metric.vectorised is not None:
                    out[i, j, rows] = metric.vectorised(counts)
                else:
                    out[i, j, rows] = [_materialised(metric, ranking, draw) for draw in weights]
        start = rows.stop
    return out


def _materialised(metric: MetricLike, ranking: Ranking, weights: WeightArray) -> float:
    rows = np.repeat(np.arange(len(weights)), weights)
    return metric(ranking.scores[rows], ranking.is_positive[rows])


def _draw(generator: np.random.Generator, rows: int, units: int) -> WeightArray:
    picks = generator.integers(0, units, size=(rows, units), dtype=np.int32).astype(np.intp)
    picks += np.arange(rows)[:, None] * units
    return np.bincount(picks.ravel(), minlength=rows * units).astype(np.int32).reshape(rows, units)


def number_groups(groups: Sequence[Hashable | None] | None, n: int) -> NDArray[np.intp]:
    """0, 1, … for each sample in order of first appearance; None is always new."""
    if groups is None:
        return np.arange(n)
    if len(groups) != n:
        raise ValueError(f"{len(groups)} groups for {n} samples")
    numbers: dict[Hashable, int] = {}
    out = np.empty(n, dtype=np.intp)
    for row, group in enumerate(groups):
        if group != group:  # noqa: PLR0124 (NaN of any kind; whether two are one group hangs on their origin)
            raise ValueError("groups holds NaN: write None for a sample of its own")
        key: Hashable = ("alone", row) if group is None else ("group", group)
        out[row] = numbers.setdefault(key, len(numbers))
    return out
