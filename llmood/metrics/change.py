"""How far scores of the same samples move, with an interval."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from llmood.metrics.inputs import UndefinedMetric, check_values
from llmood.metrics.interval import Interval, check_level, percentile_ends
from llmood.metrics.pooled import UnlabelledResamples


def mean_change_interval(
    before: ArrayLike,
    after: ArrayLike,
    *,
    groups: Sequence[Hashable | None] | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The mean of after − before (n,) with its percentile interval; groups are drawn whole.

    Where nothing moves, the interval is 0 to 0.

    Raises:
        UndefinedMetric: there are none.
    """
    check_level(level)
    change = check_values(after, "after") - check_values(before, "before")
    if not len(change):
        raise UndefinedMetric("no samples")
    value = float(change.mean())
    resamples = UnlabelledResamples(len(change), groups, draws=draws, seed=seed)
    if resamples.degenerate is not None:
        return Interval(value, None, None, level, None, 0, resamples.degenerate)
    drawn = np.concatenate([(each @ change) / each.sum(axis=1) for each in resamples.chunks()])
    low, high = percentile_ends(drawn, level)
    return Interval(value, low, high, level, "percentile", draws)
