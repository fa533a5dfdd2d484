"""Claim-conditioned probability: how sure a token is among the alternatives that would change what is claimed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmood.measures.nli import Verdict
from llmood.measures.segments import log_sum, row_sums
from llmood.measures.token_statistics import Floats


def claim_conditioned_log_probability(
    log_probabilities: NDArray[np.floating], verdicts: NDArray[np.integer]
) -> Floats:
    """log(Σ p of what entails the chosen token / Σ p of what entails or contradicts it), (T,); at most 0.

    An alternative that is neither is another kind of claim, and left out.

    Source: Fadeeva et al., "Fact-Checking the Output of Large Language Models via Token-Level Uncertainty
    Quantification" (Findings of ACL 2024).

    Args:
        log_probabilities: (T, k) of the alternatives at each token, the chosen one first; −inf fills up short rows.
        verdicts: (T, k) `Verdict` of the chosen token with each alternative; the first column, the chosen one itself,
            isn't read.

    Returns:
        (T,); NaN where the chosen token and all that agrees or disagrees with it have probability 0.
    """
    log_p, said = np.asarray(log_probabilities, dtype=np.float64), np.asarray(verdicts)
    if log_p.ndim != 2 or not log_p.shape[1] or said.shape != log_p.shape:
        raise ValueError(
            "log_probabilities and verdicts must share a shape (T, k), k of at least 1, "
            f"not {log_p.shape} and {said.shape}"
        )
    chosen = np.arange(log_p.shape[1]) == 0
    agrees = chosen | (said == Verdict.ENTAILMENT)
    counts = agrees | (said == Verdict.CONTRADICTION)
    with np.errstate(invalid="ignore"):
        ratio = log_sum(np.where(agrees, log_p, -np.inf)) - log_sum(np.where(counts, log_p, -np.inf))
    return np.asarray(np.minimum(ratio, 0.0))


def claim_conditioned_uncertainty(token_values: Floats, offsets: NDArray[np.integer]) -> Floats:
    """1 − Π_t CCP_t over the tokens of each claim (or answer), (n,); in [0, 1], 0 without a counted token.

    Args:
        token_values: one a token, flat, as `claim_conditioned_log_probability`; 0 leaves a token out (function words,
            in the publication). NaN makes its claim NaN.
        offsets: (n + 1,) which tokens are a claim's.
    """
    return np.asarray(-np.expm1(row_sums(np.asarray(token_values, dtype=np.float64), offsets)))
