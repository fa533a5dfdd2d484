"""What the scorers of the response's own tokens share: the capture, and which answers say nothing."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from llmood.engines.observations import Block
from llmood.measures.token_statistics import Floats
from llmood.records import EMPTY_ANSWER, OK, CaptureSpec, Scores
from llmood.scorers.base import Scorer
from llmood.scorers.settings import SHORT_ANSWER, Params
from llmood.scorers.spans import status_of

SAYS_WHETHER_EMPTY = ["text", "finish", "logprobs"]


class FromResponse(Scorer):
    """A scorer of the tokens of the answer that a run looks at.

    Args:
        response: how it was decoded (the run's `response`).
    """

    asked: ClassVar[Params] = {}
    """What is to be recorded with the response, beside its tokens and their log-probabilities."""
    missing: ClassVar[str]
    """Why an answer that is there has no score."""

    columns: ClassVar[Mapping[str, list[str]]] = {"response": SAYS_WHETHER_EMPTY}

    def __init__(self, *, response: Params = SHORT_ANSWER) -> None:
        self.response = response

    @property
    def answer(self) -> CaptureSpec:
        """The capture of the answer."""
        return CaptureSpec.of("response", "tuned", "prompt", **{**self.response, **self.asked})

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        return (self.answer,)

    @abstractmethod
    def uncertainty(self, *tables: pa.Table) -> Floats:
        """Of n answers that say something, (n,); higher = more uncertain. NaN where something is missing.

        Args:
            tables: of `needs`, in that order, n rows each.
        """

    def score(self, block: Block) -> Scores:
        status, reasons = status_of(block, *self.needs)
        blank = says_nothing(block[self.answer])
        there = np.array([state == OK for state in status], dtype=np.bool_) & ~blank
        values = np.full(len(block), np.nan)
        if there.any():
            values[there] = self.uncertainty(*(block[spec].filter(pa.array(there)) for spec in self.needs))
        shown = [
            (EMPTY_ANSWER if blank[row] else self.missing if np.isnan(values[row]) else None)
            if status[row] == OK
            else reasons[row] or status[row]
            for row in range(len(block))
        ]
        return Scores(values, shown)


def says_nothing(table: pa.Table) -> NDArray[np.bool_]:
    """Which answers are blank; where no text is kept, which are of the end token alone."""
    columns = (table[name].to_pylist() for name in ("text", "finish", "logprobs"))
    return np.array(
        [
            not text.strip()
            if text is not None
            else finish == "stop" and tokens is not None and len(tokens) <= 1
            for text, finish, tokens in zip(*columns, strict=True)
        ],
        dtype=np.bool_,
    )
