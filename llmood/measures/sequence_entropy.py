"""Predictive entropy from draws: how improbable the model finds what it says, whatever it means.

"Naive entropy" in the code of semantic entropy is one of these two: of sums or of means, as its a_k are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmood.measures.segments import flat_rows, row_means, row_sums
from llmood.measures.token_statistics import Floats, Integers


def monte_carlo_sequence_entropy(log_likelihoods: Floats, offsets: NDArray[np.integer]) -> Floats:
    """−(1/K) Σ_k log p(s_k), an unbiased estimate of the entropy of the model's answers, (n,).

    Source: Malinin and Gales, "Uncertainty Estimation in Autoregressive Structured Prediction" (ICLR 2021).

    Args:
        log_likelihoods: (m,) of each draw, a sum over its tokens.
        offsets: (n + 1,) which draws are a question's.

    Returns:
        (n,); NaN for a question without draws.
    """
    return -row_means(log_likelihoods, offsets)


def length_normalised_sequence_entropy(
    log_likelihoods: Floats, tokens: Integers, offsets: NDArray[np.integer]
) -> Floats:
    """−(1/K) Σ_k log p(s_k) / T_k, (n,), so that long answers don't score high for being long.

    Source: Malinin and Gales (ICLR 2021).

    Args:
        log_likelihoods: (m,) of each draw, a sum over its tokens.
        tokens: (m,) how many tokens that is a sum of. A draw of none has no mean, and is no part of K.
        offsets: (n + 1,).

    Returns:
        (n,); NaN for a question without a draw of some token.
    """
    length, _ = flat_rows(tokens, offsets)
    total, _ = flat_rows(log_likelihoods, offsets)
    said = length > 0
    means = np.where(said, total / np.maximum(length, 1), 0.0)
    bounds = np.asarray(offsets) - offsets[0]
    with np.errstate(invalid="ignore"):
        entropy: Floats = -row_sums(means, bounds) / row_sums(said, bounds)
    return entropy
