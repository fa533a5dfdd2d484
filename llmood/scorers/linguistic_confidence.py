"""How sure the answer sounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from llmood.engines.observations import Block
from llmood.measures.hedges import linguistic_confidence
from llmood.records import EMPTY_ANSWER, OK, CaptureSpec, Scores
from llmood.scorers.base import Scorer, register
from llmood.scorers.settings import SHORT_ANSWER, Params
from llmood.scorers.spans import status_of
from llmood.scorers.text import NO_TEXT


@register("linguistic_confidence")
class LinguisticConfidence(Scorer):
    """1 − how sure the answer sounds by its hedges ("probably", "I think"); 0 where it hedges nothing. English alone.

    Formula: `measures.hedges.linguistic_confidence`, with the list of phrases and what each is worth.

    Args:
        response: how answers are decoded (the run's `response`).
    """

    columns: ClassVar[Mapping[str, list[str]]] = {"response": ["text"]}
    reads_answers: ClassVar[bool] = True

    def __init__(self, *, response: Params = SHORT_ANSWER) -> None:
        self.response = response

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        return (CaptureSpec.of("response", "tuned", "prompt", **self.response),)

    def score(self, block: Block) -> Scores:
        (spec,) = self.needs
        values = np.full(len(block), np.nan)
        status, why = status_of(block, spec)
        reasons: list[str | None] = []
        for row, said in enumerate(block[spec]["text"].to_pylist()):
            if status[row] != OK:
                reasons.append(why[row] or status[row])
            elif said is None or not said.strip():
                reasons.append(NO_TEXT if said is None else EMPTY_ANSWER)
            else:
                values[row] = 1.0 - linguistic_confidence(said)
                reasons.append(None)
        return Scores(values, reasons)
