"""How sure a rank correlation is."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from llmood.metrics.correlation import spearman
from llmood.metrics.inputs import UndefinedMetric, check_values
from llmood.metrics.interval import Interval, check_level, percentile_ends
from llmood.metrics.pooled import UnlabelledResamples


def spearman_interval(
    x: ArrayLike,
    y: ArrayLike,
    *,
    groups: Sequence[Hashable | None] | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """`spearman` with its percentile interval; pairs are resampled, groups whole.

    Args:
        groups, draws, level, seed: as of `bootstrap_interval`.

    Raises:
        ValueError, UndefinedMetric: as `spearman`.
    """
    check_level(level)
    first, second = check_values(x, "x"), check_values(y, "y")
    value = spearman(first, second)
    resamples = UnlabelledResamples(len(first), groups, draws=draws, seed=seed)
    if resamples.degenerate is not None:
        return Interval(value, None, None, level, None, 0, resamples.degenerate)
    places = np.arange(len(first))
    try:
        drawn = [
            spearman(first[rows], second[rows])
            for weights in resamples.chunks()
            for rows in (np.repeat(places, each) for each in weights)
        ]
    except UndefinedMetric as error:
        return Interval(value, None, None, level, None, 0, f"in a resample, {error.reason}")
    low, high = percentile_ends(np.array(drawn), level)
    return Interval(value, low, high, level, "percentile", draws)
