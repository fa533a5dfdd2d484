"""A scorer that reads another adapter in place of the first: how far do its scores depend on one tuning run?"""

from __future__ import annotations

from copy import copy
from typing import Any

from llmood.engines.observations import Block, Observations
from llmood.records import CaptureSpec, Scores, Split
from llmood.scorers.base import Scorer

BETWEEN = "@"


def name_on(scorer: str, role: str) -> str:
    """What a scorer is called on another adapter: `likelihood_ratio@tuned:1`."""
    return f"{scorer}{BETWEEN}{role}"


def is_on_adapter(name: str) -> bool:
    """Whether a name is that of a scorer on another adapter than the first."""
    return BETWEEN in name


def reads_adapter(scorer: Scorer) -> bool:
    """Whether a scorer's numbers depend on the tuned model, and can be had of another one.

    What learns from which answers are right can't: only the first adapter's are judged.
    """
    return not scorer.reads_correctness and any(
        spec.model == "tuned" or spec.needs_response for spec in (*scorer.needs, *scorer.fit_needs)
    )


class OnAdapter(Scorer):
    """Another scorer, with `role` for `tuned`.

    Args:
        scorer: the scorer on the first adapter; a copy of it is fitted.
        role: `tuned:1`, …
    """

    def __init__(self, *, scorer: Scorer, role: str) -> None:
        self.scorer = copy(scorer)
        self.role = role
        self.columns = scorer.columns  # type: ignore[misc]  # each scorer's own
        self.reads_text = scorer.reads_text  # type: ignore[misc]
        self.reads_answers = scorer.reads_answers  # type: ignore[misc]
        self.probability = scorer.probability  # type: ignore[misc]
        self.fitted_on: Split | None = scorer.fitted_on  # type: ignore[misc]
        self.chosen_on: Split | None = scorer.chosen_on  # type: ignore[misc]

    @property
    def definition(self) -> str | None:
        return self.scorer.definition

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        return tuple(spec.on_adapter(self.role) for spec in self.scorer.needs)

    @property
    def fit_needs(self) -> tuple[CaptureSpec, ...]:
        return tuple(spec.on_adapter(self.role) for spec in self.scorer.fit_needs)

    def fit(self, train: Observations, validation: Observations | None = None) -> OnAdapter:
        self.scorer.fit(_Seen(train, self.role), _Seen(validation, self.role) if validation else None)
        return self

    def score(self, block: Block) -> Scores:
        return self.scorer.score(_seen(block, self.scorer.needs, self.role))


class _Seen(Observations):
    """Observations in which an adapter stands where the first one is looked for."""

    def __init__(self, observations: Observations, role: str) -> None:
        self.__dict__.update(observations.__dict__)
        self._shared = {}  # of the first adapter
        self._role = role

    def has(self, spec: CaptureSpec) -> bool:
        return super().has(spec.on_adapter(self._role))

    def of(self, split: Split) -> Observations:
        return _Seen(super().of(split), self._role)

    def blocks(self, captures: Any, *args: Any, **keys: Any) -> Any:
        others = [spec.on_adapter(self._role) for spec in captures]
        return (_seen(block, captures, self._role) for block in super().blocks(others, *args, **keys))


def _seen(block: Block, captures: Any, role: str) -> Block:
    tables = {spec: block[spec.on_adapter(role)] for spec in captures}
    readers = {
        spec: block.readers[spec.on_adapter(role)]
        for spec in captures
        if spec.on_adapter(role) in block.readers
    }
    return Block(block.positions, block.samples, tables, readers)
