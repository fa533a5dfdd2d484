"""Sums and means of token log-probabilities, and their likelihood ratio.

Ragged rows are given as one flat array and offsets, as Arrow lists are: row i is `values[offsets[i]:offsets[i + 1]]`.
A token without a log-probability (the first of a text: nothing precedes it) is NaN in `values` and is no part of any
sum. Sums are float64 whatever the engine's precision.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def sum_scored_tokens(
    values: NDArray[np.floating],
    offsets: NDArray[np.integer],
    start: Integers | None = None,
    end: Integers | None = None,
) -> tuple[Floats, Integers]:
    """The log-likelihood of each row and how many tokens it is a sum of: Σ_{i=2..T} log p(t_i | t_<i).

    Args:
        values: token log-probabilities of all rows, flat; NaN where a token has none.
        offsets: shape (n + 1,).
        start, end: shape (n,): sum only tokens start ≤ i < end of each row (a span); the whole row by default.

    Returns:
        (sums, counts), both of shape (n,). A row without a scored token has sum 0.0 and count 0.
    """
    offsets = np.asarray(offsets, dtype=np.int64)
    length = np.diff(offsets)
    first = offsets[:-1] + (0 if start is None else np.clip(start, 0, length))
    last = offsets[:-1] + (length if end is None else np.clip(end, 0, length))
    flat = np.asarray(values, dtype=np.float64)
    scored = ~np.isnan(flat)
    # Prefix sums of the whole file would let one −inf, or the rounding of a million tokens, leak into later rows.
    row = np.repeat(np.arange(len(length)), length)
    position = np.arange(offsets[0], offsets[-1])
    inside = scored[position] & (position >= first[row]) & (position < last[row])
    counts = np.bincount(row[inside], minlength=len(length)).astype(np.int64)
    sums = np.bincount(row[inside], weights=flat[position[inside]], minlength=len(length)).astype(np.float64)
    return sums, counts


def ratio_by_token(
    base: NDArray[np.floating],
    tuned: NDArray[np.floating],
    offsets: NDArray[np.integer],
    start: Integers | None = None,
    *,
    mean: bool = False,
) -> Floats:
    """Log p_base − log p_tuned of each token, flat: what each adds to `likelihood_ratio`. NaN where it adds nothing.

    Args:
        base, tuned: log-probabilities of the same tokens, flat, NaN where a token has none.
        offsets, start: as for `sum_scored_tokens`.
        mean: divide by the number of tokens that count, so that they add up to the mean.
    """
    offsets = np.asarray(offsets, dtype=np.int64)
    row = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    with np.errstate(invalid="ignore"):
        found = np.asarray(base, np.float64) - np.asarray(tuned, np.float64)
    if start is not None:
        found[np.arange(len(row)) - offsets[row] < np.asarray(start)[row]] = np.nan
    if mean:
        counts = np.bincount(row[~np.isnan(found)], minlength=len(offsets) - 1)
        found /= np.maximum(counts, 1)[row]
    return found


def negative_log_likelihood(log_likelihood: Floats, tokens: Integers, *, mean: bool = False) -> Floats:
    """−ℓ, or −ℓ per scored token. Higher = more OOD. NaN where no token was scored.

    Source: the LH and NLH baselines of Zhang et al., "Your Finetuned Large Language Model is Already a Powerful
    Out-of-distribution Detector" (AISTATS 2025), with the exact sum over T − 1 targets.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(tokens > 0, -log_likelihood / (tokens if mean else 1), np.nan)


def likelihood_ratio(base: Floats, tuned: Floats, tokens: Integers, *, mean: bool = False) -> Floats:
    """S = ℓ_base − ℓ_tuned: how little the tuning raised the likelihood of a text. Higher = more OOD.

    Args:
        base, tuned: log-likelihoods of the same token ids under both models, shape (n,).
        tokens: how many tokens both are sums of.
        mean: divide by `tokens` (NLR), so that long texts don't score high for being long.

    Returns:
        float64 of shape (n,); NaN where no token was scored or where both models gave probability zero.

    Source: Zhang et al. (AISTATS 2025), LR and NLR.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(tokens > 0, (base - tuned) / (tokens if mean else 1), np.nan)
