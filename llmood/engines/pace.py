"""How fast a capture runs, for forecasts."""

from __future__ import annotations

import time
from collections.abc import Sequence

from llmood.engines.base import Request

LEAST_SECONDS = 1.0  # what a rate has to be measured over


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
