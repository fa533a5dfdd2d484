"""Bounds from theory for values at the end of their range, where every resample repeats the value.

A scorer that separates 40 samples perfectly has shown less than one that separates 40,000. The bootstrap says
(1, 1) to both; these don't. Every `n` is a number of independent groups, so a document cut into 100 samples
counts once.
"""

from __future__ import annotations

import math


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
