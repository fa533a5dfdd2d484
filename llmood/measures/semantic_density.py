"""Semantic density: how much of what the model would say lies near the answer that it gave."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmood.measures.segments import flat_rows, grouped_maxima, row_sums
from llmood.measures.token_statistics import Floats


def squared_distance(contradiction: NDArray[np.floating], neutral: NDArray[np.floating]) -> Floats:
    """The expected squared distance of two answers: p(contradiction) + ½ p(neutral), in [0, 1]."""
    return np.asarray(np.asarray(contradiction, np.float64) + 0.5 * np.asarray(neutral, np.float64))


def semantic_density(
    squared_distances: Floats, mean_log_probabilities: Floats, offsets: NDArray[np.integer]
) -> Floats:
    """Σ_i w_i · max(0, 1 − d_i²) / Σ_i w_i, a kernel density at the answer, (n,); in [0, 1], higher is surer.

    The kernel is Epanechnikov's, and w_i = p(y_i)^(1/T_i) weighs an answer by its likelihood per token.

    Source: Qiu and Miikkulainen, "Semantic Density: Uncertainty Quantification for Large Language Models through
    Confidence Measurement in Semantic Space" (NeurIPS 2024).

    Args:
        squared_distances: (m,) d² from the answer that was given to each reference answer.
        mean_log_probabilities: (m,) of each reference answer, over its tokens.
        offsets: (n + 1,) which references are a question's. They are distinct: a draw that repeats another is left out,
            and the given answer may be one of them, at distance 0.

    Returns:
        (n,); NaN for a question without references, or whose references all have likelihood 0.
    """
    distances, _ = flat_rows(squared_distances, offsets)
    log_weights, question = flat_rows(mean_log_probabilities, offsets)
    top = grouped_maxima(log_weights, question, len(offsets) - 1)
    weights = np.exp(log_weights - np.where(np.isinf(top), 0.0, top)[question])
    bounds = np.asarray(offsets) - offsets[0]
    near = weights * np.clip(1.0 - distances, 0.0, None)
    with np.errstate(invalid="ignore"):
        density: Floats = row_sums(near, bounds) / row_sums(weights, bounds)
    return density
