"""Min-K % and Min-K%++ by hand, by the published code's own lines, and what holds of any rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from llmood.measures.least_likely import least_likely_mean, standardised_logprobs

NAN, INF = math.nan, math.inf


def ragged(rows: Sequence[Sequence[float]], before: int = 0) -> tuple[NDArray, NDArray]:
    flat = [99.0] * before + [value for row in rows for value in row]
    return np.array(flat, dtype=np.float64), before + np.cumsum([0, *map(len, rows)])


def lowest(rows: Sequence[Sequence[float]], share: float, start: NDArray | None = None) -> list[float]:
    return least_likely_mean(*ragged(rows), share, start).tolist()


def published(row: Sequence[float], share: float) -> float:
    """The lines of the authors' code, for one text without NaN."""
    k_length = int(len(row) * share)
    return float(np.mean(np.sort(row)[:k_length]))


def test_by_hand() -> None:
    # Half of four tokens are two: (−4 − 3) / 2. A fifth of four is less than one token: the lowest.
    row = [NAN, -1.0, -4.0, -2.0, -3.0]
    assert lowest([row], 0.5) == [-3.5]
    assert lowest([row], 0.2) == [-4.0]
    assert lowest([row], 1.0) == [-2.5]
    assert lowest([row], 0.99) == [-3.0]


def test_rows_do_not_mix() -> None:
    rows = [[NAN, -1.0, -9.0], [], [NAN], [NAN, -5.0, -2.0]]
    np.testing.assert_array_equal(lowest(rows, 0.5), [-9.0, NAN, NAN, -5.0])
    values, offsets = ragged(rows, before=3)
    np.testing.assert_array_equal(least_likely_mean(values, offsets, 0.5), [-9.0, NAN, NAN, -5.0])


def test_from_the_start_of_a_response() -> None:
    rows = [[NAN, -9.0, -1.0, -3.0], [NAN, -9.0]]
    np.testing.assert_array_equal(lowest(rows, 0.5, np.array([2, 5])), [-3.0, NAN])


def test_probability_zero_stays_in_its_row() -> None:
    assert lowest([[-1.0, -INF], [-2.0, -3.0]], 0.5) == [-INF, -3.0]


def test_a_share_that_floating_point_falls_short_of() -> None:
    # 0.29 · 100 = 28.999…; the 29th lowest of −100 … −1 is −72.
    row = [-float(value) for value in range(100, 0, -1)]
    assert lowest([row], 0.29) == [-np.mean(range(72, 101))]


@given(
    st.lists(st.lists(st.floats(-50, 0), min_size=1, max_size=40), min_size=1, max_size=5),
    st.sampled_from([0.1, 0.2, 0.25, 0.5, 0.75, 1.0]),
)
def test_as_the_published_code(rows: list[list[float]], share: float) -> None:
    ours = least_likely_mean(*ragged(rows), share)
    for value, row in zip(ours, rows, strict=True):
        if int(len(row) * share) >= 1:
            assert value == pytest.approx(published(row, share))
        else:
            assert value == min(row)
        assert value <= np.mean(row) + 1e-9


def test_standardised_by_hand_and_by_the_published_formula() -> None:
    # p = (1/2, 1/4, 1/4): μ = −1.5 ln 2 and σ = 0.5 ln 2, so the first word stands at +1 and the others at −1.
    logprobs = np.log([0.5, 0.25, 0.25])
    probs = np.exp(logprobs)
    mu = (probs * logprobs).sum()
    sigma = (probs * np.square(logprobs)).sum() - np.square(mu)  # the authors call the variance so
    assert standardised_logprobs(logprobs, mu, np.sqrt(sigma)) == pytest.approx(
        (logprobs - mu) / np.sqrt(sigma)
    )
    assert standardised_logprobs(logprobs, np.full(3, mu), np.full(3, np.sqrt(sigma))) == pytest.approx(
        [1, -1, -1]
    )


def test_a_token_without_a_log_probability_stays_without_a_score() -> None:
    missing = np.array([NAN, -1.0])
    assert np.isnan(standardised_logprobs(missing, missing, missing)).tolist() == [True, False]
