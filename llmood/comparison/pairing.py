"""The samples of two runs side by side, joined by sample id: task, split and content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmood.comparison.sides import ComparedRun
from llmood.errors import ConfigError
from llmood.questions.populations import Population, ScoredBenchmark


@dataclass(frozen=True)
class Joined:
    """One task of two runs.

    Attributes:
        a, b: the rows of the samples that both evaluated, the same sample at the same place.
        only_a, only_b: how many samples only one of them evaluated.
    """

    task: str
    a: NDArray[np.int64]
    b: NDArray[np.int64]
    only_a: int
    only_b: int

    @property
    def share(self) -> float:
        """The common samples as a share of the larger side."""
        larger = len(self.a) + max(self.only_a, self.only_b)
        return len(self.a) / larger if larger else 0.0


@dataclass(frozen=True)
class Pairing:
    """Two runs, joined: the ID task, then every OOD set that both have with samples in common."""

    a: ComparedRun
    b: ComparedRun
    id: Joined
    ood: tuple[Joined, ...]
    without_common: tuple[str, ...]

    def scored(self, scorer_a: str, scorer_b: str) -> ScoredBenchmark:
        """The common samples with the scores `a` and `b`."""
        tasks = (self.id, *self.ood)
        rows_a = np.concatenate([task.a for task in tasks])
        rows_b = np.concatenate([task.b for task in tasks])
        ends = np.cumsum([len(task.a) for task in tasks])
        places = [np.arange(end - len(task.a), end) for end, task in zip(ends, tasks, strict=True)]
        entries = self.a.ood_tasks
        return ScoredBenchmark(
            str(self.a.files.manifest["benchmark"]["name"]),
            Population(self.id.task, "none", None, places[0]),
            tuple(
                Population(task.task, entries[task.task]["shift"], entries[task.task]["severity"], place)
                for task, place in zip(self.ood, places[1:], strict=True)
            ),
            {"a": self.a.files.scores[scorer_a][rows_a], "b": self.b.files.scores[scorer_b][rows_b]},
            self.a.groups[rows_a],
        )


def pair(a: ComparedRun, b: ComparedRun) -> Pairing:
    """Join two runs.

    Raises:
        ConfigError: they have no ID task, no OOD set or no samples in common.
    """
    both = f"{a.folder} and {b.folder}"
    if a.id_task != b.id_task:
        raise ConfigError(
            f"{both} can't be compared: their ID tasks are '{a.id_task}' and '{b.id_task}'",
            hint="compare runs of one ID task",
        )
    common = [name for name in a.ood_tasks if name in b.ood_tasks]
    if not common:
        raise ConfigError(
            f"{both} can't be compared: they have no OOD set in common",
            hint=f"{_listed(a)}; {_listed(b)}",
        )
    id_joined = _join(a, b, a.id_task)
    ood = [_join(a, b, name) for name in common]
    if not len(id_joined.a) or not any(len(joined.a) for joined in ood):
        where = "ID" if not len(id_joined.a) else "OOD"
        raise ConfigError(
            f"{both} can't be compared: they have no {where} sample in common",
            hint="same task names, other content: other data, another prompt, or a limit under another seed",
        )
    kept = tuple(joined for joined in ood if len(joined.a))
    return Pairing(a, b, id_joined, kept, tuple(joined.task for joined in ood if not len(joined.a)))


def _join(a: ComparedRun, b: ComparedRun, task: str) -> Joined:
    places_a: Mapping[str, int] = a.places.get(task, {})
    places_b: Mapping[str, int] = b.places.get(task, {})
    # The order of ids, as in the runs' own numbers: the draws are the same whichever run stands first.
    common = sorted(places_a.keys() & places_b.keys())
    return Joined(
        task,
        np.array([places_a[name] for name in common], dtype=np.int64),
        np.array([places_b[name] for name in common], dtype=np.int64),
        len(places_a) - len(common),
        len(places_b) - len(common),
    )


def _listed(run: ComparedRun) -> str:
    return f"{run.folder} has {', '.join(run.ood_tasks) or 'none'}"
