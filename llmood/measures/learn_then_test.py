"""Which answers to give so that few of those that are given are wrong: Learn then Test.

P(wrong | answered) can fall and rise as more is answered, so that conformal risk control does not apply to it. Here
each of a list of thresholds is tested, and those whose error is shown to be at most α are kept.

Source: Angelopoulos et al., "Learn then Test: Calibrating Predictive Algorithms to Achieve Risk Control" (2021), with
exact binomial p-values, and fixed-sequence testing from several starts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llmood.measures.conformal_risk import checked_answers
from llmood.measures.pac_threshold import pac_least_alpha, pac_least_rows
from llmood.measures.split_conformal import check_share, checked
from llmood.measures.token_statistics import Floats
from llmood.measures.too_few import TooFewError

STARTS = 4  # one start stops at the first threshold that fails, and the most cautious ones answer too few to show much


def learn_then_test(
    scores: ArrayLike,
    wrong: ArrayLike,
    alpha: float,
    delta: float,
    thresholds: ArrayLike,
    *,
    starts: int = STARTS,
) -> float:
    """The largest threshold t shown to have P(wrong | s ≤ t) ≤ α; wrong for at most δ of calibration sets.

    Args:
        scores: (n,), higher = more uncertain, without NaN; no row that a scorer or a calibrator was fitted on.
        wrong: (n,), whether the answer is wrong.
        thresholds: (m,) in the order of testing, chosen without these rows, see `cautious_thresholds`.
        starts: how many places in that order testing starts at, each with δ/starts.

    Returns:
        −∞ where none is shown to be good enough: nothing should be answered.

    Raises:
        TooFewError: not even n right answers would show it: (1 − α)ⁿ > δ/starts.
    """
    values, errors = checked_answers(scores, wrong)
    levels = checked(thresholds)
    if (1 - alpha) ** len(values) > delta / starts:
        least, needed = least_error(len(values), delta, starts), least_rows(alpha, delta, starts)
        raise TooFewError(len(values), alpha, least, needed)
    order = np.argsort(values, kind="stable")
    answered = np.searchsorted(values[order], levels, side="right")
    mistakes = np.concatenate([[0], np.cumsum(errors[order])])[answered]
    kept = fixed_sequence(error_p_values(mistakes, answered, alpha), delta, starts=starts)
    return float(levels[kept].max(initial=-np.inf))


def error_p_values(mistakes: ArrayLike, answered: ArrayLike, alpha: float) -> Floats:
    """P(Binomial(answered, α) ≤ mistakes), (m,): small = the error rate is not above α. 1 where nothing is answered."""
    from scipy.special import bdtr  # here, so that importing this doesn't load scipy

    check_share(alpha, "α")
    return np.asarray(bdtr(mistakes, answered, alpha), dtype=np.float64)


def fixed_sequence(p_values: ArrayLike, delta: float, *, starts: int = 1) -> NDArray[np.bool_]:
    """Which hypotheses are rejected, (m,): from each start on, until the first with p > δ/starts.

    The chance that any true one is rejected is at most δ, however the p-values depend on each other. Starts are
    spread evenly over the sequence, the first hypothesis among them.
    """
    check_share(delta, "δ")
    values = np.asarray(p_values, dtype=np.float64)
    if not 1 <= starts <= max(len(values), 1):
        raise ValueError(f"starts is a number from 1 to {len(values)}, not {starts}")
    small = values <= delta / starts
    rejected = np.zeros(len(values), dtype=np.bool_)
    for start in np.arange(starts) * len(values) // starts:
        failed = np.flatnonzero(~small[start:])
        rejected[start : start + failed[0] if len(failed) else None] = True
    return rejected


def cautious_thresholds(other: ArrayLike, n: int, alpha: float, delta: float, *, count: int = 50) -> Floats:
    """Thresholds to test, from cautious to generous: even quantiles of other rows' scores, (≤ count,).

    The most cautious answers about twice as many of n rows as could show an error of α without a mistake. The rows
    that are tested on must have no part in this: then each threshold's p-value is exact.

    Args:
        other: (l,) scores of rows like those, without NaN: the half that calibrators are fitted on.
        n: how many rows are tested on.
    """
    known = np.sort(checked(other))
    if not len(known):
        raise ValueError("thresholds to test need scores of other rows")
    least = min(2 * least_rows(alpha, delta, STARTS) / max(n, 1), 1.0)
    shares = np.linspace(least, 1.0, count)
    # The next score up, never between two: what is answered is a number of whole rows.
    return np.unique(known[np.ceil(shares * len(known)).astype(np.int64) - 1])


def least_error(n: int, delta: float, starts: int = STARTS) -> float | None:
    """1 − (δ/starts)^(1/n): the smallest α that n right answers show. None without any."""
    return pac_least_alpha(n, delta / starts)


def least_rows(alpha: float, delta: float, starts: int = STARTS) -> int:
    """The smallest n with (1 − α)ⁿ ≤ δ/starts."""
    return pac_least_rows(alpha, delta / starts)
