"""Have the scores of traffic moved since calibration? Four answers, in flat memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import log
from typing import Any

import numpy as np

from llmood.measures.drift_martingale import DriftMartingale
from llmood.measures.mmd import MOST_ROWS, PERMUTATIONS, mmd
from llmood.measures.reservoir import Reservoir
from llmood.measures.score_drift import ScoreDrift
from llmood.measures.token_statistics import Floats
from llmood.seeds import derive_seed
from llmood.traffic.summary import entry

KS, KS_P = "drift_ks", "drift_ks_p"
MMD, MMD_P = "drift_mmd", "drift_mmd_p"
PSI, MARTINGALE_P = "drift_psi", "drift_martingale_p"
NONE, FEW = "no row has a score", "fewer than two scores"


class Drift:
    """Kolmogorov–Smirnov, MMD, population stability, and a martingale that may be looked at after every row.

    Args:
        calibration: (n,) scores of the calibration rows.
        seed: of the martingale's bets on ties, MMD's sample and its permutations.
    """

    def __init__(self, calibration: Floats, seed: int) -> None:
        self._calibration, self._seed = calibration, seed
        self._counts = ScoreDrift(calibration)
        self._martingale = DriftMartingale(calibration, derive_seed(seed, "traffic", "martingale"))
        self._sample = Reservoir(MOST_ROWS, derive_seed(seed, "traffic", "sample"))

    def update(self, rows: Sequence[Mapping[str, Any]]) -> None:
        scores = np.array([row["score"] for row in rows if row["score"] is not None], dtype=np.float64)
        self._counts.update(scores)
        self._martingale.update(scores)
        self._sample.update(scores)

    def records(self) -> Iterator[dict[str, Any]]:
        n = self._counts.n
        against = {"calibration_rows": len(self._calibration)}
        if not n:
            for metric in (KS, KS_P, MMD, MMD_P, PSI, MARTINGALE_P):
                yield entry(metric, 0, None, NONE, params=against)
            return
        moved = self._counts.kolmogorov_smirnov()
        yield entry(KS, n, moved.statistic, params=against, higher_is_better=False)
        yield entry(KS_P, n, moved.p_value, params=against)
        yield from self._mmd(against)
        stability = self._counts.stability()
        about = {**against, "bins": stability.bins, "expected": stability.expected}
        yield entry(PSI, n, stability.value, params=about, higher_is_better=False)
        capital = {
            "log10_capital": self._martingale.log_capital / log(10),
            "log10_highest": self._martingale.highest / log(10),
        }
        yield entry(MARTINGALE_P, n, self._martingale.evidence(), params={**against, **capital})

    def _mmd(self, against: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        rows = self._sample.rows
        if min(len(rows), len(self._calibration)) < 2:
            yield entry(MMD, len(rows), None, FEW, params=against)
            yield entry(MMD_P, len(rows), None, FEW, params=against)
            return
        generator = np.random.Generator(np.random.PCG64(derive_seed(self._seed, "traffic", "mmd")))
        found = mmd(self._calibration, rows, generator)
        about = {**against, "permutations": PERMUTATIONS, "sample_of": self._sample.seen}
        yield entry(MMD, len(rows), found.statistic, params=about, higher_is_better=False)
        yield entry(MMD_P, len(rows), found.p_value, params=about)
