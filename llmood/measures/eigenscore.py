"""EigenScore: how much room the draws' embeddings take up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmood.measures.token_statistics import Floats


def eigenscore(embeddings: NDArray[np.floating], alpha: float = 1e-3) -> Floats:
    """(1 / K) log det(Σ + α·I) of the K draws' covariance over dimensions, (...). Higher = less alike, less sure.

    Σ_ij is the covariance of draws i and j over their d dimensions: each embedding is centred at its own mean and the
    sum divided by d − 1, as in the published code (which takes log₁₀, 0.434 of this). Equal draws leave K − 1
    eigenvalues at α, so that it depends on the embeddings' scale and on K: compare within one model, layer and K.

    Source: Chen et al., "INSIDE: LLMs' Internal States Retain the Power of Hallucination Detection" (ICLR 2024).

    Args:
        embeddings: (..., K, d), leading axes being questions of as many draws.
        alpha: above 0.

    Returns:
        NaN for one draw: there is nothing to compare.

    Raises:
        ValueError: NaN, fewer than 2 dimensions, no draws, or alpha that isn't above 0.
    """
    return eigenscore_of_covariance(draws_covariance(embeddings), alpha)


def draws_covariance(embeddings: NDArray[np.floating]) -> Floats:
    """Σ_ij of draws i and j over their dimensions, (..., K, K), each embedding centred at its own mean.

    Args:
        embeddings: (..., K, d).

    Raises:
        ValueError: NaN, fewer than 2 dimensions, or no draws.
    """
    draws = np.asarray(embeddings, dtype=np.float64)
    if draws.ndim < 2 or not draws.shape[-2] or draws.shape[-1] < 2:
        raise ValueError(f"embeddings must have shape (..., K, d) with K ≥ 1 and d ≥ 2, not {draws.shape}")
    if not np.isfinite(draws).all():
        raise ValueError("embeddings hold NaN or infinity: leave the question unscored")
    centred = draws - draws.mean(axis=-1, keepdims=True)
    return np.asarray(centred @ np.swapaxes(centred, -1, -2) / (draws.shape[-1] - 1))


def eigenscore_of_covariance(covariance: Floats, alpha: float = 1e-3) -> Floats:
    """EigenScore from `draws_covariance` (..., K, K): (...).

    Raises:
        ValueError: alpha isn't above 0.
    """
    if not alpha > 0.0:
        raise ValueError(f"alpha must be above 0, not {alpha}")
    if covariance.shape[-1] == 1:
        return np.full(covariance.shape[:-2], np.nan)
    # Rounding may leave an eigenvalue below 0, where the covariance has none.
    eigenvalues = np.clip(np.linalg.eigvalsh(covariance), 0.0, None)
    return np.asarray(np.log(eigenvalues + alpha).mean(axis=-1))
