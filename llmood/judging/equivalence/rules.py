"""The rules by which two answers say the same; each knows what decides its verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from llmood.judging.equivalence.embeddings import Embeddings
from llmood.judging.equivalence.verdicts import Verdicts
from llmood.judging.normalise import match_key
from llmood.judging.numeric_match import same_number
from llmood.measures.luq import entailment_over_contradiction
from llmood.measures.nli import Verdict, equivalent, undecided

Floats = NDArray[np.float32]
LEAST = np.finfo(np.float32).tiny  # what a probability that was rounded to 0 may have been


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

    def support(self, pairs: Sequence[AnswerPair]) -> Floats:
        """Of each pair (n,): how far the first speaks for the second rather than against it; in [0, 1]."""


class ExactRule:
    """The same words, but for case, punctuation, articles and spacing; what normalises to nothing is compared as is."""

    @property
    def identity(self) -> dict[str, Any]:
        return {"engine": "exact", "version": 1}

    def same(self, pairs: Sequence[AnswerPair]) -> Sequence[bool]:
        return [match_key(pair.first) == match_key(pair.second) for pair in pairs]

    def entailment(self, pairs: Sequence[AnswerPair]) -> Floats:
        return _or_else_against(np.array(self.same(pairs), dtype=np.float32))

    def support(self, pairs: Sequence[AnswerPair]) -> Floats:
        return self.entailment(pairs)[:, 1]


class EmbeddingRule:
    """A sentence encoder's vectors point the same way.

    Args:
        threshold: the cosine from which on two answers say the same.
        question: whether each answer is read behind its question.
    """

    def __init__(self, embeddings: Embeddings, *, threshold: float, question: bool = False) -> None:
        self.embeddings = embeddings
        self.threshold = threshold
        self.question = question

    @property
    def identity(self) -> dict[str, Any]:
        return {**self.embeddings.identity, "threshold": self.threshold, "question": self.question}

    def same(self, pairs: Sequence[AnswerPair]) -> Sequence[bool]:
        found: list[bool] = (self._cosines(pairs) >= self.threshold).tolist()
        return found

    def entailment(self, pairs: Sequence[AnswerPair]) -> Floats:
        """The cosine, 0 where it is negative; it knows no contradiction, so that this is what is left of 1."""
        return _or_else_against(np.clip(self._cosines(pairs), 0.0, 1.0))

    def support(self, pairs: Sequence[AnswerPair]) -> Floats:
        return self.entailment(pairs)[:, 1]

    def vectors(self, texts: Sequence[str]) -> Floats:
        """What the encoder makes of texts by themselves, (n, size), of length 1."""
        found = self.embeddings.of(dict.fromkeys(texts))
        return np.stack([found[text] for text in texts])

    def _cosines(self, pairs: Sequence[AnswerPair]) -> Floats:
        texts = [_texts(pair, question=self.question) for pair in pairs]
        vectors = self.embeddings.of(dict.fromkeys(text for both in texts for text in both))
        return np.array([vectors[first] @ vectors[second] for first, second in texts], dtype=np.float32)


class NumericRule(ExactRule):
    """The same last number, as `numeric_match` reads it; where one of them has none, the same words."""

    @property
    def identity(self) -> dict[str, Any]:
        return {"engine": "numeric", "version": 1}

    def same(self, pairs: Sequence[AnswerPair]) -> Sequence[bool]:
        numbers = [same_number(pair.first, pair.second) for pair in pairs]
        words = super().same(pairs)
        return [word if number is None else number for number, word in zip(numbers, words, strict=True)]


class NliRule:
    """What a natural-language-inference model says of them both ways.

    Args:
        mode: `strict` or `lax` (`measures.nli.equivalent`).
        question: whether each answer is read behind its question.
    """

    def __init__(
        self, verdicts: Verdicts[Any], *, mode: Literal["strict", "lax"] = "strict", question: bool = True
    ) -> None:
        self.verdicts = verdicts
        self.mode = mode
        self.question = question

    @property
    def identity(self) -> dict[str, Any]:
        return {**self.verdicts.identity, "mode": self.mode, "question": self.question}

    def same(self, pairs: Sequence[AnswerPair]) -> Sequence[bool]:
        there = self._labels(pairs)
        strict = self.mode == "strict"
        back = np.full(len(pairs), Verdict.CONTRADICTION)
        open_ = np.flatnonzero(undecided(there, strict=strict))
        turned = [AnswerPair(each.question, each.second, each.first) for each in (pairs[at] for at in open_)]
        back[open_] = self._labels(turned)
        found: list[bool] = equivalent(there, back, strict=strict).tolist()
        return found

    def entailment(self, pairs: Sequence[AnswerPair]) -> Floats:
        return self._probabilities(pairs)[:, [Verdict.CONTRADICTION, Verdict.ENTAILMENT]]

    def support(self, pairs: Sequence[AnswerPair]) -> Floats:
        """Entailment where neutral is left out; of a model of two classes, entailment itself."""
        probabilities: Floats = self._probabilities(pairs)
        if not self.verdicts.contradicts:
            return probabilities[:, Verdict.ENTAILMENT]
        logs = np.log(np.maximum(probabilities, LEAST))
        found = entailment_over_contradiction(logs[:, Verdict.ENTAILMENT], logs[:, Verdict.CONTRADICTION])
        return found.astype(np.float32)

    def _probabilities(self, pairs: Sequence[AnswerPair]) -> Floats:
        return self.verdicts.of([self._read(pair) for pair in pairs])

    def _labels(self, pairs: Sequence[AnswerPair]) -> NDArray[np.int64]:
        labels: NDArray[np.int64] = self._probabilities(pairs).argmax(axis=1)
        return labels

    def _read(self, pair: AnswerPair) -> tuple[str, ...]:
        """What the model is given of a pair."""
        return _texts(pair, question=self.question)


class JudgeRule(NliRule):
    """A language model says that they mean the same, whichever of them it reads first.

    Which order it reads them in sways a judge, so one order is not enough. Where it finds Yes and No equally likely it
    says No.

    Args:
        verdicts: of a question and two answers, the probabilities of No, 0, and of Yes.
        question: whether the question stands before them.
    """

    def __init__(self, verdicts: Verdicts[Any], *, question: bool = True) -> None:
        super().__init__(verdicts, mode="strict", question=question)

    def _read(self, pair: AnswerPair) -> tuple[str, ...]:
        return pair.question if self.question else "", pair.first, pair.second


def _texts(pair: AnswerPair, *, question: bool) -> tuple[str, str]:
    """What a model reads of a pair."""
    if not question:
        return pair.first, pair.second
    return f"{pair.question} {pair.first}", f"{pair.question} {pair.second}"


def _or_else_against(follows: Floats) -> Floats:
    """(n, 2) from how far the second follows (n,): what doesn't follow is against it."""
    return np.stack([1 - follows, follows], axis=1).astype(np.float32)
