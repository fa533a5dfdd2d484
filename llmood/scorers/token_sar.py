"""The answer's surprise where it matters: each token weighs as much as the meaning that goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pyarrow as pa

from llmood.engines.captures import comparison_of
from llmood.engines.observations import Block
from llmood.measures.shifting_attention import token_sar
from llmood.measures.token_statistics import Floats
from llmood.records import CaptureSpec, Scores
from llmood.scorers.answered import why_unread
from llmood.scorers.base import Scorer, register
from llmood.scorers.drawn import UNDEFINED, described, first_reasons, reasons_of
from llmood.scorers.settings import SAME_WORDS, SHORT_ANSWER, Params
from llmood.scorers.spans import token_column


@register("token_sar")
class TokenSar(Scorer):
    """The mean −log p of the answer's tokens, each weighed by how much the answer changes without it.

    Formula: `measures.shifting_attention.token_sar` (Duan et al., ACL 2024). The change is 1 − how far the answer with
    and without the token entail each other, averaged over both ways.

    Args:
        equivalence: when two answers say the same (the run's `equivalence`).
        response: how the answer was decoded (the run's `response`).
    """

    reads_answers: ClassVar[bool] = True
    columns: ClassVar[Mapping[str, list[str]]] = {
        "response": ["text", "logprobs"],
        "equivalence": ["relevance"],
    }

    def __init__(self, *, equivalence: Params = SAME_WORDS, response: Params = SHORT_ANSWER) -> None:
        self.equivalence = equivalence
        self.response = response

    @property
    def answer(self) -> CaptureSpec:
        """The capture of the answer."""
        return CaptureSpec.of("response", "tuned", "prompt", **self.response)

    @property
    def relevance(self) -> CaptureSpec:
        """The capture of how much each token matters."""
        return comparison_of("answer_tokens", self.equivalence, response=self.response)

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        return (self.answer, self.relevance)

    @property
    def token_columns(self) -> Mapping[str, str]:
        return {"response": "logprobs"}

    @property
    def definition(self) -> str:
        return described(self.equivalence)

    def score(self, block: Block) -> Scores:
        answers, relevance = block[self.answer], block[self.relevance]
        reasons = first_reasons(why_unread(answers, "logprobs"), reasons_of(relevance))
        values = np.full(len(block), np.nan)
        rows = np.flatnonzero([reason is None for reason in reasons])
        if len(rows):
            weights = [own[0] for own in relevance["relevance"].take(pa.array(rows)).to_pylist()]
            values[rows] = weighed(answers.take(pa.array(rows)), weights)
        for row in rows[np.isnan(values[rows])]:
            reasons[row] = UNDEFINED
        return Scores(values, reasons)


def weighed(answers: pa.Table, relevances: list[list[float]]) -> Floats:
    """`token_sar` of each answer, (n,)."""
    logprobs, offsets = token_column(answers, "logprobs")
    flat = np.array([value for own in relevances for value in own], dtype=np.float64)
    if [len(own) for own in relevances] != np.diff(offsets).tolist():
        raise ValueError("relevances of other tokens than those that have log-probabilities")
    return token_sar(np.asarray(logprobs, dtype=np.float64), flat, offsets)
