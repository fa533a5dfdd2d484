"""Split conformal prediction on one score: how often what is at home is flagged, whatever the scores' distribution.

A score's p-value is its rank among n calibration scores. Where the new row and the calibration rows are exchangeable
(drawn alike, and the scorer saw none of them), P(p ≤ α) ≤ α. This is an average over calibration sets: the rate of
the one detector at hand is drawn from a Beta distribution around it, see `beta_range`.

Sources: Papadopoulos et al., "Inductive Confidence Machines for Regression" (2002); Vovk, "Conditional Validity of
Inductive Conformal Predictors" (2012), for the Beta law; Angelopoulos & Bates, "A Gentle Introduction to Conformal
Prediction" (2021), for the beta-binomial; Bates et al., "Testing for Outliers with Conformal p-values" (2023).
"""

from __future__ import annotations

from math import ceil, floor

import numpy as np
from numpy.typing import ArrayLike

from llmood.measures.token_statistics import Floats
from llmood.measures.too_few import TooFewError


def p_values(scores: ArrayLike, calibration: ArrayLike) -> Floats:
    """p(s) = (1 + #{calibration ≥ s}) / (n + 1), (m,). Small = unlike the calibration rows.

    A tie counts as at least as large, so that equal scores have equal p-values, and none is too small.

    Args:
        scores: (m,), higher = more OOD, without NaN.
        calibration: (n,), in any order, without NaN; no row that a scorer was fitted on.
    """
    values, known = checked(scores), np.sort(checked(calibration))
    at_least = len(known) - np.searchsorted(known, values, side="left")
    return np.asarray((1 + at_least) / (len(known) + 1), dtype=np.float64)


def threshold(calibration: ArrayLike, alpha: float) -> float:
    """The t for which s > t exactly where p(s) ≤ α: the ⌊α(n + 1)⌋-th largest calibration score.

    A score that equals it is not flagged: tied scores can only make false alarms rarer.

    Raises:
        TooFewError: fewer than 1/α − 1 calibration scores.
    """
    known = np.sort(checked(calibration))
    return float(known[len(known) - rank(len(known), alpha)])


def rank(n: int, alpha: float) -> int:
    """⌊α(n + 1)⌋, the largest k with k/(n + 1) ≤ α, of 1 to n.

    Raises:
        TooFewError: there is none.
    """
    check_share(alpha, "α")
    k = min(floor(alpha * (n + 1)), n)
    # α(n + 1) is rounded, and must not decide: the p-value k/(n + 1) is what is compared with α.
    k += k < n and (k + 1) / (n + 1) <= alpha
    k -= k / (n + 1) > alpha
    if k < 1:
        raise TooFewError(n, alpha, least_alpha(n), least_rows(alpha))
    return k


def least_alpha(n: int) -> float | None:
    """1/(n + 1): the smallest α that n calibration scores can promise. None without any."""
    return 1 / (n + 1) if n else None


def least_rows(alpha: float) -> int:
    """The smallest n with 1/(n + 1) ≤ α: 19 for 0.05."""
    check_share(alpha, "α")
    n = max(ceil(1 / alpha) - 1, 1)
    n += 1 / (n + 1) > alpha
    return n - (n > 1 and 1 / n <= alpha)


def beta_range(n: int, alpha: float, level: float = 0.9) -> tuple[float, float]:
    """Where the false-alarm rate of one detector lies, over calibration sets of n: Beta(k, n + 1 − k), k = ⌊α(n + 1)⌋.

    Exact where no scores are tied; ties make the rate smaller.

    Returns:
        (low, high): with probability `level` between them, and as often below as above.
    """
    return beta_quantiles(n, rank(n, alpha), level)


def beta_quantiles(n: int, k: int, level: float) -> tuple[float, float]:
    """`beta_range` for a threshold at the k-th largest of n calibration scores."""
    from scipy.special import betaincinv  # here, so that importing this doesn't load scipy

    check_share(level, "the level")
    tail = (1 - level) / 2
    return float(betaincinv(k, n + 1 - k, tail)), float(betaincinv(k, n + 1 - k, 1 - tail))


def beta_binomial_interval(n: int, alpha: float, n_test: int, level: float = 0.99) -> tuple[float, float]:
    """Where the share of n_test rows lies that one detector flags, where they are drawn like its n calibration rows.

    Their number is beta-binomial with (n_test, k, n + 1 − k): the rate of this one detector is uncertain, and so is
    what n_test rows show of it. Takes memory for n_test numbers.

    Returns:
        (low, high), shares: below low at most (1 − level)/2 of the time, and above high.
    """
    from scipy.special import betaln

    check_share(level, "the level")
    if n_test < 1:
        raise ValueError("at least one test row is needed")
    k = rank(n, alpha)
    flagged = np.arange(n_test + 1, dtype=np.float64)
    choose = -betaln(n_test - flagged + 1, flagged + 1) - np.log(n_test + 1)
    log_chance = choose + betaln(flagged + k, n_test - flagged + n + 1 - k) - betaln(k, n + 1 - k)
    up_to = np.cumsum(np.exp(log_chance))
    tail = (1 - level) / 2
    low, high = np.searchsorted(up_to, [tail, 1 - tail], side="left")
    return float(low / n_test), float(min(high, n_test) / n_test)


def checked(scores: ArrayLike) -> Floats:
    """Scores as float64 (n,).

    Raises:
        ValueError: another shape, or NaN.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or np.isnan(values).any():
        raise ValueError("scores must have shape (n,), without NaN: leave out the rows that have none")
    return values


def check_share(value: float, name: str) -> None:
    """Raises ValueError where a value is not between 0 and 1."""
    if not 0 < value < 1:
        raise ValueError(f"{name} is a number between 0 and 1, not {value:g}")
