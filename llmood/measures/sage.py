"""SAGE's ensemble: scores on any scale, joined as p-values against held-out ID scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from llmood.measures.token_statistics import Floats

ROUNDING = 1e-9
"""Scores that differ by no more of themselves are the same."""


def rank_p_values(scores: NDArray[np.floating], reference: NDArray[np.floating]) -> Floats:
    """(r + 1) / (n + 1) with r the reference scores at least as high, (m,): from 1 / (n + 1) to 1.

    Uniform on that grid for a new ID score that doesn't tie. Never 0, as the source's rank / n may be, which would
    let one score decide alone.

    Args:
        scores: (m,), higher = more OOD; infinities have a rank.
        reference: (n,) of ID samples that the score was not fitted on.

    Raises:
        ValueError: NaN, or no reference.
    """
    values, known = _checked(scores, "scores"), np.sort(_checked(reference, "reference"))
    if not len(known):
        raise ValueError("reference holds no scores: there is nothing to rank against")
    # The same text is as far twice, but for the rounding of its company: a tie that it must not decide.
    with np.errstate(invalid="ignore"):
        least = np.where(np.isfinite(values), values - ROUNDING * np.abs(values), values)
    higher = len(known) - np.searchsorted(known, least, side="left")
    return np.asarray((higher + 1) / (len(known) + 1), dtype=np.float64)


def sage(scores: Sequence[NDArray[np.floating]], references: Sequence[NDArray[np.floating]]) -> Floats:
    """−mean log p over several scores, (m,): minus the logarithm of the p-values' geometric mean. Higher = more OOD.

    From 0 to log(n + 1).

    Source: the published code of SAGE, which joins neighbour distance, reconstruction error and −log max softmax, and
    is low for OOD.

    Args:
        scores: one array (m,) for each score, all higher = more OOD.
        references: one array for each score, of ID samples.
    """
    if not scores or len(scores) != len(references):
        raise ValueError(
            f"each score needs one reference: there are {len(scores)} scores and {len(references)} references"
        )
    p_values = [rank_p_values(one, known) for one, known in zip(scores, references, strict=True)]
    return np.asarray(-np.log(p_values).mean(axis=0))


def _checked(values: NDArray[np.floating], name: str) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or np.isnan(array).any():
        raise ValueError(f"{name} must have shape (n,) without NaN: leave the unscored samples out")
    return array
