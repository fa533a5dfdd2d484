"""What a model's last layers add to a text's likelihood, over a head that reads a lower layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmood.measures.token_statistics import Floats, Integers, sum_scored_tokens


def early_exit_likelihood_ratio(
    full: NDArray[np.floating],
    early: NDArray[np.floating],
    offsets: NDArray[np.integer],
    start: Integers | None = None,
    *,
    mean: bool = False,
) -> Floats:
    """Σ_t log p_full(t) − log p_early(t), (n,), or per token. Higher = more OOD.

    Inspired by the LLR^{>k} of Havtorn et al., "Hierarchical VAEs Know What They Don't Know" (ICML 2021), where what
    the higher latents don't account for is redrawn from the lower ones: OOD text leans on what is general.

    Args:
        full, early: (m,) log-probabilities of the same tokens by the model and by the exit, flat; NaN where a token has
            none.
        offsets: (n + 1,).
        start: (n,) the first token of each text that counts; all do by default.

    Returns:
        NaN where no token was scored, or both likelihoods are 0.

    Raises:
        ValueError: one head scored a token that the other didn't.
    """
    ours, theirs = np.asarray(full, np.float64), np.asarray(early, np.float64)
    if ours.shape != theirs.shape or (np.isnan(ours) != np.isnan(theirs)).any():
        raise ValueError("full and early must be log-probabilities of the same tokens")
    high, tokens = sum_scored_tokens(ours, offsets, start)
    low, _ = sum_scored_tokens(theirs, offsets, start)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(tokens > 0, (high - low) / (tokens if mean else 1), np.nan)
