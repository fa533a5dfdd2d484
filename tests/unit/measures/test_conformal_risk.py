from __future__ import annotations

import numpy as np
import pytest

from llmood.measures.conformal_risk import risk_threshold
from llmood.measures.split_conformal import threshold
from llmood.measures.too_few import TooFewError


def test_by_hand() -> None:
    scores, wrong = np.array([1.0, 2.0, 3.0, 4.0]), np.array([False, True, False, True])
    # (0 + 1)/5 ≤ 0.2 up to, and without, the first wrong answer.
    assert risk_threshold(scores, wrong, 0.2) == np.nextafter(2.0, 0)
    # (1 + 1)/5 ≤ 0.4 up to the second, (2 + 1)/5 ≤ 0.6 for all.
    assert risk_threshold(scores, wrong, 0.4) == np.nextafter(4.0, 0)
    assert risk_threshold(scores, wrong, 0.6) == np.inf


def test_ties_are_not_answered() -> None:
    scores, wrong = np.array([1.0, 1.0, 1.0, 1.0]), np.array([False, True, False, False])
    for order in ([0, 1, 2, 3], [3, 2, 1, 0]):
        assert risk_threshold(scores[order], wrong[order], 0.2) < 1.0


def test_it_is_a_conformal_threshold_of_the_wrong_answers() -> None:
    generator = np.random.default_rng(3)
    scores, wrong = generator.normal(size=99), generator.random(99) < 0.4
    found = risk_threshold(scores, wrong, 0.1)
    assert np.nextafter(found, np.inf) == -threshold(np.where(wrong, -scores, -np.inf), 0.1)


def test_the_promise_where_the_risk_is_known() -> None:
    """s uniform and P(wrong | s) = s: the risk at t is t²/2. On average it is α, less at most 1/(n + 1)."""
    alpha, n = 0.1, 100
    generator = np.random.default_rng(5)
    risks = []
    for _ in range(2_000):
        scores = generator.random(n)
        risks.append(min(risk_threshold(scores, generator.random(n) < scores, alpha), 1.0) ** 2 / 2)
    error = 2 * np.std(risks) / np.sqrt(len(risks))
    assert alpha - 1 / (n + 1) - error <= np.mean(risks) <= alpha + error


def test_bad_input() -> None:
    with pytest.raises(TooFewError, match=r"no α below 0\.2"):
        risk_threshold(np.zeros(4), np.zeros(4, dtype=bool), 0.19)
    for wrong in ([0, 1], [True]):
        with pytest.raises(ValueError, match="true or false for each"):
            risk_threshold([0.0, 1.0], wrong, 0.5)
