"""What else could have been said at each token of an answer, and whether that would claim the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmood.engines.captures import given_answer
from llmood.engines.observations import Block
from llmood.identity import digest
from llmood.judging.equivalence.count import Count
from llmood.judging.equivalence.draws import Unread, questions
from llmood.judging.equivalence.relevance import NO_TOKENIZER
from llmood.judging.equivalence.rules import AnswerPair, Rule
from llmood.measures.claim_conditioned import claim_conditioned_log_probability
from llmood.measures.nli import Verdict, combined_verdict
from llmood.records import EMPTY_ANSWER, OK, UNSCORED, CaptureSpec

Decode = Callable[[Sequence[int]], str]

FURTHER = ["logprobs", "top_ids", "top_logprobs"]
"""The columns of a response that this reads beside its text and ids."""
NO_ALTERNATIVES = "the answer has no alternatives to its tokens"


@dataclass(frozen=True, slots=True)
class Token:
    """A token of an answer and the alternatives to it, each as the answer up to there.

    Attributes:
        text: with the token itself; None for one that adds no words (the end), which claims nothing.
        others: with each alternative in its place; None where that adds no words.
        logprobs: of the token, then of the alternatives.
    """

    text: str | None
    others: tuple[str | None, ...]
    logprobs: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Claims:
    """One sample's answer, token by token."""

    sample_id: str
    question: str
    tokens: tuple[Token, ...]

    @property
    def content(self) -> str:
        return digest([self.question, [[each.text, each.others, each.logprobs] for each in self.tokens]])


class Alternatives:
    """Of each token, log p of what it claims, given that something of the kind is claimed.

    An alternative that makes the same text needs no verdict, one that adds no words is another kind of claim; the
    others are asked for, both ways, and the two verdicts made one (`measures.nli.combined_verdict`).

    Args:
        spec: its response has the likeliest tokens.
        decode: the tokenizer that the answer's ids are of.
    """

    def __init__(self, spec: CaptureSpec, decode: Decode | None) -> None:
        self._source = given_answer(spec)
        self._most = int(dict(self._source.params)["top"])
        self._decode = decode

    def read(self, block: Block) -> Iterator[Claims | Unread]:
        names = block.samples["sample_id"].to_pylist()
        rows = block[self._source].to_pylist()
        for name, question, row in zip(names, questions(block.samples), rows, strict=True):
            if row["status"] != OK:
                yield {"sample_id": name, "status": row["status"], "reason": row["reason"]}
            elif not (row["text"] or "").strip():
                yield {"sample_id": name, "status": UNSCORED, "reason": EMPTY_ANSWER}
            elif not row["token_ids"] or not row["top_ids"] or None in (row["logprobs"] or [None]):
                yield {"sample_id": name, "status": UNSCORED, "reason": NO_ALTERNATIVES}
            elif self._decode is None:
                yield {"sample_id": name, "status": UNSCORED, "reason": NO_TOKENIZER}
            else:
                yield Claims(name, question, tuple(self._tokens(row, self._decode)))

    def observe(self, samples: Sequence[Claims], rule: Rule, count: Count) -> list[dict[str, Any]]:
        ways = [
            pair
            for sample in samples
            for token in sample.tokens
            for other in token.others
            if _open(token, other)
            for pair in _both(sample.question, token, other)
        ]
        asked = list(dict.fromkeys(ways))
        said = dict(zip(asked, _classes(rule.entailment(asked)).tolist(), strict=True))
        count.pairs += 2 * sum(len(token.others) for sample in samples for token in sample.tokens)
        count.compared += len(asked)
        return [
            {"claim_logprobs": [_claimed(sample, token, said) for token in sample.tokens]}
            for sample in samples
        ]

    def _tokens(self, row: dict[str, Any], decode: Decode) -> Iterator[Token]:
        ids, before = row["token_ids"], ""
        columns = (ids, row["logprobs"], row["top_ids"], row["top_logprobs"])
        for at, (own, logprob, top, values) in enumerate(zip(*columns, strict=True)):
            others = [pair for pair in zip(top, values, strict=True) if pair[0] != own][: self._most]
            texts = [decode([*ids[:at], each]).strip() for each in (own, *(other for other, _ in others))]
            said = [text if text != before else None for text in texts]
            yield Token(said[0], tuple(said[1:]), (logprob, *(value for _, value in others)))
            before = texts[0]


def _open(token: Token, other: str | None) -> bool:
    """Whether it takes a verdict to say what an alternative claims."""
    return token.text is not None and other is not None and other != token.text


def _both(question: str, token: Token, other: str | None) -> tuple[AnswerPair, AnswerPair]:
    first, second = token.text or "", other or ""
    return AnswerPair(question, first, second), AnswerPair(question, second, first)


def _classes(entailment: NDArray[np.floating]) -> NDArray[np.int64]:
    """The likeliest `Verdict` (n,), of the probabilities of contradiction and entailment (n, 2)."""
    against, follows = entailment[:, 0], entailment[:, 1]
    return np.asarray(np.stack([against, 1.0 - against - follows, follows], axis=1).argmax(axis=1), np.int64)


def _claimed(sample: Claims, token: Token, said: dict[AnswerPair, int]) -> float:
    if token.text is None:
        return 0.0
    verdicts = [int(Verdict.ENTAILMENT)]
    for other in token.others:
        if _open(token, other):
            there, back = (np.array(said[pair]) for pair in _both(sample.question, token, other))
            verdicts.append(int(combined_verdict(there, back)))
        else:
            verdicts.append(int(Verdict.NEUTRAL if other is None else Verdict.ENTAILMENT))
    logprobs = np.array([token.logprobs])
    return float(claim_conditioned_log_probability(logprobs, np.array([verdicts]))[0])
