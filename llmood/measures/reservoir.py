"""A fair sample of a stream whose end isn't known."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from llmood.measures.token_statistics import Floats


class Reservoir:
    """At most `size` rows of all that were seen, each set of them as likely as any other.

    Every row draws a number, and the smallest `size` of them stay: how the stream is cut into chunks changes nothing.
    (The bottom-k sample; reservoir sampling is from Vitter, "Random Sampling with a Reservoir", 1985.)

    Args:
        size: how many rows are kept.
        seed: of the draws.
    """

    def __init__(self, size: int, seed: int) -> None:
        if size < 1:
            raise ValueError("a sample of a stream holds at least one row")
        self.size, self.seed = size, seed
        self.seen = 0
        self._keys = np.empty(0, dtype=np.float64)
        self._rows: Floats = np.empty(0, dtype=np.float64)
        self._bits = np.random.PCG64(seed)

    @property
    def rows(self) -> Floats:
        """The kept rows, (≤ size,) or (≤ size, d), in the order of their draws."""
        return self._rows

    def update(self, rows: ArrayLike) -> None:
        """See a chunk, (m,) or (m, d)."""
        values = np.asarray(rows, dtype=np.float64)
        keys = np.random.Generator(self._bits).random(len(values))
        self.seen += len(values)
        joined = np.concatenate([self._rows, values]) if len(self._keys) else values
        keys = np.concatenate([self._keys, keys])
        kept = np.argsort(keys, kind="stable")[: self.size]
        self._keys, self._rows = keys[kept], joined[kept]
