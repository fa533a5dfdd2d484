"""OOD samples in thirds by how familiar their text is, and how much harder the familiar ones are to detect.

Text outside the domain that a model knows from its pre-training is the hard kind: after PT-OOD (Miyai et al., "Can
Pre-trained Networks Detect Familiar Out-of-Distribution Data?", arXiv 2310.00847, 2023). There it is images of classes
that a network was pre-trained on. Familiarity as the base model's own likelihood, its thirds and the gap are llmood's.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llmood.metrics.base import GroupCounts, Metric, resolve_metric
from llmood.metrics.counts import Counts, Ranking
from llmood.metrics.drawn_interval import LEAST_DRAWS
from llmood.metrics.inputs import FloatArray, UndefinedMetric, check_values
from llmood.metrics.interval import Interval, check_level, percentile_ends
from llmood.metrics.resample import Resamples, WeightArray

LEAST_GROUPS = 10  # of each slice: of two slices alike, 6 samples each, one gap in nine would be called clear


def thirds(values: ArrayLike) -> NDArray[np.int64]:
    """Which third each value lies in, lowest 0: by F(x) = (#{< x} + ½ #{= x}) / n, below ⅓, above ⅔ (2), or between.

    Tied values share a third, whatever the order of the rows: of values that are all the same, the middle one. Turning
    all values round turns the thirds round.

    Args:
        values: (n,); infinities rank.

    Raises:
        ValueError: NaN, or a wrong shape.
    """
    array = check_values(values, "values")
    ordered = np.sort(array)
    # 2 n F is a whole number, so that no third is decided by rounding.
    twice = np.searchsorted(ordered, array, "left") + np.searchsorted(ordered, array, "right")
    return (3 * twice >= 2 * len(array)).astype(np.int64) + (3 * twice > 4 * len(array))


def auroc_gap_interval(
    id_scores: ArrayLike,
    familiar: ArrayLike,
    unfamiliar: ArrayLike,
    *,
    groups: Sequence[Hashable | None] | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """AUROC(unfamiliar against ID) − AUROC(familiar against ID): above 0, what is familiar is harder to detect.

    Paired: in each resample both slices meet the same draw of ID samples. OOD samples are drawn from both slices
    together, so that a group in both moves both; a resample that lost a slice is left out. Where an AUROC is 0 or 1,
    resampling shows no spread of it, and the rule of three widens the interval.

    Args:
        id_scores: (m,), higher is more OOD.
        familiar, unfamiliar: (k,), (l,) scores of the two slices.
        groups: (m + k + l) in that order; None for a sample of its own.
        draws, level, seed: as of `bootstrap_interval`.

    Raises:
        ValueError: NaN, wrong shapes.
        UndefinedMetric: no ID samples, or none of a slice.
    """
    check_level(level)
    ids, low, high = (
        check_values(array, name)
        for array, name in ((id_scores, "id_scores"), (familiar, "familiar"), (unfamiliar, "unfamiliar"))
    )
    for values, name in ((ids, "ID"), (low, "familiar OOD"), (high, "unfamiliar OOD")):
        if not len(values):
            raise UndefinedMetric(f"no {name} samples")
    part = np.repeat([0, 1, 2], [len(ids), len(low), len(high)])
    scores = np.concatenate([ids, low, high])
    slices = [_Slice(scores, part, each, groups) for each in (1, 2)]
    value = slices[1].value - slices[0].value
    reason = _too_few(part, groups, draws, seed)
    if reason is not None:
        return Interval(value, None, None, level, None, 0, reason)
    resamples = Resamples(part > 0, groups, draws=draws, seed=seed)
    drawn = np.concatenate(
        [slices[1].drawn(weights) - slices[0].drawn(weights) for weights in resamples.chunks()]
    )
    defined = drawn[np.isfinite(drawn)]
    if len(defined) < LEAST_DRAWS * draws:
        reason = f"{draws - len(defined)} of {draws} resamples have no sample of a slice"
        return Interval(value, None, None, level, None, draws, reason)
    ends = percentile_ends(defined, level)
    return _widened(value, ends, slices, level, len(defined))


class _Slice:
    """One slice against ID: its AUROC, in these samples and in resamples of all."""

    def __init__(
        self,
        scores: FloatArray,
        part: NDArray[np.int64],
        own: int,
        groups: Sequence[Hashable | None] | None,
    ) -> None:
        self.kept = np.flatnonzero((part == 0) | (part == own))
        is_ood = part[self.kept] == own
        self.ranking = Ranking(scores[self.kept], is_ood)
        self.metric: Metric = resolve_metric("auroc")
        self.value = self.metric(scores[self.kept], is_ood)
        own_groups = None if groups is None else [groups[row] for row in self.kept]
        self.groups: GroupCounts = Resamples(is_ood, own_groups, draws=1).groups

    def drawn(self, weights: WeightArray) -> FloatArray:
        """In each resample; NaN where it holds no sample of the slice, or none of ID."""
        counts = self.ranking.counts(weights[:, self.kept])
        defined = (counts.positives > 0) & (counts.negatives > 0)
        values = np.full(len(weights), np.nan)
        if self.metric.vectorised is not None:
            values[defined] = self.metric.vectorised(Counts(tp=counts.tp[defined], fp=counts.fp[defined]))
        return values

    def bound(self, level: float) -> tuple[float, float]:
        """Between what its AUROC may lie where resampling can't show it; its value twice where it can."""
        found = self.metric.exact and self.metric.exact(self.ranking.counts(), self.groups, level)
        return (found.low, found.high) if found else (self.value, self.value)


def _too_few(
    part: NDArray[np.int64], groups: Sequence[Hashable | None] | None, draws: int, seed: int
) -> str | None:
    """Why resamples would show too little, or None."""
    named = [None] * len(part) if groups is None else list(groups)
    for own, name in ((0, "ID"), (1, "familiar"), (2, "unfamiliar")):
        members = [named[row] for row in np.flatnonzero(part == own)]
        alone = sum(group is None for group in members)
        found = alone + len({group for group in members if group is not None})
        if found < LEAST_GROUPS:
            return f"the {name} samples are of {found} independent groups: under {LEAST_GROUPS}, too few to resample"
    return Resamples(part > 0, groups, draws=draws, seed=seed).degenerate


def _widened(
    value: float, ends: tuple[float, float], slices: Sequence[_Slice], level: float, draws: int
) -> Interval:
    (familiar_low, familiar_high), (unfamiliar_low, unfamiliar_high) = (each.bound(level) for each in slices)
    low = min(ends[0], unfamiliar_low - familiar_high)
    high = max(ends[1], unfamiliar_high - familiar_low)
    exact = familiar_low < familiar_high or unfamiliar_low < unfamiliar_high
    return Interval(value, low, high, level, "rule_of_three" if exact else "percentile", draws)
