"""How far the draws are from saying one thing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmood.measures.segments import flat_rows, label_groups, row_maxima
from llmood.measures.token_statistics import Floats, Integers


def self_inconsistency(clusters: Integers, offsets: NDArray[np.integer]) -> Floats:
    """1 − the share of draws in the largest cluster, (n,); 0 where all agree, at most 1 − 1/K; NaN without draws.

    Source: the consistency of Xiong et al., "Can LLMs Express Their Uncertainty?" (ICLR 2024), after Wang et al.,
    "Self-Consistency Improves Chain of Thought Reasoning" (ICLR 2023).

    Args:
        clusters: (m,) the cluster of each draw, numbered within its question.
        offsets: (n + 1,) which draws are a question's.
    """
    labels, question = flat_rows(clusters, offsets)
    groups = label_groups(question, labels)
    bounds = np.searchsorted(groups.row, np.arange(len(offsets)))
    with np.errstate(invalid="ignore"):
        share = row_maxima(np.bincount(groups.of_entry), bounds) / np.diff(offsets)
    return np.asarray(1.0 - share, dtype=np.float64)
