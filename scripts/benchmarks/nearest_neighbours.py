"""How long exact nearest neighbours take, against the limit of what a user waits for and scikit-learn's brute force."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.context import Context
from benchmarks.record import Record
from benchmarks.timing import alternate
from llmood.measures.nearest import knn_distance


@dataclass(frozen=True)
class NearestNeighbours:
    """The 10th neighbour by angle of 10,000 queries in 100,000 rows of 384 dimensions; the peer is asked for a part."""

    name: str = "nearest_neighbours"
    queries: int = 10_000
    bank: int = 100_000
    width: int = 384
    k: int = 10
    peer_queries: int = 1000
    limit: float = 20.0  # seconds, on two cores

    def measure(self, context: Context) -> list[Record]:
        generator = np.random.default_rng(0)
        bank = generator.standard_normal((self.bank, self.width), np.float32)
        queries = generator.standard_normal((self.queries, self.width), np.float32)
        part = queries[: self.peer_queries]
        best = alternate(
            {
                "ours": lambda: knn_distance(queries, bank, self.k),
                "theirs": lambda: brute_force(part, bank, self.k),
            },
            min(context.repeats, 2),
        )
        ours = best["ours"].seconds
        theirs = best["theirs"].seconds * self.queries / self.peer_queries
        np.testing.assert_allclose(best["ours"].result[: len(part)], best["theirs"].result, atol=1e-5)
        return [
            Record(
                self.name,
                ours,
                "s",
                f"at most {self.limit:.0f} s; scikit-learn's brute force: {theirs:.1f} s",
                self.limit / ours,
                1.0,
                context.command,
            )
        ]


def brute_force(queries: NDArray[np.float32], bank: NDArray[np.float32], k: int) -> NDArray[np.floating]:
    """The same by scikit-learn, in float32."""
    from sklearn.neighbors import NearestNeighbors

    finder = NearestNeighbors(n_neighbors=k, algorithm="brute", metric="cosine").fit(bank)
    return np.asarray(finder.kneighbors(queries)[0][:, -1])
