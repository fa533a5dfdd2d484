"""A percentile interval of draws: of one population's rows, and where some draws leave the value undefined."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np

from llmood.metrics.inputs import FloatArray
from llmood.metrics.interval import Interval, percentile_ends
from llmood.metrics.pooled import UnlabelledResamples
from llmood.metrics.resample import WeightArray

LEAST_DRAWS = 0.9  # of the resamples: where fewer define the value, the rest says too little


def unlabelled_interval(
    value: float,
    of_weights: Callable[[WeightArray], FloatArray],
    size: int,
    groups: Sequence[Hashable | None] | None,
    *,
    draws: int,
    level: float,
    seed: int,
) -> Interval:
    """The interval of a value of one population's rows, groups drawn whole.

    Args:
        of_weights: the value in each of k resamples, weights (k, size) to (k,).
        size: how many rows there are.

    Raises:
        UndefinedMetric: a draw leaves it undefined.
    """
    resamples = UnlabelledResamples(size, groups, draws=draws, seed=seed)
    if resamples.degenerate is not None:
        return Interval(value, None, None, level, None, 0, resamples.degenerate)
    low, high = percentile_ends(np.concatenate([of_weights(each) for each in resamples.chunks()]), level)
    return Interval(value, low, high, level, "percentile", draws)


def interval_where_defined(value: float, drawn: FloatArray, level: float, *, lacking: str) -> Interval:
    """The interval of draws (k,) of which some are not finite: it is conditional on there being a value.

    Args:
        lacking: what those draws have too few of.
    """
    defined = drawn[np.isfinite(drawn)]
    if len(defined) < LEAST_DRAWS * len(drawn):
        reason = f"undefined in {len(drawn) - len(defined)} of {len(drawn)} resamples: too few {lacking}"
        return Interval(value, None, None, level, None, len(drawn), reason)
    low, high = percentile_ends(defined, level)
    return Interval(value, low, high, level, "percentile", len(defined))
