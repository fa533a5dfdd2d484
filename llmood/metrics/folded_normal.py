"""Means of |X| and of max(X, 0) for a normal X: what noise adds to a distance."""

from __future__ import annotations

import numpy as np

from llmood.metrics.inputs import FloatArray


def mean_absolute(mean: FloatArray, variance: FloatArray) -> FloatArray:
    """E|X| = σ √(2/π) exp(−μ²/2σ²) + μ (2 Φ(μ/σ) − 1); |μ| where σ is 0."""
    found: FloatArray = 2.0 * mean_positive(mean, variance) - mean
    return found


def mean_positive(mean: FloatArray, variance: FloatArray) -> FloatArray:
    """E max(X, 0) = μ Φ(μ/σ) + σ φ(μ/σ); max(μ, 0) where σ is 0."""
    from scipy.special import ndtr  # here, so that importing metrics doesn't load scipy

    spread = np.sqrt(variance)
    ratio = np.divide(mean, spread, out=np.zeros_like(mean), where=spread > 0.0)
    density = np.exp(-0.5 * ratio**2) / np.sqrt(2.0 * np.pi)
    found: FloatArray = np.where(spread > 0.0, mean * ndtr(ratio) + spread * density, np.maximum(mean, 0.0))
    return found
