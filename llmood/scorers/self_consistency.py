"""How many of the draws disagree: with most of them, or with the answer that was given."""

from __future__ import annotations

from typing import ClassVar

from llmood.measures.segments import row_means
from llmood.measures.self_consistency import self_inconsistency
from llmood.measures.token_statistics import Floats
from llmood.scorers.answered import Answered, FromAnswer
from llmood.scorers.base import Probability, register
from llmood.scorers.drawn import Drawn, FromDraws


@register("self_consistency")
class SelfConsistency(FromDraws):
    """1 − the share of the draws that say what most of them say.

    Formula: `measures.self_consistency.self_inconsistency` (Wang et al., ICLR 2023; Xiong et al., ICLR 2024).
    """

    def uncertainty(self, drawn: Drawn) -> Floats:
        return self_inconsistency(drawn.clusters, drawn.offsets)


@register("self_consistency.answer")
class AnswerConsistency(FromAnswer):
    """1 − the share of the draws that say what the answer says (Xiong et al., ICLR 2024)."""

    probability: ClassVar[Probability | None] = "complement"

    def of_answers(self, answered: Answered) -> Floats:
        return row_means(answered.draws.clusters, answered.draws.offsets)
