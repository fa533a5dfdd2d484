"""What a model's states say of an answer that it hasn't given yet: linear probes, fitted on rows where it is known."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from llmood.engines.observations import Block, Observations
from llmood.measures.best_split import best_split, is_high
from llmood.measures.probe import (
    Probe,
    best_window,
    choose_ridge,
    fit_probe,
    probe_log_odds,
)
from llmood.measures.token_statistics import Floats
from llmood.metrics.ood import auroc
from llmood.records import CaptureSpec, Scores, Split
from llmood.scorers.arguments import check_count
from llmood.scorers.base import Scorer, register
from llmood.scorers.combined import refuse_others
from llmood.scorers.drawn import described, reasons_of
from llmood.scorers.semantic_entropy import SemanticEntropy
from llmood.scorers.settings import NINE_LAYERS, SAME_WORDS, SHORT_ANSWER, TEN_DRAWS, Params
from llmood.scorers.states import layers_captured, states_at, states_capture

Known = tuple[NDArray[np.intp], NDArray[np.bool_]]
"""Which rows something is known of, and whether it is the positive kind."""


class StateProbe(Scorer):
    """A logistic regression on the states of neighbouring layers at one position.

    Formula: `measures.probe`. A probe of each layer is fitted on the ID task's `train` rows; the neighbouring layers
    whose probes best predict the `validation` rows (mean AUROC) are read together, and how much the weights shrink is
    chosen there too, by the log loss. `curve_` keeps each layer's AUROC. Where validation has one kind of rows only,
    all layers are read, and nothing is chosen.

    Args:
        position: of the states; `last_prompt` is known before the first token of the answer.
        least_layers: how many neighbouring layers are read at least.
        hidden_states: which states there are (the run's `hidden_states`).
    """

    fitted_on: ClassVar[Split | None] = "train"
    chosen_on: ClassVar[Split | None] = "validation"
    columns: ClassVar[Mapping[str, list[str]]] = {"hidden_states": []}
    layers_: list[int]
    curve_: dict[int, float]
    probe_: Probe | None
    ridge_: float | None
    unfit_: str | None

    def __init__(
        self,
        *,
        position: str = "last_prompt",
        least_layers: int = 2,
        hidden_states: Params = NINE_LAYERS,
    ) -> None:
        check_count("least_layers", least_layers)
        states_capture("tuned", hidden_states, position)
        self.position = position
        self.least_layers = least_layers
        self.hidden_states = hidden_states

    @property
    def states(self) -> CaptureSpec:
        """The capture that it reads."""
        return states_capture("tuned", self.hidden_states, self.position)

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        return (self.states,)

    @abstractmethod
    def learn_kinds(self, train: Observations) -> str | None:
        """Learn what the positive kind is; why that can't be told, if it can't."""

    @abstractmethod
    def kinds(self, rows: Observations) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Of each row, whether its kind is known, and whether it is the positive one (uncertain, wrong)."""

    def fit(self, train: Observations, validation: Observations | None = None) -> Self:
        purpose = type(self).__name__
        refuse_others(purpose, train, "train")
        if validation is not None:
            refuse_others(purpose, validation, "validation")
        self.layers_, self.curve_, self.probe_, self.ridge_ = [], {}, None, None
        self.unfit_ = self.learn_kinds(train)
        layers = layers_captured(train, self.states)
        if self.unfit_ is None and not layers:
            self.unfit_ = "no row of train has states to learn from"
        if self.unfit_ is not None:
            return self
        known = self._known(train, layers)
        if not _both(known):
            self.unfit_ = "the rows of train that have states are all of one kind"
            return self
        if validation is not None and _both(held := self._known(validation, layers)):
            self._choose(train, known, validation, held, layers)
        else:
            self.layers_ = layers
            self.probe_ = fit_probe(self._read(train, known, layers), known[1])
        return self

    def score(self, block: Block) -> Scores:
        reasons = [self.unfit_ or reason for reason in reasons_of(block[self.states])]
        values = np.full(len(block), np.nan)
        rows = np.array([row for row, reason in enumerate(reasons) if reason is None], dtype=np.intp)
        if len(rows) and self.probe_ is not None:
            parts = [block.states(self.states, layer, self.position)[rows] for layer in self.layers_]
            values[rows] = probe_log_odds(np.concatenate(parts, axis=1), self.probe_)
        return Scores(values, reasons)

    def _choose(
        self, train: Observations, known: Known, validation: Observations, held: Known, layers: list[int]
    ) -> None:
        for layer in layers:
            probe = fit_probe(self._read(train, known, [layer]), known[1])
            self.curve_[layer] = auroc(probe_log_odds(self._read(validation, held, [layer]), probe), held[1])
        first, behind = best_window(list(self.curve_.values()), self.least_layers)
        self.layers_ = layers[first:behind]
        states, others = (
            self._read(rows, own, self.layers_) for rows, own in ((train, known), (validation, held))
        )
        self.ridge_, self.probe_ = choose_ridge(states, known[1], others, held[1])

    def _read(self, rows: Observations, known: Known, layers: list[int]) -> Floats:
        parts = [states_at(rows, self.states, layer, self.position)[known[0]] for layer in layers]
        return np.concatenate(parts, axis=1)

    def _known(self, rows: Observations, layers: list[int]) -> Known:
        """The rows that have states and whose kind is known, by sample id, and their kinds."""
        there = ~np.isnan(states_at(rows, self.states, layers[0], self.position)).any(axis=1)
        known, positive = self.kinds(rows)
        order = np.argsort(np.array(rows.samples["sample_id"].to_pylist(), dtype=np.str_), kind="stable")
        order = order[(there & known)[order]]
        return order, positive[order]


def _both(known: Known) -> bool:
    """Whether there are rows of both kinds."""
    return len({*known[1].tolist()}) == 2


@register("semantic_entropy_probe")
class SemanticEntropyProbe(StateProbe):
    """The log-odds that the answers to come would mean different things, read from the prompt's states alone.

    The target is the discrete semantic entropy of the draws for the ID task's `train` rows, high or low by
    `measures.best_split`; draws are made of `train` and `validation` only. Kossen et al., "Semantic Entropy Probes"
    (2024), whose code chooses layers by the test split; here validation chooses.

    Args:
        position, least_layers, hidden_states: as in `StateProbe`.
        generations: how answers are drawn (the run's `generations`).
        equivalence: when two of them say the same (the run's `equivalence`).
    """

    reads_answers: ClassVar[bool] = True
    split_: float

    def __init__(
        self,
        *,
        position: str = "last_prompt",
        least_layers: int = 2,
        hidden_states: Params = NINE_LAYERS,
        generations: Params = TEN_DRAWS,
        equivalence: Params = SAME_WORDS,
    ) -> None:
        super().__init__(position=position, least_layers=least_layers, hidden_states=hidden_states)
        self.generations = generations
        self.equivalence = equivalence

    @property
    def target(self) -> SemanticEntropy:
        """What it is to predict."""
        return SemanticEntropy(
            generations=self.generations, equivalence=self.equivalence, estimate="discrete"
        )

    @property
    def fit_needs(self) -> tuple[CaptureSpec, ...]:
        return self.target.needs

    @property
    def definition(self) -> str | None:
        return f"states at {self.position}; target: discrete semantic entropy, {described(self.equivalence)}"

    def learn_kinds(self, train: Observations) -> str | None:
        entropies = self._entropies(train)
        entropies = entropies[~np.isnan(entropies)]
        if not len(entropies):
            return "no row of train has a semantic entropy to learn from"
        if np.ptp(entropies) == 0.0:
            return f"all semantic entropies of train are {entropies[0]:g}: there are no high and low ones to learn from"
        self.split_ = best_split(entropies)
        return None

    def kinds(self, rows: Observations) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        entropies = self._entropies(rows)
        known = ~np.isnan(entropies)
        return known, known & is_high(np.where(known, entropies, 0.0), self.split_)

    def _entropies(self, rows: Observations) -> Floats:
        found = np.full(rows.samples.num_rows, np.nan)
        target = self.target
        for block in rows.blocks(sorted(target.needs), dict(target.columns)):
            found[block.positions] = target.score(block).values
        return found


@register("accuracy_probe")
class AccuracyProbe(StateProbe):
    """The log-odds that the answer to come will be wrong, read from the prompt's states; learns from judged answers.

    The baseline of `semantic_entropy_probe` (Kossen et al., 2024): it needs to be told which answers are right.

    Args:
        position, least_layers, hidden_states: as in `StateProbe`.
        response: how answers are decoded (the run's `response`).
    """

    reads_correctness: ClassVar[bool] = True

    def __init__(
        self,
        *,
        position: str = "last_prompt",
        least_layers: int = 2,
        hidden_states: Params = NINE_LAYERS,
        response: Params = SHORT_ANSWER,
    ) -> None:
        super().__init__(position=position, least_layers=least_layers, hidden_states=hidden_states)
        self.response = response

    @property
    def fit_needs(self) -> tuple[CaptureSpec, ...]:
        return (CaptureSpec.of("response", "tuned", "prompt", **self.response),)

    @property
    def definition(self) -> str | None:
        return f"states at {self.position}; target: whether the answer is right"

    def learn_kinds(self, train: Observations) -> str | None:
        known = train.correct()
        known = known[~np.isnan(known)]
        if {*known.tolist()} == {0.0, 1.0}:
            return None
        return f"no answer of train is {'judged' if not len(known) else 'wrong' if known[0] else 'right'}"

    def kinds(self, rows: Observations) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        correct = rows.correct()
        return ~np.isnan(correct), correct == 0.0
