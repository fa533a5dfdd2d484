"""How far raters disagree on one item."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llmood.measures.token_statistics import Floats


def vote_entropy(votes: Sequence[Sequence[int]]) -> Floats:
    """−Σ_a p_a log₂ p_a of each item's votes, in bits, (n,): 0 where all agree, 1 where two answers share them.

    >>> vote_entropy([[5, 0], [2, 2], [1, 1, 1, 1]]).tolist()
    [0.0, 1.0, 2.0]

    Raises:
        ValueError: a count below 0, or an item without votes.
    """
    return np.array([_entropy(shares) for shares in map(_shares, votes)], dtype=np.float64)


def majority_share(votes: Sequence[Sequence[int]]) -> Floats:
    """max_a p_a of each item's votes, (n,): 1 where all agree.

    >>> majority_share([[4, 1], [5]]).tolist()
    [0.8, 1.0]

    Raises:
        ValueError: as `vote_entropy`.
    """
    return np.array([shares.max() for shares in map(_shares, votes)], dtype=np.float64)


def _shares(votes: Sequence[int]) -> Floats:
    counts = np.asarray(votes, dtype=np.float64)
    if counts.ndim != 1 or (counts < 0).any() or not counts.any():
        raise ValueError(f"votes are counts, of one answer or more, not {list(votes)}")
    return np.asarray(counts / counts.sum())


def _entropy(shares: Floats) -> float:
    known = shares[shares > 0]
    # Without −0.
    return max(0.0, float(-(known * np.log2(known)).sum()))
