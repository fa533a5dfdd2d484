"""LUQ: of a long answer, how much the other draws support, sentence by sentence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmood.measures.token_statistics import Floats, Integers


def entailment_over_contradiction(
    entailment: NDArray[np.floating], contradiction: NDArray[np.floating]
) -> Floats:
    """e^{l_e} / (e^{l_e} + e^{l_c}) of the two classes' logits: p(entailment) where neutral is left out."""
    difference = np.asarray(contradiction, dtype=np.float64) - np.asarray(entailment, dtype=np.float64)
    # e^{−|d|} can't overflow.
    small = np.exp(-np.abs(difference))
    return np.asarray(np.where(difference > 0, small, 1.0) / (1.0 + small))


def luq(support: NDArray[np.floating], response: Integers, responses: int) -> float:
    """1 − the mean over draws of the mean over their sentences of how far the other draws support them; in [0, 1].

    Source: Zhang et al., "LUQ: Long-text Uncertainty Quantification for LLMs" (EMNLP 2024).

    Args:
        support: (S, K) p that draw k (the premise, whole) entails sentence s, of all sentences of all draws, as
            `entailment_over_contradiction`. What a draw says of its own sentences isn't read.
        response: (S,) the draw that each sentence is of.
        responses: K.

    Returns:
        NaN for fewer than two draws, or where none has a sentence. A draw without sentences has no say as the one that
        is supported.

    Raises:
        ValueError: shapes that don't fit.
    """
    matrix, own = np.asarray(support, dtype=np.float64), np.asarray(response, dtype=np.int64)
    if matrix.shape != (len(own), responses):
        raise ValueError(f"support must have shape ({len(own)}, {responses}), not {matrix.shape}")
    if responses < 2 or not len(own):
        return float("nan")
    others = np.arange(responses) != own[:, None]
    supported = np.where(others, matrix, 0.0).sum(axis=1) / (responses - 1)
    sentences = np.bincount(own, minlength=responses)
    sums = np.bincount(own, supported, responses)
    said = sentences > 0
    return float(1.0 - (sums[said] / sentences[said]).mean())
