"""How long a bootstrap interval of AUROC takes, against one resample after another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.context import Context
from benchmarks.record import Record
from benchmarks.timing import alternate
from llmood.metrics import bootstrap_interval


@dataclass(frozen=True)
class Bootstrap:
    """1,000 draws at n = 10,000; the peer draws and calls scikit-learn as often."""

    name: str = "bootstrap"
    samples: int = 10_000
    draws: int = 1000
    peer_draws: int = 50

    def measure(self, context: Context) -> list[Record]:
        generator = np.random.default_rng(0)
        half = self.samples // 2
        scores = np.concatenate([generator.normal(0, 1, half), generator.normal(1, 1, half)])
        is_ood = np.repeat([False, True], half)

        def vectorised() -> tuple[float, float]:
            found = bootstrap_interval("auroc", scores, is_ood, draws=self.draws)
            return found.low, found.high

        best = alternate(
            {"ours": vectorised, "theirs": lambda: resampled(scores, is_ood, self.peer_draws)},
            context.repeats,
        )
        a_draw, theirs = best["ours"].seconds / self.draws, best["theirs"].seconds / self.peer_draws
        return [
            Record(
                self.name,
                best["ours"].seconds,
                "s",
                f"one resample after another: {theirs * self.draws:.2f} s",
                theirs / a_draw,
                None,
                context.command,
            )
        ]


def resampled(scores: NDArray[np.float64], is_ood: NDArray[np.bool_], draws: int) -> tuple[float, float]:
    """The interval by the book."""
    from sklearn.metrics import roc_auc_score

    generator = np.random.default_rng(0)
    inside, outside = scores[~is_ood], scores[is_ood]
    found = []
    for _ in range(draws):
        drawn = np.concatenate(
            [generator.choice(inside, len(inside)), generator.choice(outside, len(outside))]
        )
        found.append(roc_auc_score(is_ood, drawn))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)
