"""What the scorers of one state a sample share: which state they read, and how they learn from train rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from llmood.engines.base import EMBEDDING, ENCODER
from llmood.engines.observations import Block, Observations
from llmood.errors import ConfigError
from llmood.measures.token_statistics import Floats
from llmood.records import CaptureSpec, Scores, Split
from llmood.scorers.arguments import check_count, check_seed
from llmood.scorers.base import Scorer
from llmood.scorers.combined import refuse_others
from llmood.scorers.drawn import reasons_of
from llmood.scorers.learned import Learned, learned_rows
from llmood.scorers.settings import NINE_LAYERS, Params
from llmood.scorers.states import (
    EYE,
    Layer,
    check_layer,
    representation_capture,
    states_at,
    states_in,
)

OF: Mapping[str, Mapping[str, Any]] = {
    "": {},
    ".base": {"states": "base"},
    ".encoder": {"states": ENCODER},
}
"""The variants: by whose states are read; plain: as the run has it."""
LAST, WHOLE_PROMPT = -1, "mean_prompt"
NO_DIRECTION = "a state of zeros has no direction"


class Representation(Scorer):
    """A scorer that reads one state a sample, and learns from the ID task's `train` rows how such states lie.

    What can't be learned (one row, one class where two are needed, states that don't vary) scores nothing, with the
    reason.

    Args:
        states: `tuned` or `base`, their hidden states; `encoder`, its embeddings. By default that of them that the run
            has, the first of this order.
        layer, position: of hidden states, as the run's `hidden_states` names them; an encoder has neither. The position
            `eye` is what the model's eye makes of the pictures, and has no layers.
        references: it learns from at most so many rows, drawn by hash, of each label as many as of the others.
        hidden_states: which states there are (the run's `hidden_states`).
    """

    fitted_on: ClassVar[Split | None] = "train"
    columns: ClassVar[Mapping[str, list[str]]] = {"hidden_states": [], EMBEDDING: ["vector"]}
    directed: ClassVar[bool] = False
    """Whether it reads the direction of a state alone: one of zeros has none."""
    by_concepts: ClassVar[bool] = False
    """Whether the report says what a few principal directions of train's states keep of it; each costs a scoring."""
    unfit_: str | None

    def __init__(
        self,
        *,
        states: str = "tuned",
        layer: Layer = LAST,
        position: str = WHOLE_PROMPT,
        references: int = 20_000,
        seed: int = 0,
        hidden_states: Params = NINE_LAYERS,
    ) -> None:
        check_count("references", references)
        check_seed(seed)
        representation_capture(states, hidden_states, position)
        check_layer("layer", layer)
        if states == ENCODER:
            _refuse_places("an encoder has one embedding of a text", layer, position)
        elif position == EYE:
            _refuse_places("an eye has one embedding of a picture", layer)
        self.states = states
        self.layer = layer
        self.position = position
        self.references = references
        self.seed = seed
        self.hidden_states = hidden_states

    @property
    def capture(self) -> CaptureSpec:
        """What it reads."""
        return representation_capture(self.states, self.hidden_states, self.position)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers that it reads, side by side."""
        return (self.layer,)

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        return (self.capture,)

    @property
    def layers_read(self) -> tuple[tuple[CaptureSpec, Layer], ...]:
        spec = self.capture
        return () if spec.kind == EMBEDDING else tuple((spec, layer) for layer in self.layers)

    @property
    def definition(self) -> str | None:
        if self.states == ENCODER:
            return "embeddings of the encoder"
        if self.position == EYE:
            return f"states of {self.states}’s eye, mean over patches"
        return f"states of {self.states}, layer {self.layer}, {self.position}"

    @abstractmethod
    def learn(self, train: Learned, held: Learned | None) -> None:
        """Learn from train rows, at least one; from `validation` rows where the scorer is `chosen_on` them.

        Raises:
            ValueError: nothing can be learned from these.
        """

    @abstractmethod
    def distances(self, states: Floats) -> Floats:
        """Of states (n, d), n of at least 1, a score each (n,); higher = more OOD."""

    def learn_background(self, rows: Learned) -> None:
        """Learn from the rows of the `background`, where there is one: at least one row, all of one class.

        Raises:
            ValueError: nothing can be learned from these.
        """

    @property
    def least_classes(self) -> int:
        """How many classes of train it takes."""
        return 1

    def check_classes(self, labels: Sequence[str | None], domains: Sequence[str | None]) -> None:
        found = len({label for label in labels if label is not None})
        if max(found, 1) < self.least_classes:  # without labels all are of one
            raise ConfigError(
                f"takes at least {self.least_classes} classes, and train's rows have {found or 'no'} "
                f"label{'s' if found != 1 else ''}",
                hint="name their column under 'fields: label' in the task's YAML, or leave the scorer out",
            )

    def fit(self, train: Observations, validation: Observations | None = None) -> Self:
        refuse_others(type(self).__name__, train, "train")
        if validation is not None:
            refuse_others(f"{type(self).__name__} chooses, and", validation, "validation")
        found = self._learned(train)
        self.unfit_ = None
        if not len(found.states):
            self.unfit_ = f"no row of train has a state of {self.states} to learn from"
            return self
        rows = f"the background {self.background}"
        try:
            if self.background is not None:
                self._learn_background(train)
            rows = "train"
            self.learn(found, None if validation is None else self._learned(validation))
        except ValueError as error:
            self.unfit_ = f"nothing can be learned from {rows}: {error}"
        return self

    def score(self, block: Block) -> Scores:
        rows, states, reasons = self.readable(block)
        values = np.full(len(block), np.nan)
        if len(rows):
            values[rows] = self.distances(states)
        return Scores(values, reasons)

    def spread(self, train: Observations) -> tuple[Floats, Floats]:
        """The covariance (d, d) of the train states that it learns from, not shrunk, and their mean (d,)."""
        found = self._learned(train).statistics.overall()
        return found.scatter / found.samples, found.mean

    def readable(self, block: Block) -> tuple[NDArray[np.intp], Floats, list[str | None]]:
        """Which rows of a block have a state to score, these states, and of each row that has none why."""
        reasons = [reason or self.unfit_ for reason in reasons_of(block[self.capture])]
        rows = np.array([row for row, reason in enumerate(reasons) if reason is None], dtype=np.intp)
        if not len(rows):
            return rows, np.empty((0, 0)), reasons
        states = self._read(block)[rows]
        usable = states.any(axis=1) if self.directed else np.ones(len(rows), np.bool_)
        for row in rows[~usable]:
            reasons[row] = NO_DIRECTION
        return rows[usable], states[usable], reasons

    def _learn_background(self, train: Observations) -> None:
        found = self._learned(train.background, labelled=False)
        if not len(found.states):
            raise ValueError(f"no row has a state of {self.states}")
        self.learn_background(found)

    def _read(self, block: Block) -> Floats:
        parts = [states_in(block, self.capture, layer, self.position) for layer in self.layers]
        return np.concatenate(parts, axis=1).astype(np.float64)

    def _learned(self, train: Observations, *, labelled: bool = True) -> Learned:
        """The rows that it learns from, by sample id; read once for all scorers of the same states."""
        # As text: 1 is a block and 1.0 the last one, and both are equal.
        key = (self.capture, tuple(map(str, self.layers)), self.position, self.references, self.seed)
        found: Learned = train.shared(key, lambda: self._gathered(train, labelled=labelled))
        if self.directed and not found.states.any(axis=1).all():
            kept = np.asarray(found.states.any(axis=1))
            ids = [name for name, there in zip(found.ids, kept.tolist(), strict=True) if there]
            return replace(found, states=found.states[kept], classes=found.classes[kept], ids=ids)
        return found

    def _gathered(self, train: Observations, *, labelled: bool) -> Learned:
        parts = [states_at(train, self.capture, layer, self.position) for layer in self.layers]
        return learned_rows(
            train.samples,
            np.concatenate(parts, axis=1),
            references=self.references,
            seed=self.seed,
            labelled=labelled,
        )


def _refuse_places(why: str, layer: Layer, position: str = WHOLE_PROMPT) -> None:
    """Of an embedding there is one: a layer or a position would be read by nobody.

    Raises:
        ValueError: another than the default is named.
    """
    given = {"layer": (layer, LAST), "position": (position, WHOLE_PROMPT)}
    named = next((name for name, (value, usual) in given.items() if str(value) != str(usual)), None)
    if named:
        raise ValueError(f"{named}: {why}, and no {named}s; leave it out")
