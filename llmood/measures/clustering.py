"""Answers into clusters of one meaning: each joins the first opener that it is equivalent to, or opens a cluster.

An answer is in one cluster. Clusters are numbered 0, 1, … within a question, in the order of their openers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from llmood.measures.token_statistics import Integers

# (question, opener, answer), each of shape (m,), to bool (m,): the places of both answers are within their question.
AskEquivalent = Callable[[Integers, Integers, Integers], NDArray[np.bool_]]


def opener_clusters(
    sizes: NDArray[np.integer], equivalent: AskEquivalent, *, steal: bool = False
) -> Integers:
    """Greedy clustering of all questions side by side, asking only what the rule needs to know.

    In each round the first answer without a cluster becomes an opener, in every question that has one, and `equivalent`
    is asked at once about all later answers without a cluster. An answer is thus compared with openers only, in
    order, and no more once it has joined.

    Source: Kuhn et al., "Semantic Uncertainty" (ICLR 2023), algorithm 1.

    Args:
        sizes: (n,) how many answers each question has.
        equivalent: says which answers mean what their opener means.
        steal: as the code of Farquhar et al. (2024) does: an answer that has joined a cluster goes over to a later
            opener that it is equivalent to as well. For comparisons with that code; it asks more.

    Returns:
        (Σ sizes,) the cluster of each answer, question after question.
    """
    counts = np.asarray(sizes, dtype=np.int64)
    question = np.repeat(np.arange(len(counts)), counts)
    starts = np.cumsum(counts) - counts
    place = np.arange(len(question)) - starts[question]
    clusters = np.full(len(question), -1, dtype=np.int64)
    number = 0
    while (free := np.flatnonzero(clusters < 0)).size:
        with_one, first = np.unique(question[free], return_index=True)
        openers = free[first]
        clusters[openers] = number
        opener_of = np.full(len(counts), -1, dtype=np.int64)
        opener_of[with_one] = place[openers]
        asked = (opener_of[question] >= 0) & (place > opener_of[question])
        if not steal:
            asked &= clusters < 0
        rows = np.flatnonzero(asked)
        if rows.size:
            joins = np.asarray(equivalent(question[rows], opener_of[question[rows]], place[rows]), dtype=bool)
            clusters[rows[joins]] = number
        number += 1
    return clusters


def verdict_clusters(verdicts: NDArray[np.bool_], *, steal: bool = False) -> Integers:
    """The clusters of one question's answers from a complete verdict matrix.

    Args:
        verdicts: (K, K) bool, whether the answer of the column means what that of the row means. Only openers' rows
            are read, and of those what lies right of the diagonal.
        steal: as of `opener_clusters`.

    Raises:
        ValueError: the matrix isn't square.
    """
    matrix = np.asarray(verdicts, dtype=bool)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"verdicts must have shape (K, K), not {matrix.shape}")
    return opener_clusters(
        np.array([len(matrix)]), lambda _, opener, answer: matrix[opener, answer], steal=steal
    )
