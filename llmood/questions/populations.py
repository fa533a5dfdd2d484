"""The scored samples of one benchmark as arrays: the ID population beside each OOD one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmood.records import Shift

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Population:
    """The evaluated samples of one task.

    Attributes:
        task: the task's name.
        shift: `none` for the ID task.
        rows: where its samples stand in the run's samples, int64 (n,).
        family: what the grades of one shift, of which this is one, are called together.
    """

    task: str
    shift: Shift
    severity: int | None
    rows: NDArray[np.int64]
    family: str | None = None


@dataclass(frozen=True, slots=True)
class ScoredBenchmark:
    """Everything that a question needs: who is in which population, and what each scorer said.

    Attributes:
        scores: scorer id → float64 (samples,), NaN where unscored.
        groups: each sample's group, made unique to its sample where it has none.
        parents: where the sample that each was made from stands, int64 (samples,); −1 where there is none.
    """

    name: str
    id: Population
    ood: tuple[Population, ...]
    scores: Mapping[str, Floats]
    groups: NDArray[np.str_]
    parents: NDArray[np.int64] | None = None

    def contrast(self, ood: Population, scorer: str, also: Sequence[str] = ()) -> Contrast:
        """ID beside one OOD population under one scorer; what it or one of `also` left unscored is only counted."""
        rows = np.concatenate([self.id.rows, ood.rows])
        is_ood = np.repeat([False, True], [len(self.id.rows), len(ood.rows)])
        values = self.scores[scorer][rows]
        scored = ~np.isnan([values, *(self.scores[name][rows] for name in also)]).any(axis=0)
        return Contrast(
            rows[scored], values[scored], is_ood[scored], self.groups[rows[scored]], int((~scored).sum())
        )

    def about(self, population: Population) -> dict[str, Any]:
        """What a record says of the population that it is about."""
        is_id = population.task == self.id.task
        return {
            "benchmark": self.name,
            "population": "id" if is_id else "ood",
            "id_task": self.id.task,
            "ood_task": None if is_id else population.task,
            "shift": population.shift,
            "severity": population.severity,
        }

    def pairs(self) -> Iterator[tuple[Population, str]]:
        for ood in self.ood:
            for scorer in self.scores:
                yield ood, scorer


@dataclass(frozen=True, slots=True)
class Contrast:
    """Scores of an ID and an OOD population, without the unscored ones."""

    rows: NDArray[np.int64]
    scores: Floats
    is_ood: NDArray[np.bool_]
    groups: NDArray[np.str_]
    n_unscored: int

    @property
    def n_negative(self) -> int:
        return int((~self.is_ood).sum())

    @property
    def n_positive(self) -> int:
        return int(self.is_ood.sum())
