"""What each word of a question does to its score: the score with it, less the score without it."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from starlette.requests import Request

from llmood.serve.answers import RequestError
from llmood.serve.decision import Asked, Decision
from llmood.serve.edge import passage_of
from llmood.serve.guard import Guard
from llmood.serve.leaving import unless_left
from llmood.serve.score_routes import decide_or_refuse

MOST_WORDS = 40  # each costs a score
ROWS_AT_ONCE = 8
# Where words have no spaces between them, a character stands for a word.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")


@dataclass(frozen=True, slots=True)
class Span:
    """A word of a text, or several together, from `start` to `end`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Word:
    """A word, or several together.

    Attributes:
        text: as it stands in the question.
        change: what it adds to the score; None where the question has no score with it or without it.
        reason: why there is none.
    """

    text: str
    change: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Explained:
    """A question, word by word.

    Attributes:
        whole: the decision on all of it, which is kept nowhere.
        words: in the order of the question.
        grouped: whether several words stand together, because there are too many.
    """

    whole: Decision
    words: Sequence[Word]
    grouped: bool

    def to_json(self) -> dict[str, Any]:
        """The words in the order of the question."""
        return {
            "score": self.whole.score,
            "status": self.whole.status,
            "reason": self.whole.reason,
            "grouped": self.grouped,
            "words": [
                {"text": each.text, "change": each.change, "reason": each.reason} for each in self.words
            ],
        }


def spans_of(text: str, most: int) -> list[Span]:
    """The words of a text; of more than `most`, so many groups of neighbouring words, as even as can be.

    >>> [(span.start, span.end) for span in spans_of("how do I pay", 2)]
    [(0, 6), (7, 12)]
    """
    words = [match.span() for match in _WORD.finditer(text)]
    groups = min(most, len(words))
    edges = [place * len(words) // groups for place in range(groups + 1)] if groups else []
    return [Span(words[first][0], words[last - 1][1]) for first, last in pairwise(edges)]


def without(text: str, span: Span) -> str:
    """A text without a word, and without the space that followed it.

    >>> without("how do I pay", Span(4, 6)), without("how do I pay", Span(9, 12))
    ('how I pay', 'how do I')
    """
    rest = text[span.end :].lstrip()
    return text[: span.start] + rest if rest else text[: span.start].rstrip()


async def explain(guard: Guard, request: Request, record: Mapping[str, Any], name: str) -> Explained:
    """Score a question with each of its words left out. Nothing of it is kept, or counted as traffic.

    Args:
        record: with a question under `name`, and maybe `response`.

    Raises:
        RequestError: no score could be had, or not in time.
    """
    text: str = record[name]
    spans = spans_of(text, MOST_WORDS)
    arrived, number = time.monotonic(), passage_of(request).request_id
    variants = [text, *(without(text, span) for span in spans)]
    asked = [
        Asked({**record, name: variant}, "score", number, arrived, is_kept=False) for variant in variants
    ]
    whole, *rest = await unless_left(request.receive, _decided(guard, asked))
    words = [_word(text[span.start : span.end], whole, left) for span, left in zip(spans, rest, strict=True)]
    return Explained(whole, words, len(spans) < len(_WORD.findall(text)))


async def _decided(guard: Guard, asked: Sequence[Asked]) -> list[Decision]:
    """A few at a time, so that what comes meanwhile doesn't wait for all of them."""
    size = min(ROWS_AT_ONCE, guard.settings.queue)
    found: list[Decision] = []
    try:
        async with asyncio.timeout(guard.settings.timeout):
            for start in range(0, len(asked), size):
                found += await decide_or_refuse(guard, asked[start : start + size])
    except TimeoutError:
        raise RequestError(
            503, "the words could not be scored in time", "timeout", {"Retry-After": "1"}
        ) from None
    return found


def _word(text: str, whole: Decision, left: Decision) -> Word:
    if whole.score is None or left.score is None:
        lacking = whole if whole.score is None else left
        return Word(text, None, lacking.reason)
    return Word(text, whole.score - left.score, None)
