"""Do two scores order the samples alike, or lie on a line?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from llmood.metrics.inputs import FloatArray, UndefinedMetric, check_values


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Spearman's rank correlation of two arrays (n,), tied values sharing their mean rank; in [−1, 1].

    Infinities rank. Source: Spearman, American Journal of Psychology 15 (1904).

    Raises:
        ValueError: NaN, or shapes that differ.
        UndefinedMetric: fewer than two samples, or an array that is constant.
    """
    from scipy.stats import rankdata  # here, so that importing metrics doesn't load scipy

    first, second = _paired(x, y)
    # Twice the distance from the mean rank is an integer: the sums below are exact for any order of the rows.
    a, b = (2.0 * rankdata(values) - (len(values) + 1) for values in (first, second))
    if not a.any() or not b.any():
        raise UndefinedMetric("a constant score has no order to compare")
    return float(np.clip((a @ b) / np.sqrt((a @ a) * (b @ b)), -1.0, 1.0))


def pearson(x: ArrayLike, y: ArrayLike) -> float:
    """Pearson's correlation of two arrays (n,); in [−1, 1].

    >>> pearson([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])
    1.0

    Raises:
        ValueError: NaN, or shapes that differ.
        UndefinedMetric: fewer than two samples, or an array that is constant.
    """
    first, second = _paired(x, y)
    a, b = (values - values.mean() for values in (first, second))
    # A mean is rounded: a constant is one only up to that.
    spread = [np.abs(each).max() for each in (a, b)]
    least = [1e-12 * np.abs(values).max() for values in (first, second)]
    if spread[0] <= least[0] or spread[1] <= least[1]:
        raise UndefinedMetric("a constant has no correlation")
    a, b = a / spread[0], b / spread[1]
    return float(np.clip((a @ b) / np.sqrt((a @ a) * (b @ b)), -1.0, 1.0))


def _paired(x: ArrayLike, y: ArrayLike) -> tuple[FloatArray, FloatArray]:
    first, second = check_values(x, "x"), check_values(y, "y")
    if first.shape != second.shape:
        raise ValueError(f"x and y differ in shape: {first.shape} and {second.shape}")
    if len(first) < 2:
        raise UndefinedMetric("fewer than two samples")
    return first, second
