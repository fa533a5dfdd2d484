"""A threshold whose false-alarm rate is at most α for all but δ of calibration sets, not on average over them.

Sources: Vovk, "Conditional Validity of Inductive Conformal Predictors" (2012), proposition 2; Park et al., "PAC
Confidence Sets for Deep Neural Networks via Calibrated Prediction" (2020). Both rest on the order statistics of Wilks,
"Determination of Sample Sizes for Setting Tolerance Limits" (1941).
"""

from __future__ import annotations

from math import ceil, expm1, log, log1p

import numpy as np
from numpy.typing import ArrayLike

from llmood.measures.split_conformal import check_share, checked
from llmood.measures.too_few import TooFewError


def pac_threshold(calibration: ArrayLike, alpha: float, delta: float) -> float:
    """The smallest calibration score t with P(rate of s > t is above α) ≤ δ, the outer P over calibration sets.

    Exact where no scores are tied; ties make the rate smaller. Flag s > t.

    Args:
        calibration: (n,), higher = more OOD, without NaN; no row that a scorer was fitted on.

    Raises:
        TooFewError: even the largest calibration score doesn't hold it: (1 − α)ⁿ > δ.
    """
    known = np.sort(checked(calibration))
    return float(known[len(known) - pac_rank(len(known), alpha, delta)])


def pac_rank(n: int, alpha: float, delta: float) -> int:
    """The largest k of 1 to n with P(Beta(k, n + 1 − k) > α) = P(Binomial(n, α) < k) ≤ δ.

    Raises:
        TooFewError: there is none.
    """
    from scipy.special import bdtr  # here, so that importing this doesn't load scipy

    check_share(alpha, "α")
    check_share(delta, "δ")
    fewer = bdtr(np.arange(n), n, alpha)  # P(Binomial ≤ k − 1) for k = 1 … n, never falling
    k = int(np.searchsorted(fewer, delta, side="right"))
    if k < 1:
        raise TooFewError(n, alpha, pac_least_alpha(n, delta), pac_least_rows(alpha, delta))
    return k


def pac_least_alpha(n: int, delta: float) -> float | None:
    """1 − δ^(1/n): the smallest α that n rows can promise for all but δ of calibration sets. None without any."""
    check_share(delta, "δ")
    return -expm1(log(delta) / n) * (1 + 1e-9) if n else None  # whatever the rounding, it holds


def pac_least_rows(alpha: float, delta: float) -> int:
    """The smallest n with (1 − α)ⁿ ≤ δ: 45 for 0.05 and 0.1."""
    check_share(alpha, "α")
    check_share(delta, "δ")
    return max(ceil(log(delta) / log1p(-alpha)), 1)
