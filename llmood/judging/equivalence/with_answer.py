"""What the draws say beside the answer that was given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from llmood.engines.captures import compared_answers, given_answer
from llmood.engines.observations import Block
from llmood.identity import digest
from llmood.judging.equivalence.count import Count
from llmood.judging.equivalence.draws import Draws, Unread, read_answers, read_draws
from llmood.judging.equivalence.rules import AnswerPair, Rule
from llmood.records import CaptureSpec


@dataclass(frozen=True, slots=True)
class Answered:
    """A sample's draws and the answer that was given."""

    draws: Draws
    answer: str

    @property
    def sample_id(self) -> str:
        return self.draws.sample_id

    @property
    def content(self) -> str:
        return digest([self.draws.content, self.answer])


class WithAnswer:
    """Of each draw, whether it says what the answer says (`cluster` 0, else 1), and verdicts both ways.

    `contradiction` and `entailment` are (2, draws): how far the draw follows from the answer, and the answer from it.
    """

    def __init__(self, spec: CaptureSpec) -> None:
        self._drawn, self._response = compared_answers(spec), given_answer(spec)

    def read(self, block: Block) -> Iterator[Answered | Unread]:
        for answer, draws in zip(
            read_answers(block, self._response), read_draws(block, self._drawn), strict=True
        ):
            if isinstance(answer, dict):
                yield answer
            else:
                yield draws if isinstance(draws, dict) else Answered(draws, answer)

    def observe(self, samples: Sequence[Answered], rule: Rule, count: Count) -> list[dict[str, Any]]:
        asked = [
            (number, at)
            for number, sample in enumerate(samples)
            for at, text in enumerate(sample.draws.texts)
            if text != sample.answer
        ]
        pairs = [
            AnswerPair(
                samples[number].draws.question, samples[number].answer, samples[number].draws.texts[at]
            )
            for number, at in asked
        ]
        count.pairs += sum(2 * len(sample.draws.place) for sample in samples)
        count.compared += len(pairs)
        agrees = rule.same(pairs)
        there = rule.entailment(pairs)
        back = rule.entailment([AnswerPair(pair.question, pair.second, pair.first) for pair in pairs])
        # By text: same or not, and contradiction and entailment there and back; a text that is the answer entails it.
        same = [np.ones(len(sample.draws.texts), dtype=np.bool_) for sample in samples]
        verdicts = [np.tile([0.0, 1.0], (2, len(sample.draws.texts), 1)) for sample in samples]
        for (number, at), agreed, *ways in zip(asked, agrees, there, back, strict=True):
            same[number][at] = agreed
            verdicts[number][:, at] = ways
        return [_row(sample.draws, *found) for sample, *found in zip(samples, same, verdicts, strict=True)]


def _row(draws: Draws, same: Any, verdicts: Any) -> dict[str, Any]:
    places = np.array(draws.place)
    full = verdicts[:, places]
    full[:, places < 0] = 0.0
    return {
        "cluster": [None if at < 0 else int(not same[at]) for at in draws.place],
        "contradiction": full[..., 0].ravel().tolist(),
        "entailment": full[..., 1].ravel().tolist(),
    }
