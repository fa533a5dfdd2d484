"""The probability of the likeliest label at the temperature at which held-out labels are likeliest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from llmood.engines.labels import BETWEEN
from llmood.engines.observations import Observations
from llmood.judging.multiple_choice import right_choices
from llmood.measures.label_temperature import fit_label_temperature, label_uncertainty
from llmood.measures.token_statistics import Floats
from llmood.records import Split
from llmood.scorers.base import Probability, register
from llmood.scorers.combined import refuse_others
from llmood.scorers.label_logits import LETTERS, OfLabels

READ = ["sample_id", "label", "references", "choices"]


@register("msp.labels.tempered")
class TemperedLabelMaxSoftmax(OfLabels):
    """1 − the probability of the likeliest label, at the temperature that fits the right labels of `validation`.

    Formula: `measures.label_temperature` (Guo et al., ICML 2017). The right label of a row is its `label`, else the
    reference or the choice that names one; rows without a single right one teach nothing. With two labels it ranks as
    `msp.labels` does, with more it may not.

    Args:
        labels: as in `OfLabels`.
    """

    fitted_on: ClassVar[Split | None] = "validation"
    probability: ClassVar[Probability | None] = "complement"  # a greedy answer is the likeliest label
    sureness: ClassVar[Probability | None] = "complement"
    inverse_: float
    unfit_: str | None

    def __init__(self, *, labels: str = LETTERS) -> None:
        super().__init__(labels=labels)

    def fit(self, train: Observations, validation: Observations | None = None) -> Self:
        refuse_others("msp.labels.tempered", train, "validation")
        self.inverse_, self.unfit_ = 1.0, None
        names = str(self.labels).split(BETWEEN)
        logits = self._logits(train)
        samples = train.samples.select(READ).to_pylist()
        right = {row: right_label(samples[row], names) for row in logits}
        rows = sorted(
            (row for row, label in right.items() if label is not None),
            key=lambda row: str(samples[row]["sample_id"]),
        )
        if not rows:
            self.unfit_ = (
                f"no row of validation has logits and says which of the labels {self.labels} is right"
            )
            return self
        try:
            self.inverse_ = fit_label_temperature(
                np.array([logits[row] for row in rows], np.float64), np.array([right[row] for row in rows])
            )
        except ValueError as error:
            self.unfit_ = f"nothing can be learned from validation: {error}"
        return self

    def of_logits(self, logits: Floats) -> Floats:
        if self.unfit_ is not None:
            return np.full(len(logits), np.nan)
        return label_uncertainty(logits, self.inverse_)

    @property
    def no_value(self) -> str:
        return self.unfit_ or super().no_value

    def _logits(self, rows: Observations) -> dict[int, Sequence[float]]:
        """Row → its logits, of the rows that have them."""
        (spec,) = self.needs
        return {
            int(position): given
            for block in rows.blocks([spec], dict(self.columns))
            for position, given in zip(block.positions, block[spec]["label_logits"].to_pylist(), strict=True)
            if given is not None
        }


def right_label(sample: Mapping[str, Any], labels: Sequence[str]) -> int | None:
    """Which label is the right answer to a sample; None where no single one is.

    >>> right_label({"label": None, "references": ["blue"], "choices": ["red", "blue"]}, [" A", " B"])
    1
    """
    names = [label.strip() for label in labels]
    for said in ([sample["label"]], sample["references"] or []):
        named = {names.index(each.strip()) for each in said if each is not None and each.strip() in names}
        if named:
            return named.pop() if len(named) == 1 else None
    found = right_choices(sample["references"] or [], sample["choices"] or [])
    letters = [] if isinstance(found, str) else [chr(ord("A") + place) for place in found]
    return names.index(letters[0]) if len(letters) == 1 and letters[0] in names else None
