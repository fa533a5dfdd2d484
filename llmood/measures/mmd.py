"""Maximum mean discrepancy: are two sets of vectors (or scores) drawn alike? With a permutation test.

Source: Gretton et al., "A Kernel Two-Sample Test" (2012). The p-value counts the data as one of the permutations:
Phipson & Smyth, "Permutation P-values Should Never Be Zero" (2010).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from llmood.measures.score_drift import Drift
from llmood.measures.token_statistics import Floats

PERMUTATIONS = 499
MOST_ROWS = 1_000  # of each set: the kernel of both is 32 MB


def mmd(
    left: ArrayLike,
    right: ArrayLike,
    generator: np.random.Generator,
    *,
    permutations: int = PERMUTATIONS,
    most_rows: int = MOST_ROWS,
) -> Drift:
    """The unbiased MMD² with the kernel exp(−‖x − y‖² / 2σ²), σ the median distance, and its p-value.

    p = (1 + #{permuted ≥ found}) / (permutations + 1): exact where the rows are exchangeable. σ is of both sets
    together, so that permuting changes nothing about it.

    Args:
        left: (n, d), or (n,) for d = 1; without NaN, n ≥ 2.
        right: (m, d), or (m,).
        generator: draws the permutations, and the rows where there are more than `most_rows`.

    Raises:
        ValueError: other shapes, NaN, or fewer than two rows.
    """
    one, other = (_drawn(_rows(rows), generator, most_rows) for rows in (left, right))
    if one.shape[1] != other.shape[1]:
        raise ValueError(f"rows of {one.shape[1]} numbers can't be compared with rows of {other.shape[1]}")
    kernel = gaussian_kernel(np.concatenate([one, other]))
    count = len(kernel)
    is_left = np.zeros((count, permutations + 1), dtype=np.float64)
    is_left[: len(one), 0] = 1.0
    for column in range(1, permutations + 1):
        is_left[generator.permutation(count)[: len(one)], column] = 1.0
    found = _unbiased(kernel, is_left, len(one), len(other))
    # What differs by rounding only is a tie, and ties count as at least as large.
    at_least = int((found[1:] >= found[0] - 1e-12).sum())
    return Drift(float(found[0]), (1 + at_least) / (permutations + 1))


def gaussian_kernel(rows: Floats) -> Floats:
    """exp(−‖x − y‖² / 2σ²), (n, n), σ the median distance of different rows; 1 everywhere where all are the same."""
    centred = rows - rows.mean(axis=0)
    squares = (centred**2).sum(axis=1)
    apart = np.maximum(squares[:, None] + squares[None, :] - 2.0 * (centred @ centred.T), 0.0)
    np.fill_diagonal(apart, 0.0)
    # Equal rows are 0 apart but for rounding, and don't make the kernel a point.
    different = apart[apart > 1e-12 * max(float(squares.max()), 1e-300)]
    if not len(different):
        return np.ones_like(apart)
    return np.asarray(np.exp(apart / (-2.0 * float(np.median(different)))))


def _unbiased(kernel: Floats, is_left: Floats, n: int, m: int) -> Floats:
    """MMD² of each column of `is_left`, (columns,)."""
    towards = kernel @ is_left
    within_left = (is_left * towards).sum(axis=0)
    across = towards.sum(axis=0) - within_left
    within_right = kernel.sum() - within_left - 2.0 * across
    return np.asarray(
        (within_left - n) / (n * (n - 1)) + (within_right - m) / (m * (m - 1)) - 2.0 * across / (n * m)
    )


def _rows(values: ArrayLike) -> Floats:
    rows = np.asarray(values, dtype=np.float64)
    rows = rows[:, None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or len(rows) < 2 or not np.isfinite(rows).all():
        raise ValueError("two rows or more of finite numbers are needed, with shape (n, d)")
    return rows


def _drawn(rows: Floats, generator: np.random.Generator, most: int) -> Floats:
    if len(rows) <= most:
        return rows
    return rows[np.sort(generator.choice(len(rows), most, replace=False))]
