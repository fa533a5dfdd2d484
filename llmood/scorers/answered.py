"""What the scorers share that hold the given answer against the draws."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from llmood.engines.captures import comparison_of
from llmood.engines.observations import Block
from llmood.measures.token_statistics import Floats, Integers, sum_scored_tokens
from llmood.records import EMPTY_ANSWER, CaptureSpec
from llmood.scorers.drawn import Drawn, ReadsDraws, first_reasons, reasons_of
from llmood.scorers.settings import SAME_WORDS, SHORT_ANSWER, TEN_DRAWS, Params
from llmood.scorers.spans import any_missing, token_column

NO_VALUES: Mapping[str, str] = {
    "logprobs": "the answer has no log-probabilities",
    "entropy": "the answer has no token entropies",
}


@dataclass(frozen=True, slots=True)
class Answered:
    """The draws of n samples that say something, m in all, and what was answered to each sample.

    Attributes:
        draws: their texts and likelihoods; `clusters` is 0 for a draw that says what the answer says, else 1.
        contradiction, entailment: float64 (m, 2), of the draw given the answer, and of the answer given the draw.
        answers: n texts.
        sums: float64 (n,), over the answer's tokens of what `token_values` names.
        tokens: int64 (n,), how many those are.
    """

    draws: Drawn
    contradiction: Floats
    entailment: Floats
    answers: Sequence[str]
    sums: Floats
    tokens: Integers

    @property
    def similarity(self) -> Floats:
        """Of the answer and each draw, (m,): how far each follows from the other, averaged over both ways."""
        return np.asarray(self.entailment.mean(axis=1))


class FromAnswer(ReadsDraws):
    """A scorer of the given answer beside the draws; one draw is enough.

    Args:
        generations: how they were drawn (the run's `generations`).
        equivalence: when two of them say the same (the run's `equivalence`).
        response: how the answer was decoded (the run's `response`).
    """

    compared = "answer"
    least = 1

    columns: ClassVar[Mapping[str, list[str]]] = {
        **ReadsDraws.columns,
        "response": ["text", "logprobs", "entropy"],
    }

    def __init__(
        self,
        *,
        generations: Params = TEN_DRAWS,
        equivalence: Params = SAME_WORDS,
        response: Params = SHORT_ANSWER,
    ) -> None:
        super().__init__(generations=generations, equivalence=equivalence)
        self.response = response

    @property
    def answer(self) -> CaptureSpec:
        """The capture of the answer."""
        return CaptureSpec.of("response", "tuned", "prompt", **self.response)

    @property
    def comparison(self) -> CaptureSpec:
        return comparison_of("answer", self.equivalence, self.generations, self.response)

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        return (self.draws, self.answer, self.comparison)

    @property
    def token_values(self) -> Literal["logprobs", "entropy"] | None:
        """What it needs of each token of the answer."""
        return None

    @property
    def token_columns(self) -> Mapping[str, str]:
        return {**super().token_columns, **({"response": self.token_values} if self.token_values else {})}

    @abstractmethod
    def of_answers(self, answered: Answered) -> Floats:
        """Of samples with an answer and a draw or more, (n,); higher = more uncertain. NaN where it isn't defined."""

    def _unread(self, block: Block) -> list[str | None]:
        return why_unread(block[self.answer], self.token_values)

    def of_rows(self, block: Block, drawn: Drawn, rows: NDArray[np.intp]) -> Floats:
        answers = block[self.answer].take(pa.array(rows))
        compared = block[self.comparison].take(pa.array(rows))
        sums, tokens = sum_scored_tokens(*token_column(answers, self.token_values or "logprobs"))
        contradiction, entailment = (_both_ways(compared, name) for name in ("contradiction", "entailment"))
        texts = [(text or "").strip() for text in answers["text"].to_pylist()]
        return self.of_answers(Answered(drawn, contradiction, entailment, texts, sums, tokens))


def why_unread(answers: pa.Table, values: Literal["logprobs", "entropy"] | None) -> list[str | None]:
    """Of each answer, why it can't be looked at.

    Args:
        answers: rows of the kind `response`.
        values: what has to be there of each token.
    """
    empty = [None if (text or "").strip() else EMPTY_ANSWER for text in answers["text"].to_pylist()]
    found = first_reasons(reasons_of(answers), empty)
    if values is None:
        return found
    flat, bounds = token_column(answers, values)
    known = (np.diff(bounds) > 0) & ~any_missing(flat, bounds)
    return first_reasons(found, [None if there else NO_VALUES[values] for there in known])


def _both_ways(compared: pa.Table, name: str) -> Floats:
    """(m, 2): of the draws that say something, there from the answer and back."""
    found = [
        np.array(values, np.float64).reshape(2, len(own))[:, [number is not None for number in own]].T
        for values, own in zip(compared[name].to_pylist(), compared["cluster"].to_pylist(), strict=True)
    ]
    return np.concatenate(found)
