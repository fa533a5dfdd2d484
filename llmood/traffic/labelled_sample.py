"""At most so many labelled scores of a stream, for metrics that look at all of them at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from llmood.measures.reservoir import Reservoir
from llmood.measures.token_statistics import Floats

MOST_ROWS = 20_000


class LabelledSample:
    """Scores and their labels, a fair sample of all that were seen.

    Args:
        seed: of the draws.
    """

    def __init__(self, seed: int) -> None:
        self._kept = Reservoir(MOST_ROWS, seed)

    @property
    def seen(self) -> int:
        return self._kept.seen

    @property
    def rows(self) -> tuple[Floats, NDArray[np.bool_]]:
        """Scores and labels, (≤ MOST_ROWS,)."""
        kept = self._kept.rows.reshape(-1, 2)
        return kept[:, 0], kept[:, 1] == 1.0

    def update(self, scores: Sequence[float], labels: Sequence[bool]) -> None:
        """See a chunk."""
        if len(scores):
            self._kept.update(np.column_stack([scores, labels]))
