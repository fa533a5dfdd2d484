"""The mean of a text's least likely tokens (Min-K % Prob), and what a token's log-probability is standardised by.

Ragged rows are one flat array and offsets, as in `token_statistics`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmood.measures.token_statistics import Floats, Integers


def least_likely_mean(
    values: NDArray[np.floating],
    offsets: NDArray[np.integer],
    share: float,
    start: Integers | None = None,
) -> Floats:
    """The mean of each row's lowest values, a `share` of the scored tokens, at least one.

    Source: Shi et al., "Detecting Pretraining Data from Large Language Models" (ICLR 2024), Min-K % Prob: of n tokens
    ⌊share · n⌋, as the published code counts them.

    Args:
        values: one a token, flat; NaN where a token has none (the first of a text).
        offsets: shape (n + 1,).
        share: above 0, at most 1.
        start: shape (n,): only tokens from there on; the whole row by default.

    Returns:
        float64 of shape (n,); NaN for a row without a scored token.
    """
    offsets = np.asarray(offsets, dtype=np.int64)
    length = np.diff(offsets)
    flat = np.asarray(values, dtype=np.float64)[offsets[0] : offsets[-1]]
    row = np.repeat(np.arange(len(length)), length)
    place = np.arange(len(flat)) - np.repeat(offsets[:-1] - offsets[0], length)
    inside = ~np.isnan(flat) & (True if start is None else place >= np.asarray(start)[row])
    row, flat = row[inside], flat[inside]
    scored = np.bincount(row, minlength=len(length))
    # 0.29 · 100 is 28.999… in floating point, and twenty-nine tokens all the same.
    wanted = np.maximum(np.floor(share * scored + 1e-9).astype(np.int64), 1)
    order = np.lexsort((flat, row))
    row, flat = row[order], flat[order]
    rank = np.arange(len(flat)) - np.repeat(np.cumsum(scored) - scored, scored)
    lowest = rank < wanted[row]
    sums = np.bincount(row[lowest], weights=flat[lowest], minlength=len(length))
    return np.where(scored > 0, sums / wanted, np.nan)


def standardised_logprobs(
    logprobs: NDArray[np.floating], mean: NDArray[np.floating], std: NDArray[np.floating]
) -> Floats:
    """(log p(t_i) − μ_i) / σ_i: how unlikely a token is beside the others that could have stood there.

    Source: Zhang et al., "Min-K%++: Improved Baseline for Detecting Pre-Training Data from Large Language Models"
    (ICLR 2025).

    Args:
        logprobs: of the tokens.
        mean, std: μ and σ of log p over the vocabulary under p itself, at the same places.

    Returns:
        float64; NaN where a token has no log-probability, ±inf or NaN where σ is 0.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return (np.asarray(logprobs, np.float64) - np.asarray(mean, np.float64)) / np.asarray(std, np.float64)
