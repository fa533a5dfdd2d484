"""What a model's states say of an answer that it hasn't given yet: linear probes, fitted on rows where it is known."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from llmood.engines.observations import Block, Observations
from llmood.measures.folds import each_complement_holds_both, folds_of, least_of_both
from llmood.measures.logistic import log_loss
from llmood.measures.probe import (
    RIDGES,
    UNCHOSEN,
    Probe,
    best_ridge,
    best_window,
    fit_probe,
    out_of_fold,
    probe_log_odds,
)
from llmood.measures.token_statistics import Floats
from llmood.metrics.ood import auroc
from llmood.records import CaptureSpec, Scores, Split
from llmood.scorers.arguments import check_count
from llmood.scorers.base import Scorer
from llmood.scorers.combined import refuse_others
from llmood.scorers.drawn import reasons_of
from llmood.scorers.settings import NINE_LAYERS, Params
from llmood.scorers.states import layers_captured, states_at, states_capture

LEARNS: Mapping[str, Mapping[str, Any]] = {"": {}, ".held_out": {"learns": "validation"}}
"""The variants: by the rows that it learns from."""


class StateProbe(Scorer):
    """A logistic regression on the states of neighbouring layers at one position.

    Formula: `measures.probe`. A probe of each layer is fitted on the ID task's `train` rows; the neighbouring layers
    whose probes best predict the `validation` rows (mean AUROC) are read together, or all layers are. Which of the two,
    and how much the weights shrink, is chosen there too, by the log loss. `curve_` keeps each layer's AUROC. Where
    there are too few rows of one kind to choose by, all layers are read.

    A model that was tuned on `train` remembers it, and what its states say there is not what they say of new questions.
    `.held_out` learns from `validation` alone, and chooses by predictions for folds of it that were left out.

    Args:
        position: of the states; `last_prompt` is known before the first token of the answer.
        least_layers: how many neighbouring layers are read at least.
        learns: the split that it learns from.
        hidden_states: which states there are (the run's `hidden_states`).
    """

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
        learns: Split = "train",
        hidden_states: Params = NINE_LAYERS,
    ) -> None:
        check_count("least_layers", least_layers)
        if learns not in ("train", "validation"):
            raise ValueError(f"learns is train or validation, not {learns}")
        states_capture("tuned", hidden_states, position)
        self.position = position
        self.least_layers = least_layers
        self.learns = learns
        self.hidden_states = hidden_states

    @property
    def fitted_on(self) -> Split:  # type: ignore[override]
        return self.learns

    @property
    def chosen_on(self) -> Split | None:  # type: ignore[override]
        return "validation" if self.learns == "train" else None

    @property
    def states(self) -> CaptureSpec:
        """The capture that it reads."""
        return states_capture("tuned", self.hidden_states, self.position)

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        return (self.states,)

    @abstractmethod
    def learn_kinds(self, rows: Observations) -> str | None:
        """Learn what the positive kind is; why that can't be told, if it can't."""

    @abstractmethod
    def kinds(self, rows: Observations) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Of each row, whether its kind is known, and whether it is the positive one (uncertain, wrong)."""

    def fit(self, train: Observations, validation: Observations | None = None) -> Self:
        refuse_others(type(self).__name__, train, self.learns)
        if validation is not None:
            refuse_others(f"{type(self).__name__} chooses, and", validation, "validation")
        self.layers_, self.curve_, self.probe_, self.ridge_ = [], {}, None, None
        self.unfit_ = self.learn_kinds(train)
        layers = layers_captured(train, self.states)
        if self.unfit_ is None and not layers:
            self.unfit_ = f"no row of {self.learns} has states to learn from"
        if self.unfit_ is not None:
            return self
        known = self._known(train, layers)
        if not least_of_both(known.positive):
            self.unfit_ = f"the rows of {self.learns} that have states are all of one kind"
            return self
        held = None if validation is None else self._known(validation, layers)
        try:
            self.layers_, self.ridge_ = self._choose(known, held, layers)
            states = self._read(known, self.layers_)
            self.probe_ = fit_probe(states, known.positive, UNCHOSEN if self.ridge_ is None else self.ridge_)
        except ValueError as error:
            self.unfit_ = f"nothing can be learned from {self.learns}: {error}"
        return self

    def score(self, block: Block) -> Scores:
        reasons = [reason or self.unfit_ for reason in reasons_of(block[self.states])]
        values = np.full(len(block), np.nan)
        rows = np.array([row for row, reason in enumerate(reasons) if reason is None], dtype=np.intp)
        if len(rows) and self.probe_ is not None:
            parts = [block.states(self.states, layer, self.position)[rows] for layer in self.layers_]
            values[rows] = probe_log_odds(np.concatenate(parts, axis=1), self.probe_)
        return Scores(values, reasons)

    def _choose(
        self, known: _Known, held: _Known | None, layers: list[int]
    ) -> tuple[list[int], float | None]:
        """Layers and ridge, by rows that a probe wasn't fitted on; all layers where these don't hold both kinds."""
        by = known if held is None else held
        if not (
            each_complement_holds_both(known.folds, known.positive)
            if held is None
            else least_of_both(by.positive)
        ):
            return layers, None
        for layer in layers:
            self.curve_[layer] = auroc(self._predicted(known, held, [layer], UNCHOSEN), by.positive)
        first, behind = best_window(list(self.curve_.values()), self.least_layers)
        found: list[tuple[float, list[int], float]] = []
        for chosen in (layers[first:behind], layers):
            losses = {
                ridge: log_loss(self._predicted(known, held, chosen, ridge), by.positive) for ridge in RIDGES
            }
            ridge = best_ridge(losses)
            found.append((losses[ridge], chosen, ridge))
        _, chosen, ridge = min(found, key=lambda each: each[0])
        return chosen, ridge

    def _predicted(self, known: _Known, held: _Known | None, layers: list[int], ridge: float) -> Floats:
        states = self._read(known, layers)
        if held is None:
            return out_of_fold(states, known.positive, known.folds, ridge)
        return probe_log_odds(self._read(held, layers), fit_probe(states, known.positive, ridge))

    def _read(self, known: _Known, layers: list[int]) -> Floats:
        rows = known.observations
        parts = [states_at(rows, self.states, layer, self.position)[known.rows] for layer in layers]
        return np.concatenate(parts, axis=1)

    def _known(self, rows: Observations, layers: list[int]) -> _Known:
        """The rows that have states and whose kind is known, by sample id."""
        states = states_at(rows, self.states, layers[0], self.position)
        there = ~np.isnan(states).any(axis=1) & bool(states.shape[1])  # no size: nobody has any
        known, positive = self.kinds(rows)
        names = rows.samples["sample_id"].to_pylist()
        order = np.argsort(np.array(names, dtype=np.str_), kind="stable")
        order = order[(there & known)[order]]
        groups = [group or name for group, name in zip(rows.samples["group"].to_pylist(), names, strict=True)]
        return _Known(rows, order, positive[order], folds_of([groups[row] for row in order], positive[order]))


class _Known(NamedTuple):
    """Rows of which something is known.

    `rows` are their places in `observations`, `positive` their kinds, and `folds` which part of them each is in.
    """

    observations: Observations
    rows: NDArray[np.intp]
    positive: NDArray[np.bool_]
    folds: NDArray[np.int64]
