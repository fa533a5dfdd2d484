"""What a check sees, and how one is registered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from llmood.engines.observations import Observations
from llmood.questions.ood_detection import QUESTION as DETECTION
from llmood.questions.populations import ScoredBenchmark
from llmood.records import Check
from llmood.registry import Registry
from llmood.scorers.base import Scorer
from llmood.scoring import ScorerColumn


@dataclass(frozen=True)
class CheckInput:
    """Everything that a run knows when its metrics are made.

    Attributes:
        scored: populations and scores as arrays.
        columns: the same scores with status and reasons.
        records: the records of `metrics.json`.
        tasks: each task's entry in `run.json`, a background's behind them.
        models: each role's entry in `run.json`.
        observations: for the checks that look at tokens.
        canary: what `engines.canary.examine` found; None where nothing was examined.
        canary_asked: whether the configuration asks for it (`engine.canary`).
        scorers: by name, as they were fitted.
        judged: which answers are right, of all splits (`tables.CORRECTNESS`); None where nothing was judged.
        learned: the rows of every split, with which answers are right; `observations` are of what is measured.
        compared: of each comparison of answers, what it took (`judging.equivalence.count.Count`).
    """

    scored: ScoredBenchmark
    columns: Sequence[ScorerColumn]
    records: Sequence[Mapping[str, Any]]
    tasks: Sequence[Mapping[str, Any]]
    models: Mapping[str, Mapping[str, Any]]
    observations: Observations
    canary: Mapping[str, Any] | None = None
    canary_asked: bool = True
    compared: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    scorers: Mapping[str, Scorer] = field(default_factory=dict)
    judged: pa.Table | None = None
    learned: Observations | None = None

    def record(self, scorer: str, ood_task: str, metric: str = "auroc") -> Mapping[str, Any] | None:
        """One metric's record of OOD detection, where there is one with a value."""
        for record in self.records:
            own = (record["question"], record["metric"], record["scorer"], record["ood_task"])
            if own == (DETECTION, metric, scorer, ood_task) and record["slice"] is None:
                return None if record["value"] is None else record
        return None

    def rows(self, task: str) -> NDArray[np.int64]:
        """Where a task's samples stand."""
        populations = (self.scored.id, *self.scored.ood)
        return next(population.rows for population in populations if population.task == task)


CheckFunction = Callable[[CheckInput], Iterable[Check]]
checks: Registry[CheckFunction] = Registry("check", "llmood.checks", "llmood.checks")


def run_checks(given: CheckInput) -> list[Check]:
    """Every registered check, the gravest first."""
    found = [check for _, function in checks for check in function(given)]
    gravity = {"error": 0, "warning": 1, "info": 2}
    return sorted(found, key=lambda check: gravity[check.severity])
