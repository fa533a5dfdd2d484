"""How many requests and tokens a run may still spend."""

from __future__ import annotations

from llmood.errors import EngineError


class BudgetError(EngineError):
    """The next request would go over the budget. What is finished is kept."""


class Budget:
    """Counts what is sent, and what is on its way.

    Args:
        max_requests, max_tokens: None for no bound. Every try counts as a request; tokens are those of the prompt and
            of the answer, by the server's own count where it gives one.
    """

    def __init__(self, max_requests: int | None = None, max_tokens: int | None = None) -> None:
        self.max_requests = max_requests
        self.max_tokens = max_tokens
        self.requests = 0
        self.tokens = 0
        self._reserved = 0
        self._in_flight = 0

    def reserve(self, tokens: int) -> bool:
        """Take a request that may cost so many tokens; False while others on their way might leave room for it.

        Raises:
            BudgetError: there will be no room for it.
        """
        if self.max_requests is not None and self.requests >= self.max_requests:
            raise self._spent(f"{self.requests} requests (engine.server.max_requests)")
        if self.max_tokens is not None and self.tokens + self._reserved + tokens > self.max_tokens:
            if self._in_flight:
                return False
            raise self._spent(f"{self.tokens} of {self.max_tokens} tokens (engine.server.max_tokens)")
        self.requests += 1
        self._in_flight += 1
        self._reserved += tokens
        return True

    def settle(self, reserved: int, used: int) -> None:
        """A request came back and cost so many tokens."""
        self._in_flight -= 1
        self._reserved -= reserved
        self.tokens += used

    def _spent(self, what: str) -> BudgetError:
        return BudgetError(
            f"the budget is spent: {what}",
            hint="what is finished is kept; the same command goes on with a new budget",
        )
