"""Scorers whose score is a sum over tokens, and can say what each token adds."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from llmood.engines.observations import Block
from llmood.measures.token_statistics import Floats, Integers


class ByToken(NamedTuple):
    """What each token of some rows adds to its row's score; row i is `values[offsets[i]:offsets[i + 1]]`.

    Attributes:
        values: flat; NaN of a token that doesn't count.
        ids: of the tokens, flat.
        offsets: shape (n + 1,).
    """

    values: Floats
    ids: Integers
    offsets: Integers

    def largest(self, row: int, count: int) -> NDArray[np.int64]:
        """Where the tokens of a row stand that add or take most, by size, in the order of the text."""
        own = self.values[self.offsets[row] : self.offsets[row + 1]]
        finite = np.flatnonzero(np.isfinite(own))
        order = np.argsort(-np.abs(own[finite]), kind="stable")[:count]
        return np.sort(finite[order])


@runtime_checkable
class HasTokens(Protocol):
    """A scorer that adds up what tokens say."""

    def by_token(self, block: Block) -> ByToken:
        """What each token adds to its row's score, higher = more OOD; no tokens of rows whose tokens aren't known.

        Args:
            block: with all columns of the scorer's captures.
        """
