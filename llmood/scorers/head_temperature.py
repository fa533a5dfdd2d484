"""The largest probability of a head's class at the temperature at which held-out classes are likeliest."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from llmood.measures.label_temperature import fit_label_temperature, label_uncertainty
from llmood.measures.linear_head import head_logits
from llmood.measures.token_statistics import Floats
from llmood.records import Split
from llmood.scorers.base import Probability, register
from llmood.scorers.head import OfHead
from llmood.scorers.learned import Learned
from llmood.scorers.representation import OF


@register("msp.tempered", OF)
class TemperedMaxSoftmax(OfHead):
    """1 − the largest probability that a linear head gives to a class, at the temperature that fits `validation`.

    Formula: `measures.label_temperature` (Guo et al., ICML 2017), of the classes of `validation` rows that train has. A
    head is surer of the rows that it learned from than of others; the temperature takes away how much surer on average,
    and with more than two classes it may rank otherwise than `msp` does.

    Args:
        reading: as in `Representation`.
    """

    chosen_on: ClassVar[Split | None] = "validation"
    sureness: ClassVar[Probability | None] = "complement"
    inverse_: float

    def learn(self, train: Learned, held: Learned | None) -> None:
        super().learn(train, held)
        number = {name: place for place, name in enumerate(train.names)}
        classes = [] if held is None else [number.get(held.names[own]) for own in held.classes.tolist()]
        rows = [row for row, own in enumerate(classes) if own is not None]
        if held is None or not rows:
            raise ValueError("no row of validation has a state and a label of train's")
        right = np.array([classes[row] for row in rows], dtype=np.int64)
        try:
            self.inverse_ = fit_label_temperature(head_logits(held.states[rows], self.head_), right)
        except ValueError as error:
            raise ValueError(f"by validation, {error}") from None

    def distances(self, states: Floats) -> Floats:
        return label_uncertainty(head_logits(states, self.head_), self.inverse_)

    @property
    def definition(self) -> str | None:
        return f"{super().definition}, at a temperature of validation"
