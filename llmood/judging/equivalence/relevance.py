"""How much each token of an answer matters: what is left of its meaning without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from llmood.engines.captures import OF_ANSWER, compared
from llmood.engines.observations import Block
from llmood.identity import digest
from llmood.judging.equivalence.count import Count
from llmood.judging.equivalence.draws import Unread, questions
from llmood.judging.equivalence.rules import AnswerPair, Rule
from llmood.records import EMPTY_ANSWER, EMPTY_DRAWS, OK, UNSCORED, CaptureSpec

Decode = Callable[[Sequence[int]], str]
Tokenised = tuple[str, tuple[str, ...]]
"""An answer, and what it is without each of its tokens."""

NO_TOKEN_IDS = "the answers have no token ids"
NO_TOKENIZER = "there is no tokenizer that says what an answer is without a token"


@dataclass(frozen=True, slots=True)
class Answers:
    """One sample's answers; None for one that says nothing."""

    sample_id: str
    question: str
    answers: tuple[Tokenised | None, ...]

    @property
    def content(self) -> str:
        return digest([self.question, self.answers])


class TokenRelevance:
    """1 − the similarity of an answer with and without each token, averaged over both ways; (answers, tokens).

    A token that adds no words (the end) has relevance 0; one without which nothing is left, 1. Neither asks the rule.

    Args:
        spec: the draws of it, or the response.
        decode: the tokenizer that the answers' ids are of; without one, nothing can be compared.
    """

    def __init__(self, spec: CaptureSpec, decode: Decode | None) -> None:
        (self._source,) = compared(spec)
        self._several = dict(spec.params)["pairs"] not in OF_ANSWER
        self._decode = decode

    def read(self, block: Block) -> Iterator[Answers | Unread]:
        if self._several:
            table, offsets = block.many(self._source)
        else:
            table, offsets = block[self._source], np.arange(len(block) + 1)
        rows = table.select(["status", "reason", "text", "token_ids"]).to_pylist()
        names = block.samples["sample_id"].to_pylist()
        for at, (name, question) in enumerate(zip(names, questions(block.samples), strict=True)):
            own = rows[offsets[at] : offsets[at + 1]]
            status, reason = self._state(own)
            if status != OK:
                yield {"sample_id": name, "status": status, "reason": reason}
            else:
                yield Answers(name, question, tuple(_tokenised(row, self._decode) for row in own))

    def observe(self, samples: Sequence[Answers], rule: Rule, count: Count) -> list[dict[str, Any]]:
        whole = [(sample.question, answer) for sample in samples for answer in sample.answers if answer]
        asked = {
            AnswerPair(question, *pair): None
            for question, (text, without) in whole
            for rest in without
            if rest not in ("", text)
            for pair in ((text, rest), (rest, text))
        }
        found: dict[AnswerPair, float] = dict(
            zip(asked, rule.entailment(list(asked))[:, 1].tolist(), strict=True)
        )
        count.pairs += 2 * sum(len(without) for _, (_, without) in whole)
        count.compared += len(asked)

        def relevance(question: str, text: str, rest: str) -> float:
            if rest in ("", text):
                return float(not rest)
            ways = (AnswerPair(question, text, rest), AnswerPair(question, rest, text))
            return 1.0 - min(1.0, (found[ways[0]] + found[ways[1]]) / 2)

        return [
            {
                "relevance": [
                    None
                    if answer is None
                    else [relevance(sample.question, answer[0], rest) for rest in answer[1]]
                    for answer in sample.answers
                ]
            }
            for sample in samples
        ]

    def _state(self, own: Sequence[dict[str, Any]]) -> tuple[str, str | None]:
        missing = next((row for row in own if row["status"] != OK), None)
        if missing is not None:
            return missing["status"], missing["reason"]
        said = [row for row in own if (row["text"] or "").strip()]
        if not said:
            return UNSCORED, EMPTY_DRAWS if self._several else EMPTY_ANSWER
        if self._decode is None:
            return UNSCORED, NO_TOKENIZER
        return (OK, None) if all(row["token_ids"] for row in said) else (UNSCORED, NO_TOKEN_IDS)


def _tokenised(row: dict[str, Any], decode: Decode | None) -> Tokenised | None:
    text, ids = (row["text"] or "").strip(), row["token_ids"]
    if not text or decode is None:
        return None
    return text, tuple(decode([*ids[:at], *ids[at + 1 :]]).strip() for at in range(len(ids)))
