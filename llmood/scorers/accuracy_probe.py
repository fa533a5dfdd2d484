"""What a prompt's states say of whether the answer to it will be wrong."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from llmood.engines.observations import Observations
from llmood.records import CaptureSpec, Split
from llmood.scorers.base import register
from llmood.scorers.settings import NINE_LAYERS, SHORT_ANSWER, Params
from llmood.scorers.state_probe import LEARNS, StateProbe


@register("accuracy_probe", LEARNS)
class AccuracyProbe(StateProbe):
    """The log-odds that the answer to come will be wrong, read from the prompt's states; learns from judged answers.

    The baseline of `semantic_entropy_probe` (Kossen et al., 2024): it needs to be told which answers are right.

    Args:
        position, least_layers, learns, hidden_states: as in `StateProbe`.
        response: how answers are decoded (the run's `response`).
    """

    reads_correctness: ClassVar[bool] = True

    def __init__(
        self,
        *,
        position: str = "last_prompt",
        least_layers: int = 2,
        learns: Split = "train",
        hidden_states: Params = NINE_LAYERS,
        response: Params = SHORT_ANSWER,
    ) -> None:
        super().__init__(
            position=position, least_layers=least_layers, learns=learns, hidden_states=hidden_states
        )
        self.response = response

    @property
    def fit_needs(self) -> tuple[CaptureSpec, ...]:
        return (CaptureSpec.of("response", "tuned", "prompt", **self.response),)

    @property
    def definition(self) -> str | None:
        return f"states at {self.position}, of {self.learns}; target: whether the answer is right"

    def learn_kinds(self, rows: Observations) -> str | None:
        known = rows.correct()
        known = known[~np.isnan(known)]
        if {*known.tolist()} == {0.0, 1.0}:
            return None
        return f"no answer of {self.learns} is {'judged' if not len(known) else 'wrong' if known[0] else 'right'}"

    def kinds(self, rows: Observations) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        correct = rows.correct()
        return ~np.isnan(correct), correct == 0.0
