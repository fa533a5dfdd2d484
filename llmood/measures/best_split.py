"""Two groups of semantic entropies, low and high: what a probe learns to tell apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmood.measures.token_statistics import Floats

THRESHOLDS = 100  # as published
LEAST = 1e-10  # the first of them; what differs by less differs by rounding


def best_split(entropies: NDArray[np.floating]) -> float:
    """γ with the least sum of squares within {H < γ} and {H ≥ γ}, of 100 even steps from 10⁻¹⁰ to the largest H.

    Of equally good ones the smallest; always with both groups there. The publication's code leaves H = γ in neither
    group; here it is high.

    Source: Kossen et al., "Semantic Entropy Probes: Robust and Cheap Hallucination Detection in LLMs" (2024).

    Args:
        entropies: (n,), 0 or more.

    Raises:
        ValueError: NaN or a negative value, or values that are all the same.
    """
    values = np.sort(_checked(entropies))
    if not len(values) or values[-1] - values[0] <= LEAST:
        raise ValueError("all entropies are the same: there are no low and high ones to tell apart")
    thresholds = np.linspace(LEAST, values[-1], THRESHOLDS)
    low = np.searchsorted(values, thresholds, side="left")
    high = len(values) - low
    thresholds, low, high = (each[(low > 0) & (high > 0)] for each in (thresholds, low, high))
    # Around the mean, so that the difference below doesn't cancel.
    sums = np.concatenate([[0.0], np.cumsum(values - values.mean())])[low]
    # Within = total − between, and both groups' sums are ± the same.
    between = sums**2 / low + sums**2 / high
    best = between.max()
    return float(thresholds[np.argmax(between >= best * (1 - 1e-12))])


def is_high(entropies: NDArray[np.floating], threshold: float) -> NDArray[np.bool_]:
    """H ≥ γ, (n,)."""
    return np.asarray(_checked(entropies) >= threshold)


def _checked(entropies: NDArray[np.floating]) -> Floats:
    values = np.asarray(entropies, dtype=np.float64)
    if values.ndim != 1 or not (values >= 0).all():
        raise ValueError("entropies must have shape (n,), and be 0 or more: leave out those that are NaN")
    return values
