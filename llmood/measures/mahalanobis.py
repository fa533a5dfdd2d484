"""Squared Mahalanobis distances to classes that share a covariance, and relative to a background.

Higher is farther, and more OOD. Squared: the mean over the rows that a single class was fitted on, unshrunk, is d.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmood.measures.covariance import condition_of
from llmood.measures.states import check_states, row_blocks
from llmood.measures.token_statistics import Floats


class Gaussians(NamedTuple):
    """Classes with their `means` (C, d) and one covariance, whose inverse is `whitening` · `whitening`ᵀ."""

    means: Floats
    whitening: Floats
    condition_number: float


def shared_gaussians(means: NDArray[np.floating], covariance: NDArray[np.floating]) -> Gaussians:
    """Classes of one covariance; `means` of shape (1, d) is one class, or a background.

    Raises:
        ValueError: the covariance is singular. No pseudo-inverse: it would call states near that leave the fitted
            ones' space altogether.
    """
    centres = check_states(means, "means")
    eigenvalues, vectors = np.linalg.eigh(check_states(covariance, "covariance", centres.shape[1]))
    condition = condition_of(eigenvalues)
    if not np.isfinite(condition):
        raise ValueError(
            f"the covariance of {len(eigenvalues)} dimensions is singular: shrink it, add samples, "
            "or leave out constant dimensions"
        )
    return Gaussians(centres, vectors / np.sqrt(eigenvalues), condition)


def nearest_class(states: NDArray[np.floating], fitted: Gaussians) -> tuple[NDArray[np.int64], Floats]:
    """Which class is nearest to each state, and its squared distance min_c (x − μ_c)ᵀ Σ⁻¹ (x − μ_c), both (n,)."""
    rows = check_states(states, width=fitted.means.shape[1])
    origin = fitted.means.mean(axis=0)
    centres = (fitted.means - origin) @ fitted.whitening
    half_lengths = (centres**2).sum(axis=1) / 2
    best, distances = np.empty(len(rows), np.int64), np.empty(len(rows))
    for part in row_blocks(len(rows), rows.shape[1] + len(centres)):
        white = (rows[part] - origin) @ fitted.whitening
        best[part] = (white @ centres.T - half_lengths).argmax(axis=1)
        # Once more from the difference: ‖x‖² − 2xμ + ‖μ‖² would round a small distance away.
        distances[part] = ((white - centres[best[part]]) ** 2).sum(axis=1)
    return best, distances


def mahalanobis(states: NDArray[np.floating], fitted: Gaussians) -> Floats:
    """min_c (x − μ_c)ᵀ Σ⁻¹ (x − μ_c), (n,); with one class, the distance to it.

    Source: Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks"
    (NeurIPS 2018).
    """
    return nearest_class(states, fitted)[1]


def relative_mahalanobis(states: NDArray[np.floating], fitted: Gaussians, background: Gaussians) -> Floats:
    """The smallest distance to a class, less the distance to a background, (n,); may be negative.

    Source: Ren et al., "A Simple Fix to Mahalanobis Distance for Improving Near-OOD Detection" (2021), where the
    background is all of the ID data; of another corpus in Ren et al., "Out-of-Distribution Detection and Selective
    Generation for Conditional Language Models" (ICLR 2023).

    Args:
        background: a Gaussian of one mean.
    """
    if len(background.means) != 1:
        raise ValueError(f"a background has one mean, not {len(background.means)}")
    return mahalanobis(states, fitted) - mahalanobis(states, background)
