"""The risk–coverage curve in closed form: answers are accepted from the most confident on, tied ones in any order.

Risk is what an accepted answer costs: 1 if it is wrong, or 1 − quality. The expectation is over the order of tied
answers, so nothing here depends on the order of rows.

Arrays of cumulative sums have the shape (..., T): at place t stand the sums over the t most confident groups of tied
answers, 0 first, all answers last. Leading axes are resamples. A group that a resample left out adds nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmood.metrics.inputs import FloatArray, IntArray


def risk_coverage_area(accepted: IntArray, risk: NDArray[np.number]) -> FloatArray:
    """(1/n) Σᵢ E[risk among the i most confident] / i, for (..., T) sums to (...).

    A group of m ties with risk w, behind a answers with risk e, holds e + j·w/m among its first j in expectation. Its
    share of the sum is Σⱼ (e + j·w/m)/(a + j) = (e − a·w/m)·(H(a + m) − H(a)) + w, with the harmonic numbers H.
    """
    before: IntArray = accepted[..., :-1]
    carried = risk[..., :-1].astype(np.float64)
    added = np.diff(risk).astype(np.float64)
    rate = added / np.maximum(np.diff(accepted), 1)
    steps = np.diff(harmonic_numbers(int(accepted.max())).take(accepted))
    total: FloatArray = ((carried - before * rate) * steps + added).sum(axis=-1)
    return total / accepted[..., -1]


def expected_risk(accepted: IntArray, risk: NDArray[np.number], wanted: IntArray) -> FloatArray:
    """The expected risk among the `wanted` most confident answers: (..., T) sums and (..., C) counts to (..., C)."""
    last = _first_to_hold(accepted, wanted)
    held, of_held = (np.take_along_axis(sums, last, axis=-1) for sums in (accepted, risk))
    before, carried = (np.take_along_axis(sums, last - 1, axis=-1) for sums in (accepted, risk))
    expected: FloatArray = carried + (wanted - before) * (of_held - carried) / (held - before)
    return expected


def oracle_area(right: IntArray, wrong: IntArray) -> FloatArray:
    """The smallest area there can be, every right answer before every wrong one: (1/n) Σ_{i > right} (i − right)/i."""
    n = right + wrong
    harmonic = harmonic_numbers(int(n.max()))
    area: FloatArray = (wrong - right * (harmonic[n] - harmonic[right])) / n
    return area


def harmonic_numbers(n: int) -> FloatArray:
    """H(0) = 0, H(1) = 1, …, H(n) = Σ_{i ≤ n} 1/i, of shape (n + 1,)."""
    return np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, n + 1))])


def _first_to_hold(accepted: IntArray, wanted: IntArray) -> NDArray[np.intp]:
    """The first place of each row whose sum reaches what is wanted; the place before it doesn't."""
    rows = zip(accepted.reshape(-1, accepted.shape[-1]), wanted.reshape(-1, wanted.shape[-1]), strict=True)
    return np.stack([np.searchsorted(*row) for row in rows]).reshape(wanted.shape)
