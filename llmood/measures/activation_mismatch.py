"""Have a batch's activations other means and variances than those at home? A number for the whole batch.

Source: Mirza et al., "ActMAD: Activation Matching to Align Distributions for Test-Time-Training" (CVPR 2023),
whose loss this is, as a measure of shift.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from llmood.measures.token_statistics import Floats


class ActivationStatistics:
    """The mean and the variance of each dimension of one layer, gathered chunk by chunk: memory is flat.

    Attributes:
        n: how many rows were seen.
        mean: (d,).
    """

    def __init__(self) -> None:
        self.n = 0
        self.mean: Floats = np.empty(0, dtype=np.float64)
        self._scatter: Floats = np.empty(0, dtype=np.float64)

    def update(self, states: ArrayLike) -> None:
        """See rows (m, d), without NaN."""
        rows = np.asarray(states, dtype=np.float64)
        if rows.ndim != 2 or not np.isfinite(rows).all():
            raise ValueError(
                "states must have shape (n, d), and be finite: leave out the rows that have none"
            )
        if not len(rows):
            return
        if not self.n:
            self.mean, self._scatter = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
        mean = rows.mean(axis=0)
        moved, count = mean - self.mean, self.n + len(rows)
        # About the mean, which raw sums of squares far from the origin would lose.
        self._scatter = (
            self._scatter + ((rows - mean) ** 2).sum(axis=0) + moved**2 * (self.n * len(rows) / count)
        )
        self.mean = self.mean + moved * (len(rows) / count)
        self.n = count

    @property
    def variance(self) -> Floats:
        """Of each dimension, (d,): Σ (x − mean)² / n."""
        return np.asarray(self._scatter / self.n)


def activation_mismatch(
    reference: Sequence[ActivationStatistics], other: Sequence[ActivationStatistics]
) -> float:
    """Σ over layers of mean_d |mean − mean'| + mean_d |variance − variance'|. 0 where nothing differs.

    The mean over dimensions, as PyTorch's L1 loss has it: a wider layer weighs no more. It is in the activations' own
    units, and larger for smaller batches: compare it with what two parts of the reference give.

    Raises:
        ValueError: other layers, or one without rows.
    """
    total = 0.0
    for ours, theirs in zip(reference, other, strict=True):
        if not ours.n or not theirs.n or ours.mean.shape != theirs.mean.shape:
            raise ValueError("each layer needs rows of both, of the same size")
        total += float(
            np.abs(ours.mean - theirs.mean).mean() + np.abs(ours.variance - theirs.variance).mean()
        )
    return total


def statistics_of(states: ArrayLike) -> ActivationStatistics:
    """Of one array (n, d)."""
    found = ActivationStatistics()
    found.update(states)
    return found
