"""What is compared of one sample: its draws' words, each different one once, and why there may be none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from llmood.engines.observations import Block
from llmood.identity import digest
from llmood.judging.equivalence.rules import AnswerPair
from llmood.records import EMPTY_ANSWER, EMPTY_DRAWS, OK, UNSCORED, CaptureSpec

Unread = dict[str, Any]
"""A sample's row of the index where it has nothing to compare."""


@dataclass(frozen=True, slots=True)
class Draws:
    """One sample's answers, each different one once.

    Attributes:
        texts: the different answers that say something, in the order in which they first came.
        place: of each draw, the index of its text; −1 where it says nothing.
    """

    sample_id: str
    question: str
    texts: tuple[str, ...]
    place: tuple[int, ...]

    @property
    def content(self) -> str:
        return digest([self.question, self.texts, self.place])

    def pair(self, first: int, second: int) -> AnswerPair:
        """Two of the texts."""
        return AnswerPair(self.question, self.texts[first], self.texts[second])


def read_draws(block: Block, drawn: CaptureSpec) -> Iterator[Draws | Unread]:
    """Each sample's draws, in the samples' order."""
    table, offsets = block.many(drawn)
    status, reasons, texts = (table[name].to_pylist() for name in ("status", "reason", "text"))
    names = block.samples["sample_id"].to_pylist()
    for row, (name, question) in enumerate(zip(names, questions(block.samples), strict=True)):
        own = slice(offsets[row], offsets[row + 1])
        missing = next((at for at in range(own.start, own.stop) if status[at] != OK), None)
        if missing is not None:
            yield {"sample_id": name, "status": status[missing], "reason": reasons[missing]}
            continue
        said = [(text or "").strip() for text in texts[own]]
        known = tuple(dict.fromkeys(text for text in said if text))
        if not known:
            yield {"sample_id": name, "status": UNSCORED, "reason": EMPTY_DRAWS}
            continue
        place = {text: at for at, text in enumerate(known)}
        yield Draws(name, question, known, tuple(place.get(text, -1) for text in said))


def read_answers(block: Block, response: CaptureSpec) -> Iterator[str | Unread]:
    """What each sample was answered, in the samples' order."""
    table = block[response]
    columns = (table[name].to_pylist() for name in ("status", "reason", "text"))
    for name, status, reason, text in zip(block.samples["sample_id"].to_pylist(), *columns, strict=True):
        said = (text or "").strip()
        if status != OK:
            yield {"sample_id": name, "status": status, "reason": reason}
        elif not said:
            yield {"sample_id": name, "status": UNSCORED, "reason": EMPTY_ANSWER}
        else:
            yield said


def questions(samples: pa.Table) -> list[str]:
    """What was asked: the last turn's words, without template; the prompt where there are no turns."""
    found = []
    for messages, prompt in zip(samples["messages"].to_pylist(), samples["prompt"].to_pylist(), strict=True):
        turns = json.loads(messages) if messages else []
        parts = turns[-1]["content"] if turns else []
        words = " ".join(part["text"] for part in parts if part.get("type") == "text")
        found.append((words or prompt or "").strip())
    return found
