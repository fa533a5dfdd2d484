"""F1 of one answer among two, with its interval."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from llmood.metrics.inputs import UndefinedMetric, check_flags
from llmood.metrics.interval import Interval, check_level, percentile_ends
from llmood.metrics.pooled import UnlabelledResamples

NOBODY = "nobody says it, and nobody should"


def f1_of(said: ArrayLike, wanted: ArrayLike) -> float:
    """2·|said ∧ wanted| / (|said| + |wanted|), of bool (n,) each.

    Raises:
        UndefinedMetric: neither was ever said nor wanted.
    """
    ours, theirs = check_flags(said, "said"), check_flags(wanted, "wanted")
    total = int(ours.sum()) + int(theirs.sum())
    if not total:
        raise UndefinedMetric(NOBODY)
    return 2.0 * int((ours & theirs).sum()) / total


def f1_interval(
    said: ArrayLike,
    wanted: ArrayLike,
    *,
    groups: Sequence[Hashable | None] | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The same with its percentile interval; groups are drawn whole.

    Without an interval, and with the reason, where it is undefined in some resamples, or the same in all.
    """
    check_level(level)
    value = f1_of(said, wanted)
    ours, theirs = check_flags(said, "said"), check_flags(wanted, "wanted")
    resamples = UnlabelledResamples(len(ours), groups, draws=draws, seed=seed)
    if resamples.degenerate is not None:
        return Interval(value, None, None, level, None, 0, resamples.degenerate)
    common, total = 2.0 * (ours & theirs), ours.astype(np.float64) + theirs
    with np.errstate(invalid="ignore"):
        drawn = np.concatenate([(each @ common) / (each @ total) for each in resamples.chunks()])
    try:
        low, high = percentile_ends(drawn, level)
    except UndefinedMetric as error:
        return Interval(value, None, None, level, None, 0, error.reason)
    if low == high:
        return Interval(value, None, None, level, None, 0, "every resample repeats it")
    return Interval(value, low, high, level, "percentile", draws)
