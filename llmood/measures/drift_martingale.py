"""A test of drift that may be looked at after every row: a conformal test martingale.

Each row gets the p-value of its score among the calibration rows *and all rows before it*. Where rows are exchangeable
these are independent and uniform, whatever the scores' distribution. Bets against that make a capital that starts at 1:
it is a martingale, so that the chance that it ever reaches 1/δ is at most δ (Ville), however often one looks.
p-values among the calibration rows alone are no such thing: they depend on each other through those rows, and a
capital made of them grows without any drift.

Bets are those of the Simple Jumper, 1 + ε(p − ½), moving between values of ε. Capital enters the game bit by bit,
1/(t(t + 1)) at row t: what was lost before a change late in the stream is then lost by little of it.

Sources: Vovk, Gammerman & Shafer, "Algorithmic Learning in a Random World" (2005, 2022); Vovk et al., "Retrain or Not
Retrain: Conformal Test Martingales for Change-Point Detection" (2021), for the Simple Jumper; Shin, Ramdas & Rinaldo,
"E-detectors" (2022), for martingales that start at every row. The bins, and how capital enters, are ours.
"""

from __future__ import annotations

from math import exp, log

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llmood.measures.split_conformal import checked
from llmood.measures.token_statistics import Floats

EDGES = 1_000  # at most so many bins, so that memory is flat
OF_EDGES = 4  # every so many-th calibration row makes them
AT_ONCE = 256
SLOPES = (-1.0, -0.5, 0.0, 0.5, 1.0)
JUMP = 0.001


class DriftMartingale:
    """The capital after each row of a stream.

    Scores are put into bins, so that memory doesn't grow with the stream. A quarter of the calibration rows makes the
    bins and is then left out: bins made of rows that are also ranked would not treat these and new rows alike. Within a
    bin, as among tied scores, the p-value's place is drawn.

    Args:
        calibration: (n,), higher = more OOD, without NaN.
        seed: of all draws; the same stream and seed give the same capital.

    Attributes:
        rows: how many were seen.
        log_capital: the logarithm of the capital now.
        highest: of `log_capital` so far.
    """

    def __init__(self, calibration: ArrayLike, seed: int) -> None:
        known = checked(calibration)
        order = np.random.Generator(np.random.PCG64([seed, 1])).permutation(len(known))
        of_edges = known[order[: min(len(known) // OF_EDGES, EDGES)]]
        self.edges = np.unique(of_edges)
        self.counts = self._binned(known[order[len(of_edges) :]])
        self.rows, self.log_capital, self.highest = 0, 0.0, 0.0
        self._active = [0.0] * len(SLOPES)  # in units of exp(_scale)
        self._scale = 0.0
        self._bits = np.random.PCG64([seed, 2])

    def update(self, scores: ArrayLike) -> Floats:
        """The logarithm of the capital after each row of a chunk, (m,), in the order of the stream."""
        capital = [self._bet(p) for p in self.p_values(scores).tolist()]
        return np.array(capital, dtype=np.float64)

    def p_values(self, scores: ArrayLike) -> Floats:
        """(#{larger} + τ #{equal, itself too}) / (n + 1) among all that came before, (m,); each row is counted."""
        bins = np.searchsorted(self.edges, checked(scores), side="left")
        places = np.random.Generator(self._bits).random(len(bins))
        found = np.empty(len(bins), dtype=np.float64)
        for start in range(0, len(bins), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            found[part] = self._ranked(bins[part], places[part])
        return found

    def evidence(self) -> float:
        """A p-value that holds whenever one looks: 1 / the highest capital so far."""
        return exp(-self.highest)

    def _binned(self, values: Floats) -> NDArray[np.int64]:
        return np.bincount(np.searchsorted(self.edges, values, side="left"), minlength=len(self.edges) + 1)

    def _ranked(self, bins: NDArray[np.int64], places: Floats) -> Floats:
        above = self.counts.sum() - np.cumsum(self.counts)
        earlier = np.tri(len(bins), k=-1, dtype=np.bool_)
        larger = above[bins] + ((bins[None, :] > bins[:, None]) & earlier).sum(axis=1)
        equal = self.counts[bins] + ((bins[None, :] == bins[:, None]) & earlier).sum(axis=1) + 1
        before = self.counts.sum() + np.arange(len(bins))
        self.counts += np.bincount(bins, minlength=len(self.counts))
        return np.asarray((larger + places * equal) / (before + 1), dtype=np.float64)

    def _bet(self, p: float) -> float:
        self.rows += 1
        entering = exp(-self._scale) / (self.rows * (self.rows + 1)) / len(SLOPES)
        jumping = JUMP * sum(self._active) / len(SLOPES) + entering
        odds = p - 0.5
        self._active = [
            ((1 - JUMP) * held + jumping) * (1.0 + slope * odds)
            for held, slope in zip(self._active, SLOPES, strict=True)
        ]
        total = sum(self._active)
        if not 1e-100 < total < 1e100:  # it grows and shrinks exponentially
            self._active = [held / total for held in self._active]
            self._scale += log(total)
            total = 1.0
        # What has not entered yet is 1/(t + 1).
        self.log_capital = float(np.logaddexp(log(total) + self._scale, -log(self.rows + 1)))
        self.highest = max(self.highest, self.log_capital)
        return self.log_capital
