"""Temperature scaling of several classes: the logits of label tokens, or of a multiple choice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmood.measures.temperature import least
from llmood.measures.token_statistics import Floats


def fit_label_temperature(logits: Floats, labels: NDArray[np.integer]) -> float:
    """1/T ≥ 0 with the least cross-entropy of softmax(logits/T) (Guo et al., ICML 2017).

    0, an infinite temperature, where the right labels have lower logits than the others on average.

    Args:
        logits: finite (n, C).
        labels: (n,) the right ones, 0 … C − 1.

    Raises:
        ValueError: every right label has the highest logit (no temperature is the best), or a shape is wrong.
    """
    values, right = np.asarray(logits, dtype=np.float64), np.asarray(labels)
    if values.ndim != 2 or right.shape != values.shape[:1] or not len(right):
        raise ValueError(f"logits are (n, C) and labels (n,), not {values.shape} and {right.shape}")
    if not np.isfinite(values).all():
        raise ValueError("logits are finite numbers")
    if right.min() < 0 or right.max() >= values.shape[1]:
        raise ValueError(f"labels are 0 … {values.shape[1] - 1}, not {right.min()} … {right.max()}")
    values = values - values.max(axis=1, keepdims=True)
    given = values[np.arange(len(right)), right]
    if (given == 0.0).all():
        raise ValueError("every right label has the highest logit: no temperature is the best")

    def slope(inverse: float) -> float:
        return float(((label_probabilities(values, inverse) * values).sum(axis=1) - given).mean())

    return least(slope)


def label_probabilities(logits: Floats, inverse: float) -> Floats:
    """softmax(logits · `inverse`), (n, C)."""
    scaled = np.asarray(logits, dtype=np.float64) * inverse
    shares = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def label_uncertainty(logits: Floats, inverse: float) -> Floats:
    """1 − the probability of the likeliest label at that temperature, (n,); with `inverse` 1 it is `msp.labels`.

    With two labels the order is that of `msp.labels`; with more it may be another.
    """
    shares = label_probabilities(logits, inverse)
    top = shares.argmax(axis=1)[:, None]
    # The sum of the others, and not 1 − the largest: a small difference from 1 keeps its digits.
    others = np.where(np.arange(shares.shape[1]) == top, 0.0, shares)
    return np.asarray(others.sum(axis=1))
