"""Scorers that can say which train samples are nearest to a sample."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from llmood.engines.observations import Block
from llmood.measures.nearest import Neighbours

NOBODY = -1


@runtime_checkable
class HasNeighbours(Protocol):
    """A scorer with a bank of train samples, to whose nearest it measures.

    Attributes:
        bank_ids_: the sample ids of its bank, in its order; learned in `fit`.
    """

    bank_ids_: list[str]

    def neighbours(self, block: Block, k: int) -> Neighbours:
        """The k nearest of its bank, nearest first: places in `bank_ids_` and distances as its score measures them.

        Of a row that has no score, or where the bank is smaller than k, −1 and NaN.
        """


def placed(found: Neighbours | None, rows: NDArray[np.intp], total: int, k: int) -> Neighbours:
    """Neighbours of some rows of a block as those of all its rows: −1 and NaN where there are none.

    Args:
        found: of `rows`, k of each or fewer; None where there are no rows.
        total: how many rows the block has.
    """
    whole = Neighbours(np.full((total, k), np.nan), np.full((total, k), NOBODY, np.int64))
    if found is not None:
        width = found.indices.shape[1]
        whole.distances[rows, :width] = found.distances
        whole.indices[rows, :width] = found.indices
    return whole
