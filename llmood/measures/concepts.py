"""How well a set of concepts explains a detector: what they keep of its decisions, and how far apart they put them.

Source: Choi et al., "Concept-based Explanations for Out-of-Distribution Detectors" (ICML 2023). A concept here is a
direction of the states: a principal one, a probe's, a sparse autoencoder's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmood.measures.covariance import StateStatistics
from llmood.measures.mahalanobis import mahalanobis, shared_gaussians
from llmood.measures.states import check_states, unit_rows
from llmood.measures.subspace import Subspace
from llmood.measures.token_statistics import Floats


def concept_scores(states: NDArray[np.floating], concepts: NDArray[np.floating]) -> Floats:
    """Of each concept the cosine to the position where it is largest in size, with its sign, (m,).

    Args:
        states: (T, d) of one sample at its positions; (1, d) for one.
        concepts: (m, d).
    """
    directions = unit_rows(concepts, "concepts")
    cosines = unit_rows(check_states(states, width=directions.shape[1])) @ directions.T
    if not len(cosines):
        raise ValueError("states have no position: leave the sample out")
    return np.asarray(np.clip(cosines[np.abs(cosines).argmax(axis=0), np.arange(len(directions))], -1.0, 1.0))


def decoded_states(states: NDArray[np.floating], space: Subspace, concepts: int | None = None) -> Floats:
    """O + Σ_j ⟨x − o, p_j⟩ p_j: each state made again of its first concepts alone, (n, d).

    Args:
        states: (n, d).
        space: the concepts, orthonormal directions p_j around an origin o.
        concepts: how many of them; by default all.
    """
    directions = space.directions[:, :concepts]
    centred = check_states(states, width=len(space.origin)) - space.origin
    return np.asarray(space.origin + (centred @ directions) @ directions.T)


def detection_completeness(auroc_from_concepts: float, auroc: float) -> float:
    """(A′ − ½) / (A − ½): the share of the detector's AUROC above chance that states made of the concepts keep.

    1 for concepts that keep everything, about 0 for random ones; NaN where the detector isn't above chance itself.
    """
    return _above_chance(auroc_from_concepts, auroc, 0.5)


def classification_completeness(accuracy_from_concepts: float, accuracy: float, classes: int) -> float:
    """(a′ − 1/C) / (a − 1/C), of a classifier's accuracy; NaN where that isn't above chance."""
    return _above_chance(accuracy_from_concepts, accuracy, 1.0 / classes)


def concept_separability(
    scores: NDArray[np.floating], detected: NDArray[np.bool_], *, shrink: bool = False
) -> float:
    """J = (m_in − m_out)ᵀ S⁻¹ (m_in − m_out) of the concept scores of detected ID and detected OOD.

    S is the scatter within both groups divided by n: the published sum would make J fall with the number of samples.

    Args:
        scores: (n, m).
        detected: (n,) True where the detector says OOD.
        shrink: Ledoit–Wolf, where concepts are many.

    Raises:
        ValueError: one group only, or a singular scatter.
    """
    rows, flags = check_states(scores, "scores"), np.asarray(detected)
    if flags.dtype != np.bool_ or flags.shape != (len(rows),):
        raise ValueError(f"detected must be {len(rows)} booleans, not {flags.dtype} of shape {flags.shape}")
    if flags.all() or not flags.any():
        raise ValueError("the detector puts all samples on one side: there are no two groups to tell apart")
    found = StateStatistics()
    found.add(rows, flags.astype(int).tolist())
    inside, outside = found.class_means()
    covariance = found.within_covariance(shrink=shrink).matrix
    return float(mahalanobis(outside[None], shared_gaussians(inside[None], covariance))[0])


def _above_chance(kept: float, whole: float, chance: float) -> float:
    return (kept - chance) / (whole - chance) if whole > chance else float("nan")
