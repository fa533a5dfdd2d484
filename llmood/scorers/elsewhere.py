"""A scorer that reads other captures than its own: of another adapter, or of another part of the input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any, Self

from llmood.engines.observations import Block, Observations
from llmood.records import CaptureSpec, Scores, Split
from llmood.scorers.base import Scorer

Moved = Callable[[CaptureSpec], CaptureSpec]
"""From what a scorer asks for to what it is given in its place."""


class Elsewhere(Scorer):
    """Another scorer, which never knows what it is given.

    Args:
        scorer: the one; a copy of it is fitted.
        moved: what it is given in place of each capture.
    """

    def __init__(self, scorer: Scorer, moved: Moved) -> None:
        self.scorer = copy(scorer)
        self.moved = moved
        self.columns = scorer.columns  # type: ignore[misc]  # each scorer's own
        self.reads_text = scorer.reads_text  # type: ignore[misc]
        self.reads_answers = scorer.reads_answers  # type: ignore[misc]
        self.background = scorer.background
        self.probability = scorer.probability  # type: ignore[misc]
        self.fitted_on: Split | None = scorer.fitted_on  # type: ignore[misc]
        self.chosen_on: Split | None = scorer.chosen_on  # type: ignore[misc]

    @property
    def definition(self) -> str | None:
        return self.scorer.definition

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        return tuple(self.moved(spec) for spec in self.scorer.needs)

    @property
    def fit_needs(self) -> tuple[CaptureSpec, ...]:
        return tuple(self.moved(spec) for spec in self.scorer.fit_needs)

    @property
    def layers_read(self) -> tuple[tuple[CaptureSpec, float | str], ...]:
        return tuple((self.moved(spec), layer) for spec, layer in self.scorer.layers_read)

    @property
    def background_needs(self) -> tuple[CaptureSpec, ...]:
        return tuple(self.moved(spec) for spec in self.scorer.background_needs)

    def fit(self, train: Observations, validation: Observations | None = None) -> Self:
        self.scorer.fit(_Seen(train, self.moved), _Seen(validation, self.moved) if validation else None)
        return self

    def score(self, block: Block) -> Scores:
        return self.scorer.score(_seen(block, self.scorer.needs, self.moved))


class _Seen(Observations):
    """Observations in which other captures stand where a scorer's own are looked for."""

    def __init__(self, observations: Observations, moved: Moved) -> None:
        self.__dict__.update(observations.__dict__)
        self._shared = {}  # of its own captures
        self._moved = moved

    def has(self, spec: CaptureSpec) -> bool:
        return super().has(self._moved(spec))

    def of(self, split: Split) -> Observations:
        return _Seen(super().of(split), self._moved)

    @property
    def background(self) -> Observations:
        return _Seen(super().background, self._moved)

    def blocks(self, captures: Any, *args: Any, **keys: Any) -> Any:
        others = [self._moved(spec) for spec in captures]
        return (_seen(block, captures, self._moved) for block in super().blocks(others, *args, **keys))


def _seen(block: Block, captures: Sequence[CaptureSpec], moved: Moved) -> Block:
    tables = {spec: block[moved(spec)] for spec in captures}
    readers = {spec: block.readers[moved(spec)] for spec in captures if moved(spec) in block.readers}
    return Block(block.positions, block.samples, tables, readers)
