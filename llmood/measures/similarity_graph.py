"""Answers as a graph whose edges are their similarities: the more it falls apart, the less sure the model.

`similarity` is a float array (..., K, K) in [0, 1], leading axes being questions of as many draws; the two directions
of a pair are averaged. Its diagonal is used as given: 1 unless a model was asked about an answer and itself.

Source: Lin et al., "Generating with Confidence: Uncertainty Quantification for Black-box Large Language Models"
(TMLR 2024).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmood.measures.token_statistics import Floats


def degree_uncertainty(similarity: NDArray[np.floating]) -> Floats:
    """trace(K·I − D) / K², the mean distance of all ordered pairs: 0 where all are alike; (...)."""
    graph = symmetric(similarity)
    return np.asarray(1.0 - graph.mean(axis=(-2, -1)))


def laplacian_eigenvalue_sum(similarity: NDArray[np.floating]) -> Floats:
    """Σ max(0, 1 − λ) over the eigenvalues of the normalised Laplacian, (...): a continuous number of meanings.

    1 where all are alike; K where no two are; and the number of components of a graph of cliques.
    """
    eigenvalues = np.linalg.eigvalsh(_normalised_laplacian(similarity))
    return np.asarray(np.clip(1.0 - eigenvalues, 0.0, None).sum(axis=-1))


def eccentricity(similarity: NDArray[np.floating], threshold: float = 0.9) -> Floats:
    """How far the answers lie from their centre in the graph's spectral embedding, (...); 0 where all are alike.

    The embedding is of the Laplacian's eigenvectors with eigenvalues below `threshold` (0.9 in the published code); the
    norm is Frobenius' over answers and eigenvectors, which doesn't depend on the basis of an eigenspace.
    """
    return np.asarray(np.sqrt((_centred_embedding(similarity, threshold) ** 2).sum(axis=(-2, -1))))


def symmetric(similarity: NDArray[np.floating]) -> Floats:
    """(W + Wᵀ) / 2 in float64.

    Raises:
        ValueError: the last two axes aren't of one length, there are no answers, or there is NaN.
    """
    graph = np.asarray(similarity, dtype=np.float64)
    if graph.ndim < 2 or graph.shape[-1] != graph.shape[-2] or not graph.shape[-1]:
        raise ValueError(f"similarity must have shape (..., K, K) with K of at least 1, not {graph.shape}")
    if np.isnan(graph).any():
        raise ValueError("similarity holds NaN: leave the question unscored")
    return np.asarray((graph + np.swapaxes(graph, -1, -2)) / 2)


def _normalised_laplacian(similarity: NDArray[np.floating]) -> Floats:
    graph = symmetric(similarity)
    degree = graph.sum(axis=-1)
    if (degree <= 0).any():
        raise ValueError(
            "an answer is similar to none, not even to itself: put 1 on the diagonal of similarity"
        )
    scale = 1.0 / np.sqrt(degree)
    return np.asarray(np.eye(graph.shape[-1]) - scale[..., :, None] * graph * scale[..., None, :])


def _centred_embedding(similarity: NDArray[np.floating], threshold: float) -> Floats:
    eigenvalues, vectors = np.linalg.eigh(_normalised_laplacian(similarity))
    kept = np.where(eigenvalues[..., None, :] < threshold, vectors, 0.0)
    return np.asarray(kept - kept.mean(axis=-2, keepdims=True))
