"""Kernel language entropy: the von Neumann entropy of a kernel on the graph of answers.

Answers that are alike, not only those of one cluster, share their weight. Arrays are (..., K, K), leading axes being
questions of as many draws.

Source: Nikitin et al., "Kernel Language Entropy: Fine-grained Uncertainty Quantification for LLMs from Semantic
Similarities" (NeurIPS 2024).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from llmood.measures.segments import entropy_terms
from llmood.measures.similarity_graph import symmetric
from llmood.measures.token_statistics import Floats


def entailment_weights(entailment: NDArray[np.floating], contradiction: NDArray[np.floating]) -> Floats:
    """The graph's edges: 1 for entailment, ½ for neutral and 0 for contradiction, both directions added; in [0, 2].

    Args:
        entailment, contradiction: (..., K, K) one-hot verdicts, or probabilities; neutral is what they leave of 1.
    """
    one_way = np.asarray(entailment, np.float64) + 0.5 * (
        1.0 - np.asarray(entailment) - np.asarray(contradiction)
    )
    return np.asarray(2.0 * symmetric(one_way))


def graph_laplacian(weights: NDArray[np.floating]) -> Floats:
    """D − W; what stands on the diagonal of W cancels."""
    graph = symmetric(weights)
    return np.asarray(graph.sum(axis=-1)[..., None] * np.eye(graph.shape[-1]) - graph)


def heat_kernel(weights: NDArray[np.floating], t: float = 0.3) -> Floats:
    """exp(−t·L), the heat that has flowed along the edges after a time t; t = 0 leaves each answer alone."""
    return _spectral(weights, lambda eigenvalues: np.exp(-t * eigenvalues))


def matern_kernel(weights: NDArray[np.floating], nu: float = 1.0, kappa: float = 1.0) -> Floats:
    """(2ν/κ² · I + L)^(−ν), of smoothness ν and length κ."""
    return _spectral(weights, lambda eigenvalues: (2.0 * nu / kappa**2 + eigenvalues) ** -nu)


def unit_trace(kernel: NDArray[np.floating]) -> Floats:
    """K_ij / √(K_ii · K_jj) / K, a density matrix: every answer has the same weight."""
    matrix = np.asarray(kernel, dtype=np.float64)
    scale = 1.0 / np.sqrt(np.diagonal(matrix, axis1=-2, axis2=-1))
    return np.asarray(scale[..., :, None] * matrix * scale[..., None, :] / matrix.shape[-1])


def von_neumann_entropy(density: NDArray[np.floating]) -> Floats:
    """−Σ λ log λ over the eigenvalues of a symmetric matrix of unit trace, (...); from 0 (rank one) to log K."""
    return np.asarray(entropy_terms(np.clip(np.linalg.eigvalsh(density), 0.0, None)).sum(axis=-1))


def kernel_language_entropy(kernel: NDArray[np.floating], *, scaled: bool = False) -> Floats:
    """The von Neumann entropy of a kernel brought to unit trace, (...).

    Args:
        kernel: (..., K, K) symmetric, positive semi-definite, such as `heat_kernel(weights)`.
        scaled: divide by log K, as the published code does, so that questions of more draws don't score higher; one
            draw has 0.
    """
    found = von_neumann_entropy(unit_trace(kernel))
    size = np.asarray(kernel).shape[-1]
    return found / np.log(size) if scaled and size > 1 else found


def _spectral(weights: NDArray[np.floating], function: Callable[[Floats], Floats]) -> Floats:
    eigenvalues, vectors = np.linalg.eigh(graph_laplacian(weights))
    # A Laplacian has no negative eigenvalues; rounding has.
    values = function(np.clip(eigenvalues, 0.0, None))
    return np.asarray((vectors * values[..., None, :]) @ np.swapaxes(vectors, -1, -2))
