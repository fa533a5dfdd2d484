"""How unlikely a model finds it that its answer is true (Kadavath et al., 2022, arXiv 2207.05221)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmood.measures.token_statistics import Floats


def probability_false(label_logits: NDArray[np.floating]) -> Floats:
    """1 − p(True), where "True" and "False" are all that could be said.

    p(True) = e^a / (e^a + e^b) of the logits a of "True" and b of "False": whatever else the model might have said, or
    however it likes to begin, drops out.

    Args:
        label_logits: (n, 2), of "True" and of "False"; NaN where there are none.

    Returns:
        float64 (n,) in [0, 1]; higher = more uncertain.

    >>> probability_false(np.array([[0.0, 0.0], [np.log(3.0), 0.0]])).round(3).tolist()
    [0.5, 0.25]
    """
    logits = np.asarray(label_logits, dtype=np.float64).reshape(-1, 2)
    # Of the difference, by its sign: e^x of a large x overflows.
    difference = logits[:, 0] - logits[:, 1]
    shrunk = np.exp(-np.abs(difference))
    return np.asarray(np.where(difference >= 0, shrunk, 1.0) / (1.0 + shrunk), dtype=np.float64)
