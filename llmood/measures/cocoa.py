"""CoCoA: a model's own doubt in its answer, times how unlike the answer its other draws are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmood.measures.segments import row_means
from llmood.measures.token_statistics import Floats


def cocoa(uncertainty: Floats, similarities: Floats, offsets: NDArray[np.integer]) -> Floats:
    """U · mean_k (1 − s(answer, draw k)), (n,); 0 where every draw is the answer, or the model has no doubt.

    Source: Vashurin et al., "CoCoA: A Minimum Bayes Risk Framework Bridging Confidence and Consistency for Uncertainty
    Quantification in LLMs" (NeurIPS 2025). u is −log p of the answer (MSP), its mean over tokens (PPL), or the mean
    token entropy (MTE).

    Args:
        uncertainty: (n,) at least 0.
        similarities: (m,) of the answer and each draw, in [0, 1].
        offsets: (n + 1,) which draws are a question's.

    Returns:
        (n,); NaN for a question without draws.
    """
    doubt = np.asarray(uncertainty, dtype=np.float64)
    apart = row_means(1.0 - np.asarray(similarities, dtype=np.float64), offsets)
    # No doubt, or no distance, is 0 whatever the other factor, infinity included.
    with np.errstate(invalid="ignore"):
        product = doubt * apart
    return np.where(((doubt == 0) & ~np.isnan(apart)) | ((apart == 0) & ~np.isnan(doubt)), 0.0, product)
