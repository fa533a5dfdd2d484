"""SAR: uncertainty shifted to the tokens, and to the answers, that matter.

Source: Duan et al., "Shifting Attention to Relevance: Towards the Predictive Uncertainty Quantification of Free-Form
Large Language Models" (ACL 2024).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmood.measures.segments import flat_rows, log_sum, row_sums
from llmood.measures.token_statistics import Floats

TEMPERATURE = 0.001  # the publication's t


def token_sar(log_probabilities: Floats, relevances: Floats, offsets: NDArray[np.integer]) -> Floats:
    """Σ_i −log p_i · r_i / Σ_j r_j for each row, (n,): the mean surprise of tokens, weighed by their relevance.

    Args:
        log_probabilities: one a token, flat.
        relevances: at least 0: 1 − the similarity of the answer with and without the token. Where no token of a row
            has any, all have the same.
        offsets: (n + 1,) which tokens are a row's.

    Returns:
        (n,); NaN for a row without tokens, or with NaN.

    Raises:
        ValueError: a negative relevance.
    """
    log_p, row = flat_rows(log_probabilities, offsets)
    relevance = flat_rows(relevances, offsets)[0].astype(np.float64)
    if (relevance < 0).any():
        raise ValueError("relevances must be at least 0: clip similarities at 1")
    bounds = np.asarray(offsets) - offsets[0]
    total = row_sums(relevance, bounds)
    weights = np.where(total[row] == 0, 1.0, relevance)
    with np.errstate(invalid="ignore"):
        # A token of no relevance adds nothing, even one of probability 0.
        surprise = np.where(weights == 0, 0.0, -log_p * weights)
        means: Floats = row_sums(surprise, bounds) / row_sums(weights, bounds)
    return means


def sentence_sar(
    log_likelihoods: NDArray[np.floating], similarity: NDArray[np.floating], temperature: float = TEMPERATURE
) -> Floats:
    """−mean_i log(p_i + Σ_{j ≠ i} s_ij p_j / t), (...): an answer that others resemble counts as more probable.

    Args:
        log_likelihoods: (..., K) of each draw, a sum over its tokens; leading axes are questions of as many draws.
        similarity: (..., K, K) at least 0; the diagonal isn't read.
        temperature: t, above 0.

    Raises:
        ValueError: no draws, a negative similarity, a temperature that isn't above 0.
    """
    log_p = np.asarray(log_likelihoods, dtype=np.float64)
    alike = np.asarray(similarity, dtype=np.float64)
    if not log_p.shape[-1]:
        raise ValueError("no draws")
    others = ~np.eye(log_p.shape[-1], dtype=bool)
    if temperature <= 0 or (alike[..., others] < 0).any():
        raise ValueError("temperature must be above 0, and similarities at least 0")
    # In logarithms: the probability of a long answer is 0 in floating point.
    with np.errstate(divide="ignore"):
        log_weights = np.where(others, np.log(np.where(others, alike, 1.0)) - np.log(temperature), 0.0)
    return np.asarray(-log_sum(log_p[..., None, :] + log_weights).mean(axis=-1))


def sar(
    token_sars: NDArray[np.floating], similarity: NDArray[np.floating], temperature: float = TEMPERATURE
) -> Floats:
    """`sentence_sar` with e^(−`token_sar`) for the probability of each draw: relevance of both kinds, (...).

    Args:
        token_sars: (..., K) of each draw.
        similarity, temperature: as of `sentence_sar`.
    """
    return sentence_sar(-np.asarray(token_sars, dtype=np.float64), similarity, temperature)
