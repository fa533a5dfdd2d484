"""The states that a run has captured, by population: statistics of all rows, and some rows whole, in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmood.engines.base import EMBEDDING
from llmood.engines.observations import Block, Observations
from llmood.engines.states import HIDDEN_STATES
from llmood.measures.activation_mismatch import ActivationStatistics
from llmood.questions.populations import Floats, Population, ScoredBenchmark
from llmood.records import CaptureSpec
from llmood.scorers.states import states_in
from llmood.seeds import unit_interval

MOST_ROWS = 500  # of a population that are kept whole: of 20 populations and 4,096 dimensions 160 MB
PREFERRED = "mean_prompt"
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PopulationStates:
    """One capture's states.

    Attributes:
        role: whose they are: `tuned`, `base`, `encoder`.
        name: of the capture.
        layers: those that were kept; empty of embeddings.
        position: which was read.
        drawn: by task, one row of a group and at most `MOST_ROWS`, of the last layer, (n, d).
        statistics: by task, and of the two halves of ID, each layer's.
        halves: what the two halves of ID are called there.
        lacking: by task, how many rows have no states.
        rows: by task, how many rows there are.
    """

    role: str
    name: str
    layers: list[int]
    position: str | None
    drawn: Mapping[str, Floats]
    statistics: Mapping[str, list[ActivationStatistics]]
    halves: tuple[str, str]
    lacking: Mapping[str, int]
    rows: Mapping[str, int]

    @property
    def params(self) -> dict[str, Any]:
        """What a record says of them."""
        return {
            "states": self.role,
            "layer": self.layers[-1] if self.layers else None,
            "position": self.position,
        }

    def counts(self, *populations: Population) -> tuple[int, int]:
        """How many rows of these populations have states, and how many have none."""
        lacking = sum(self.lacking[one.task] for one in populations)
        return sum(self.rows[one.task] for one in populations) - lacking, lacking


def states_of_populations(
    scored: ScoredBenchmark, observations: Observations, captures: Iterable[CaptureSpec], seed: int
) -> Iterator[PopulationStates]:
    """The states of each of these captures that is of states, and has some."""
    for spec in sorted({*captures}):
        if spec.kind in (HIDDEN_STATES, EMBEDDING) and observations.has(spec):
            found = _gathered(scored, observations, spec, seed)
            if found is not None:
                yield found


def _gathered(
    scored: ScoredBenchmark, observations: Observations, spec: CaptureSpec, seed: int
) -> PopulationStates | None:
    gathering = _Gathering(scored, observations, spec, seed)
    for block in observations.blocks([spec], {HIDDEN_STATES: ["layer", "position"], EMBEDDING: ["vector"]}):
        gathering.add(block)
    return gathering.found() if any(gathering.held.values()) else None


class _Gathering:
    """What is made of one capture's blocks."""

    def __init__(
        self, scored: ScoredBenchmark, observations: Observations, spec: CaptureSpec, seed: int
    ) -> None:
        size = observations.samples.num_rows
        populations = {one.task: one for one in (scored.id, *scored.ood)}
        self.spec = spec
        self.rows = {name: len(one.rows) for name, one in populations.items()}
        self.held = dict.fromkeys(populations, 0)
        self.halves = {name: _mask(size, rows) for name, rows in _halves(scored, seed).items()}
        self.members = {name: _mask(size, one.rows) for name, one in populations.items()}
        self.chosen = {name: _mask(size, _chosen(scored, one, seed)) for name, one in populations.items()}
        self.layers: list[int] = []
        self.position: str | None = None
        self.statistics: dict[str, list[ActivationStatistics]] = {}
        self.kept: dict[str, list[tuple[Floats, Rows]]] = {name: [] for name in populations}

    def add(self, block: Block) -> None:
        if self.spec.kind == EMBEDDING:
            self._keep(block, states_in(block, self.spec, -1, PREFERRED))
            return
        if self.position is None:
            self._begin(block)
        if self.position is None:
            return
        for place, layer in enumerate(self.layers):
            states = states_in(block, self.spec, layer, self.position)
            self._count(block, states, place)
            if layer == self.layers[-1]:
                self._keep(block, states)

    def _begin(self, block: Block) -> None:
        self.layers, self.position = _kept(block, self.spec)
        for name in (*self.members, *self.halves):
            self.statistics[name] = [ActivationStatistics() for _ in self.layers]

    def _count(self, block: Block, states: NDArray[np.float32], place: int) -> None:
        there = _there(states)
        for name, mask in (self.members | self.halves).items():
            own = there & mask[block.positions]
            if own.any():
                self.statistics[name][place].update(states[own])

    def _keep(self, block: Block, states: NDArray[np.float32]) -> None:
        there = _there(states)
        for name, mask in self.members.items():
            self.held[name] += int((there & mask[block.positions]).sum())
            own = there & self.chosen[name][block.positions]
            if own.any():
                self.kept[name].append((states[own].astype(np.float64), block.positions[own]))

    def found(self) -> PopulationStates:
        first, second = self.halves
        return PopulationStates(
            self.spec.model,
            self.spec.id,
            self.layers,
            self.position,
            {name: _in_order(parts) for name, parts in self.kept.items()},
            self.statistics,
            (first, second),
            {name: count - self.held[name] for name, count in self.rows.items()},
            self.rows,
        )


def _halves(scored: ScoredBenchmark, seed: int) -> dict[str, Rows]:
    """Two halves of ID, groups whole, by names that no task has."""
    groups = scored.groups[scored.id.rows].tolist()
    first = np.array([unit_interval(seed, "halves", group) < 0.5 for group in groups], dtype=np.bool_)
    return {"ID, one half": scored.id.rows[first], "ID, other half": scored.id.rows[~first]}


def _chosen(scored: ScoredBenchmark, population: Population, seed: int) -> Rows:
    """One row of a group, drawn by hash: a permutation test wants rows that don't depend on each other."""
    _, firsts = np.unique(scored.groups[population.rows], return_index=True)
    rows = population.rows[firsts]
    draws = [unit_interval(seed, "rows", group) for group in scored.groups[rows].tolist()]
    return np.asarray(rows[np.argsort(draws, kind="stable")[:MOST_ROWS]])


def _kept(block: Block, spec: CaptureSpec) -> tuple[list[int], str | None]:
    """The layers that were kept, and the position to read: the prompt's mean where there is one."""
    for layers, positions in zip(
        *(block[spec][name].to_pylist() for name in ("layer", "position")), strict=True
    ):
        if layers is not None and positions:
            return sorted(map(int, layers)), PREFERRED if PREFERRED in positions else str(positions[0])
    return [], None


def _there(states: NDArray[np.float32]) -> NDArray[np.bool_]:
    if not states.shape[1]:
        return np.zeros(len(states), np.bool_)
    return np.asarray(np.isfinite(states).all(axis=1))


def _mask(size: int, rows: Rows) -> NDArray[np.bool_]:
    mask = np.zeros(size, np.bool_)
    mask[rows] = True
    return mask


def _in_order(parts: list[tuple[Floats, Rows]]) -> Floats:
    """Rows in the samples' order, whatever the store's."""
    if not parts:
        return np.empty((0, 0))
    rows, places = (np.concatenate(each) for each in zip(*parts, strict=True))
    return np.asarray(rows[np.argsort(places, kind="stable")])
