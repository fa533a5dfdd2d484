"""Where values stand among others."""

from __future__ import annotations

import numpy as np

from llmood.measures.token_statistics import Floats


def ranks_among(values: Floats, reference: Floats) -> Floats:
    """The share of reference values below each value, those equal to it counting half.

    Args:
        values: (n,), without NaN.
        reference: (m,), ascending, without NaN, m > 0.

    Returns:
        (n,) in [0, 1]; 1 for all that is above every reference, so that these are ties.
    """
    below = np.searchsorted(reference, values, side="left")
    up_to = np.searchsorted(reference, values, side="right")
    return np.asarray((below + up_to) / (2 * len(reference)), dtype=np.float64)
