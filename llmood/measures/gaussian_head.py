"""A Gaussian state through a linear head: how often noise of a known covariance would change the prediction."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmood.measures.states import check_states
from llmood.measures.token_statistics import Floats


class GaussianLogits(NamedTuple):
    """Logits that are jointly Gaussian: `means` (n, C), and one `covariance` (C, C) for all."""

    means: Floats
    covariance: Floats


def propagate(
    states: NDArray[np.floating],
    covariance: NDArray[np.floating],
    weights: NDArray[np.floating],
    bias: NDArray[np.floating] | None = None,
) -> GaussianLogits:
    """W x + b and W Σ Wᵀ of states that are x with noise N(0, Σ); exact, as the head is linear.

    Source: Petersen et al., "Uncertainty Quantification via Stable Distribution Propagation" (ICLR 2024), whose
    linearisation changes nothing here.

    Args:
        states: (n, d).
        covariance: (d, d), such as the within-class covariance of ID states; σ² · I for one noise level.
        weights: (C, d).
        bias: (C,).
    """
    head = check_states(weights, "weights")
    rows = check_states(states, width=head.shape[1])
    noise = check_states(covariance, "covariance", head.shape[1])
    offset = 0.0 if bias is None else np.asarray(bias, np.float64)
    return GaussianLogits(rows @ head.T + offset, head @ noise @ head.T)


def probability_top_beats(logits: GaussianLogits) -> Floats:
    """P(z_top > z_j) = Φ((m_top − m_j) / √(Σ_tt + Σ_jj − 2 Σ_tj)) against every class j, (n, C).

    1 for the top class itself. Where the difference has no variance, it is 1, or ½ of equal means.
    """
    from scipy.special import ndtr

    return np.asarray(ndtr(_standardised_leads(logits)), dtype=np.float64)


def head_uncertainty(logits: GaussianLogits) -> Floats:
    """The largest probability that another class beats the top one, (n,), from 0 to ½; higher is less sure.

    Raises:
        ValueError: there is one class only, which nothing can beat.
    """
    from scipy.special import ndtr

    if logits.means.shape[1] < 2:
        raise ValueError("there is one class: nothing can beat it; take two or more")
    return np.asarray(ndtr(-_standardised_leads(logits).min(axis=1)), dtype=np.float64)


def _standardised_leads(logits: GaussianLogits) -> Floats:
    """By how many standard deviations of the difference the top class leads each, (n, C); +inf before itself."""
    means, covariance = logits
    rows, top = np.arange(len(means)), means.argmax(axis=1)
    lead = means[rows, top][:, None] - means
    variances = np.diag(covariance)
    spread = variances[top][:, None] + variances - 2.0 * covariance[top]
    # Classes of equal weights differ by rounding only.
    spread = np.where(spread > 1e-12 * variances.max(initial=0.0), spread, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        leads = np.where((lead == 0) & (spread == 0), 0.0, lead / np.sqrt(spread))
    leads[rows, top] = np.inf
    return np.asarray(leads, dtype=np.float64)
