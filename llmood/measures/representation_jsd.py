"""How far apart two sets of vectors lie: the Jensen–Shannon divergence of their covariances' spectra.

Source: Hoyos-Osorio & Sanchez-Giraldo, "The Representation Jensen-Shannon Divergence" (2023).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmood.measures.states import check_states
from llmood.measures.token_statistics import Floats

ROUNDING = 1e-10
"""A divergence up to this is what rounding leaves of none; its fourth root would be 0.003."""


def representation_jsd(left: NDArray[np.floating], right: NDArray[np.floating]) -> float:
    """H(½ C_P + ½ C_Q) − ½ H(C_P) − ½ H(C_Q), C = ZᵀZ / tr ZᵀZ, in [0, log 2].

    0 where both sets fill the same directions alike, log 2 where every row of one is orthogonal to all of the other.
    Each C has trace 1 before they are mixed: without that the larger set outweighs the other one. Nothing is centred,
    and z counts as −z does. Rows far fewer than dimensions fill only some of them, so that two samples of one
    population are apart, too: compare it with what two halves of one give, of as many rows.

    Args:
        left: (n, d), of rows of one length: a longer row weighs more.
        right: (m, d).

    Raises:
        ValueError: NaN, other widths, or a set without any row that isn't all zeros.
    """
    one = _scaled(check_states(left, "left"), "left")
    other = _scaled(check_states(right, "right", width=one.shape[1]), "right")
    mixed = np.concatenate([one, other]) / np.sqrt(2.0)
    found = _entropy(mixed) - (_entropy(one) + _entropy(other)) / 2.0
    return 0.0 if found <= ROUNDING else min(found, float(np.log(2.0)))


def _scaled(rows: Floats, name: str) -> Floats:
    """Rows with ‖Z‖ = 1, and so tr ZᵀZ = 1."""
    largest = float(np.abs(rows).max(initial=0.0))
    if largest == 0.0:
        raise ValueError(f"{name}: no row has a direction; there is nothing to compare")
    scaled = rows / largest
    return np.asarray(scaled / np.sqrt((scaled**2).sum()))


def _entropy(rows: Floats) -> float:
    """−Σ λ log λ over the eigenvalues of ZᵀZ, which are those of ZZᵀ: the smaller one is taken."""
    gram = rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows
    eigenvalues = np.linalg.eigvalsh(gram)
    positive = eigenvalues[eigenvalues > len(gram) * np.finfo(np.float64).eps * eigenvalues[-1]]
    shares = positive / positive.sum()
    return float(-(shares * np.log(shares)).sum())
