"""How far a sample's draws support each other's sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from llmood.engines.captures import compared_answers
from llmood.engines.observations import Block
from llmood.judging.equivalence.count import Count
from llmood.judging.equivalence.draws import Draws, Unread, read_draws
from llmood.judging.equivalence.rules import AnswerPair, Rule
from llmood.judging.equivalence.sentences import sentences
from llmood.records import CaptureSpec


class SentenceSupport:
    """`support`, (sentences, draws): how far each draw, whole, supports each sentence; and whose `sentence` it is.

    A draw supports what it says itself, word for word, fully, and no model is asked; nor is one of a sentence that
    several draws share twice.
    """

    def __init__(self, spec: CaptureSpec) -> None:
        self._drawn = compared_answers(spec)

    def read(self, block: Block) -> Iterator[Draws | Unread]:
        return read_draws(block, self._drawn)

    def observe(self, samples: Sequence[Draws], rule: Rule, count: Count) -> list[dict[str, Any]]:
        said = [[sentences(text) for text in sample.texts] for sample in samples]
        asked = {
            AnswerPair(sample.question, premise, sentence): None
            for sample, own in zip(samples, said, strict=True)
            for at, premise in enumerate(sample.texts)
            for other, parts in enumerate(own)
            for sentence in parts
            if other != at and sentence not in own[at]
        }
        found = dict(zip(asked, rule.support(list(asked)).tolist(), strict=True))
        count.compared += len(asked)
        rows = []
        for sample, own in zip(samples, said, strict=True):
            spoken = [(draw, part) for draw, at in enumerate(sample.place) if at >= 0 for part in own[at]]
            count.pairs += len(spoken) * (len(sample.place) - 1)
            support = np.zeros((len(spoken), len(sample.place)))
            for row, (_, sentence) in enumerate(spoken):
                for column, at in enumerate(sample.place):
                    if at >= 0:
                        pair = AnswerPair(sample.question, sample.texts[at], sentence)
                        support[row, column] = 1.0 if sentence in own[at] else found[pair]
            rows.append({"support": support.ravel().tolist(), "sentence": [draw for draw, _ in spoken]})
        return rows
