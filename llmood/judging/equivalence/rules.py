"""The rules by which two answers say the same; each knows what decides its verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from llmood.judging.equivalence.verdicts import Verdicts
from llmood.judging.normalise import normalise
from llmood.measures.nli import Verdict, equivalent, undecided

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class AnswerPair:
    """Two answers to one question."""

    question: str
    first: str
    second: str


class Rule(Protocol):
    """Says which answers say the same."""

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides its verdicts, as JSON."""

    def same(self, pairs: Sequence[AnswerPair]) -> Sequence[bool]: ...

    def entailment(self, pairs: Sequence[AnswerPair]) -> Floats:
        """Of each pair (n, 2): how far the second contradicts the first, and how far it follows from it; in [0, 1]."""


class ExactRule:
    """The same words, but for case, punctuation, articles and spacing; what normalises to nothing is compared as is."""

    @property
    def identity(self) -> dict[str, Any]:
        return {"engine": "exact", "version": 1}

    def same(self, pairs: Sequence[AnswerPair]) -> Sequence[bool]:
        return [_words(pair.first) == _words(pair.second) for pair in pairs]

    def entailment(self, pairs: Sequence[AnswerPair]) -> Floats:
        follows = np.array(self.same(pairs), dtype=np.float32)
        return np.stack([1 - follows, follows], axis=1) if len(pairs) else np.zeros((0, 2), np.float32)


class NliRule:
    """What a natural-language-inference model says of them both ways.

    Args:
        mode: `strict` or `lax` (`measures.nli.equivalent`).
        question: whether each answer is read behind its question.
    """

    def __init__(
        self, verdicts: Verdicts, *, mode: Literal["strict", "lax"] = "strict", question: bool = True
    ) -> None:
        self.verdicts = verdicts
        self.mode = mode
        self.question = question

    @property
    def identity(self) -> dict[str, Any]:
        return {**self.verdicts.identity, "mode": self.mode, "question": self.question}

    def same(self, pairs: Sequence[AnswerPair]) -> Sequence[bool]:
        there = self._labels([self._texts(pair) for pair in pairs])
        strict = self.mode == "strict"
        back = np.full(len(pairs), Verdict.CONTRADICTION)
        open_ = np.flatnonzero(undecided(there, strict=strict))
        back[open_] = self._labels([self._texts(pairs[index])[::-1] for index in open_])
        found: list[bool] = equivalent(there, back, strict=strict).tolist()
        return found

    def entailment(self, pairs: Sequence[AnswerPair]) -> Floats:
        return self.verdicts.of([self._texts(pair) for pair in pairs])[
            :, [Verdict.CONTRADICTION, Verdict.ENTAILMENT]
        ]

    def _labels(self, texts: Sequence[tuple[str, str]]) -> NDArray[np.int64]:
        labels: NDArray[np.int64] = self.verdicts.of(texts).argmax(axis=1)
        return labels

    def _texts(self, pair: AnswerPair) -> tuple[str, str]:
        if not self.question:
            return pair.first, pair.second
        return f"{pair.question} {pair.first}", f"{pair.question} {pair.second}"


def _words(text: str) -> str:
    return normalise(text) or text.strip()
