"""What a prompt's states say of how far apart the answers to it will be."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from llmood.engines.observations import Observations
from llmood.measures.best_split import best_split, is_high
from llmood.measures.token_statistics import Floats
from llmood.records import CaptureSpec, Split
from llmood.scorers.base import register
from llmood.scorers.drawn import described
from llmood.scorers.semantic_entropy import SemanticEntropy
from llmood.scorers.settings import NINE_LAYERS, SAME_WORDS, TEN_DRAWS, Params
from llmood.scorers.state_probe import LEARNS, StateProbe


@register("semantic_entropy_probe", LEARNS)
class SemanticEntropyProbe(StateProbe):
    """The log-odds that the answers to come would mean different things, read from the prompt's states alone.

    The target is the discrete semantic entropy of the draws for the rows that it learns from, high or low by
    `measures.best_split`. Draws are made of these rows, and of those that it chooses by: of none that are measured.
    Kossen et al., "Semantic Entropy Probes" (2024), whose code chooses layers by the test split.

    Args:
        position, least_layers, learns, hidden_states: as in `StateProbe`.
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
        learns: Split = "train",
        hidden_states: Params = NINE_LAYERS,
        generations: Params = TEN_DRAWS,
        equivalence: Params = SAME_WORDS,
    ) -> None:
        super().__init__(
            position=position, least_layers=least_layers, learns=learns, hidden_states=hidden_states
        )
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
    def least_draws(self) -> int:
        return self.target.least_draws

    @property
    def definition(self) -> str | None:
        target = f"discrete semantic entropy, {described(self.equivalence)}"
        return f"states at {self.position}, of {self.learns}; target: {target}"

    def learn_kinds(self, rows: Observations) -> str | None:
        entropies = self._entropies(rows)
        entropies = entropies[~np.isnan(entropies)]
        if not len(entropies):
            return f"no row of {self.learns} has a semantic entropy to learn from"
        try:
            self.split_ = best_split(entropies)
        except ValueError:  # all the same, but for rounding
            return (
                f"all semantic entropies of {self.learns} are {entropies[0]:g}: none are higher than others"
            )
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
