"""Which answers to give so that wrong ones are rare among all questions: conformal risk control.

What is kept at α is P(answered and wrong), over all questions, answered or not. The error among the answers that are
given is another rate, see `learn_then_test`.

Source: Angelopoulos et al., "Conformal Risk Control" (2022).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from llmood.measures.split_conformal import checked, rank


def risk_threshold(scores: ArrayLike, wrong: ArrayLike, alpha: float) -> float:
    """The largest t with (#{wrong, score ≤ t} + 1) / (n + 1) ≤ α; answer where s ≤ t.

    The loss 1[s ≤ t and wrong] never falls as t grows, and is at most 1, so that E[loss at t] ≤ α. With
    k = ⌊α(n + 1)⌋ it is the number before the k-th smallest score of a wrong answer: none that ties with it is
    answered. Where there are fewer wrong answers than that, it is ∞: everything may be answered.

    Args:
        scores: (n,), higher = more uncertain, without NaN; no row that a scorer or a calibrator was fitted on.
        wrong: (n,), whether the answer is wrong.

    Raises:
        TooFewError: fewer than 1/α − 1 rows.
    """
    values, errors = checked_answers(scores, wrong)
    k = rank(len(values), alpha)
    of_wrong = np.sort(values[errors])
    return float(np.nextafter(of_wrong[k - 1], -np.inf)) if k <= len(of_wrong) else np.inf


def checked_answers(scores: ArrayLike, wrong: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Scores as float64 (n,), and whether each answer is wrong, bool (n,).

    Raises:
        ValueError: other shapes or types, or NaN.
    """
    values, errors = checked(scores), np.asarray(wrong)
    if errors.shape != values.shape or errors.dtype != np.bool_:
        raise ValueError("wrong must be true or false for each score")
    return values, errors
