"""Bounds from theory for values at the end of their range, where every resample repeats the value.

A scorer that separates 40 samples perfectly has shown less than one that separates 40,000. The bootstrap says
(1, 1) to both; these don't. Every `n` is a number of independent groups, so a document cut into 100 samples
counts once.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from llmood.metrics.inputs import FloatArray


def zero_rate_bound(n: int, level: float) -> float:
    """The upper Clopper-Pearson bound of a rate seen 0 times in n: 1 − (α/2)^(1/n).

    By symmetry, one minus it is the lower bound of n in n. Source: Clopper and Pearson, Biometrika 26 (1934).
    """
    tail = (1.0 - level) / 2.0
    return 1.0 - math.exp(math.log(tail) / n)


def rule_of_three(n: int, level: float) -> float:
    """The upper bound of a rate seen 0 times in n: 3/n at 95 %, scaled by ln(1 − level) elsewhere; at most 1.

    Source: Hanley and Lippman-Hand, JAMA 249 (1983).
    """
    return min(1.0, 3.0 * math.log(1.0 - level) / math.log(0.05) / n)


def perfect_precision_bound(n_positive: int, n_negative: int, ratio: float, level: float) -> float:
    """The lower bound of average precision where every positive ranked above every negative.

    With confidence `level` at most v of new positives fall below the lowest positive seen, and at most u of
    new negatives rise above it (each a zero rate with half of α). Average precision is then at least the mean
    over the positives above it of F / (F + ratio·u), F uniform on (0, 1 − v); the rest counts nothing.

    Args:
        n_positive: groups that hold positives.
        n_negative: groups that hold negatives.
        ratio: negatives for each positive in the data, which average precision depends on.
        level: confidence level in (0, 1).
    """
    found = 1.0 - zero_rate_bound(n_positive, level)
    flood = ratio * zero_rate_bound(n_negative, level)
    return found - flood * math.log1p(found / flood)


def perfect_selection_bound(
    n_right: int, n_wrong: int, error_rate: float, level: float
) -> tuple[float, float]:
    """Bounds where every right answer was surer than every wrong one: of the excess AURC, and of the PRR.

    With confidence `level` at most v of new wrong answers are surer than the surest seen, and at most u of new right
    ones less sure than the least sure seen (each a zero rate with half of α). At worst those wrong ones come first of
    all and those right ones last; the area under risk over coverage is then an integral of (errors so far) / coverage
    over four stretches.

    Args:
        n_right: groups that hold right answers.
        n_wrong: groups that hold wrong ones.
        error_rate: share of wrong answers, in (0, 1).
        level: confidence level in (0, 1).

    Returns:
        (the largest excess AURC, the smallest PRR).
    """
    first = error_rate * zero_rate_bound(n_wrong, level)
    last = (1.0 - error_rate) * zero_rate_bound(n_right, level)
    right, wrong = 1.0 - error_rate - last, error_rate - first
    # Stretches of wrong, right, wrong, right; behind coverage a with e errors, ∫ (e + r·(c − a))/c dc is
    # r·(b − a) + (e − r·a)·ln(b/a) for r = 1 among wrong answers and r = 0 among right ones.
    area = first + first * math.log((first + right) / first)
    area += wrong - right * math.log((first + right + wrong) / (first + right))
    area += error_rate * math.log(1.0 / (1.0 - last))
    best = error_rate + (1.0 - error_rate) * math.log(1.0 - error_rate)
    return area - best, (error_rate - area) / (error_rate - best)


def clopper_pearson(hits: ArrayLike, of: ArrayLike, level: float) -> tuple[FloatArray, FloatArray]:
    """The exact two-sided interval of each share hits/of, of a shape that both have.

    Counts need not be whole (groups that are partly right). Source: Clopper and Pearson, Biometrika 26 (1934).

    >>> [round(float(end), 4) for end in clopper_pearson(0, 10, 0.95)]
    [0.0, 0.3085]
    """
    from scipy.special import betaincinv  # here, so that importing metrics doesn't load scipy

    tail = (1.0 - level) / 2.0
    found = np.asarray(hits, dtype=np.float64)
    misses = np.asarray(of, dtype=np.float64) - found
    low = np.where(found > 0.0, betaincinv(np.maximum(found, 1e-300), misses + 1.0, tail), 0.0)
    high = np.where(misses > 0.0, betaincinv(found + 1.0, np.maximum(misses, 1e-300), 1.0 - tail), 1.0)
    return low, high
