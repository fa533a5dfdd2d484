"""RAUQ: confidence handed from token to token, along the attention that each pays to the one before."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def rauq(
    log_probabilities: NDArray[np.floating], attention: NDArray[np.floating], alpha: float = 0.2
) -> float:
    """Max over layers of −(1/T) Σ log c_t, where c_1 = p_1 and c_t = α·p_t + (1 − α)·a_t·c_{t−1}.

    a_t is what token t pays to token t − 1 in the layer's head that pays it most on average.

    Source: Vazhentsev et al., "Uncertainty-Aware Attention Heads: Efficient Unsupervised Uncertainty Quantification for
    LLMs" (2025).

    Args:
        log_probabilities: (T,) of the answer's tokens.
        attention: (layers, heads, T − 1), entry t − 2 being that of token t on token t − 1, in the layers that take
            part (the publication takes the middle third).
        alpha: the share of a token's own probability, in [0, 1].

    Returns:
        NaN for no tokens; +inf where a confidence is 0.

    Raises:
        ValueError: shapes that don't fit, or alpha outside [0, 1].
    """
    log_p = np.asarray(log_probabilities, dtype=np.float64)
    weights = np.asarray(attention, dtype=np.float64)
    if not 0.0 <= alpha <= 1.0:
        raise ValueError(f"alpha must lie in [0, 1], not {alpha}")
    if not len(log_p):
        return float("nan")
    if weights.ndim != 3 or weights.shape[2] != len(log_p) - 1 or 0 in weights.shape[:2]:
        raise ValueError(f"attention must have shape (layers, heads, {len(log_p) - 1}), not {weights.shape}")
    chosen = weights[:, 0] if len(log_p) == 1 else _strongest_heads(weights)
    p = np.exp(log_p)
    confidence = np.empty((len(chosen), len(p)))
    confidence[:, 0] = p[0]
    for t in range(1, len(p)):
        confidence[:, t] = alpha * p[t] + (1.0 - alpha) * chosen[:, t - 1] * confidence[:, t - 1]
    with np.errstate(divide="ignore"):
        return float((-np.log(confidence)).mean(axis=1).max())


def _strongest_heads(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    heads = weights.mean(axis=2).argmax(axis=1)
    return np.asarray(weights[np.arange(len(weights)), heads])
