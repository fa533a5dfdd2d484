"""Whether the model finds its own answer true."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from llmood.engines.captures import derived_capture
from llmood.engines.observations import Block
from llmood.measures.p_true import probability_false
from llmood.prompting.base import FALSE, TRUE, Template
from llmood.prompting.p_true import P_TRUE
from llmood.prompting.p_true_sampled import P_TRUE_SAMPLED
from llmood.records import CaptureSpec, Scores
from llmood.scorers.base import Probability, Scorer, register, with_reasons
from llmood.scorers.settings import TEN_DRAWS, Params
from llmood.scorers.spans import status_of

NO_LOGITS = "the engine gave no logits of the two labels"


@register("p_true", {"": {"sampled": False}, ".sampled": {"sampled": True}})
class PTrue(Scorer):
    """1 − p(True), when the model is asked whether its answer is true or false.

    Formula: `measures.p_true.probability_false` (Kadavath et al., 2022); no examples are shown.

    Args:
        sampled: whether the draws stand in the prompt, as brainstormed answers.
        generations: how they are drawn (the run's `generations`).
    """

    probability: ClassVar[Probability | None] = "complement"
    columns: ClassVar[Mapping[str, list[str]]] = {"next_token": ["label_logits"]}

    def __init__(self, *, sampled: bool = False, generations: Params = TEN_DRAWS) -> None:
        self.sampled = sampled
        self.generations = generations

    @property
    def reads_answers(self) -> bool:  # type: ignore[override]
        """Whether it does: the draws stand in the prompt, and are read from the store."""
        return self.sampled

    @property
    def definition(self) -> str | None:
        return f"prompt: {self._template.target}"

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        draws = self.generations if self.sampled else None
        return (
            derived_capture("next_token", "tuned", self._template, draws, labels=f"{TRUE}|{FALSE}", top=0),
        )

    def score(self, block: Block) -> Scores:
        (spec,) = self.needs
        missing = [np.nan, np.nan]
        logits = [row or missing for row in block[spec]["label_logits"].to_pylist()]
        values = probability_false(np.array(logits, dtype=np.float64))
        return with_reasons(values, *status_of(block, spec), NO_LOGITS)

    @property
    def _template(self) -> Template:
        return P_TRUE_SAMPLED if self.sampled else P_TRUE
