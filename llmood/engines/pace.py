"""How fast a capture runs, for forecasts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from llmood.engines.base import Request
from llmood.records import CaptureSpec

LEAST_SECONDS = 1.0  # what a rate has to be measured over


def answer_room(spec: CaptureSpec) -> int:
    """The most tokens that each request of a capture adds to its own: of several answers, all of them."""
    params: dict[str, Any] = dict(spec.params)
    return int(params.get("max_new_tokens", 0)) * int(params.get("n", 1))


class Pace:
    """How many tokens a second a capture runs; the first batch, which loads the model, isn't counted.

    Args:
        room: the tokens that each request may add to its own.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._tokens = 0
        self._started: float | None = None

    def add(self, batch: Sequence[Request]) -> None:
        """Count a batch that has just ended."""
        if self._started is None:
            self._started = time.monotonic()
        else:
            self._tokens += sum(len(request.token_ids) + self._room for request in batch)

    @property
    def rate(self) -> float | None:
        """None where too little was seen to tell."""
        elapsed = 0.0 if self._started is None else time.monotonic() - self._started
        return self._tokens / elapsed if elapsed >= LEAST_SECONDS else None
