"""One server, asked with patience: bounded waits, tries again where that may help, and keeps to a budget."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import numpy as np

from llmood.engines.server.budget import Budget
from llmood.engines.server.problems import (
    RequestError,
    backoff,
    error_of,
    of_status,
    shown,
)
from llmood.errors import ConfigError
from llmood.server_config import DEFAULT_KEY_ENV, ServerConfig

NO_KEY = "none"  # servers that want no key take any; the client library wants one
KNOCKS = 2  # tries more at an address where nobody has answered yet


def key_of(server: ServerConfig) -> str | None:
    """The key that the environment holds for a server.

    Raises:
        ConfigError: a variable of the user's own choice is named and not set (its name isn't shown: it may be the key),
            or it holds what can't be sent.
    """
    key = os.environ.get(server.key_env, "").strip()
    if not key and server.key_env != DEFAULT_KEY_ENV:
        raise ConfigError(
            "engine.server.key_env: the environment variable that it names is not set",
            hint="export it, or leave key_env out",
        )
    if not key.isascii() or not key.isprintable():
        raise ConfigError(
            "engine.server.key_env: the environment variable that it names holds characters that no key has",
            hint="export the key alone, without line breaks",
        )
    return key or None


class Client:
    """An open connection to a server, within one event loop.

    Args:
        budget: what may be spent; None for requests that don't count (those that find out what the server can do).
        first_contact: whether nothing is known to be at the address: nobody there is then said soon.
    """

    def __init__(
        self, server: ServerConfig, *, budget: Budget | None = None, first_contact: bool = False
    ) -> None:
        self._server = server
        self._first_contact = first_contact
        self._budget = budget or Budget()
        self._key = key_of(server)
        self._generator = np.random.default_rng()  # of waits alone: nothing that is recorded depends on it
        self._not_before = 0.0
        self._settled = asyncio.Condition()

    async def __aenter__(self) -> Self:
        from openai import AsyncOpenAI

        self._client = AsyncOpenAI(
            api_key=self._key or NO_KEY,
            base_url=self._server.url,
            timeout=self._server.timeout,
            max_retries=0,  # tries are counted and paid for here
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def models(self) -> list[Mapping[str, Any]]:
        """What the server says that it serves.

        Raises:
            RequestError: it doesn't say.
        """
        answer = await self._again_and_again("GET", "/models", None, 0)
        listed = answer.get("data")
        if not isinstance(listed, list):
            raise RequestError("it lists no models")
        return [card for card in listed if isinstance(card, Mapping) and isinstance(card.get("id"), str)]

    async def ask(self, path: str, body: Mapping[str, Any], *, tokens: int = 0) -> Mapping[str, Any]:
        """One answer, asked for again and again where that may help.

        Args:
            tokens: how many it may cost, prompt and answer.

        Raises:
            RequestError: there is none, or asking again is no use.
            BudgetError: it would cost more than is left.
        """
        return await self._again_and_again("POST", path, body, tokens)

    async def _again_and_again(
        self, method: str, path: str, body: Mapping[str, Any] | None, tokens: int
    ) -> Mapping[str, Any]:
        attempt = 0
        while True:
            await asyncio.sleep(max(0.0, self._not_before - time.monotonic()))
            attempt += 1
            try:
                return await self._counted(method, path, body, tokens)
            except RequestError as problem:
                if not problem.again or attempt > self._retries(problem):
                    raise
                await asyncio.sleep(self._wait(problem, attempt))

    def _retries(self, problem: RequestError) -> int:
        if problem.unreachable and self._first_contact:
            return min(self._server.retries, KNOCKS)
        return self._server.retries

    def _wait(self, problem: RequestError, attempt: int) -> float:
        """Seconds until the next attempt. What a server asks for holds for all that is sent to it."""
        if problem.wait is None:
            return backoff(attempt, self._generator)
        self._not_before = max(self._not_before, time.monotonic() + problem.wait)
        # Not all at the very moment when it opens again.
        return problem.wait + backoff(1, self._generator)

    async def _counted(
        self, method: str, path: str, body: Mapping[str, Any] | None, tokens: int
    ) -> Mapping[str, Any]:
        async with self._settled:
            while not self._budget.reserve(tokens):
                await self._settled.wait()
        used = tokens  # of an answer that never came, nobody can say what it cost
        try:
            answer = await self._once(method, path, body)
            self._first_contact = False
            used = _used(answer, tokens)
            return answer
        except RequestError as problem:
            used = tokens if problem.status is None else 0
            raise
        finally:
            async with self._settled:
                self._budget.settle(tokens, used)
                self._settled.notify_all()

    async def _once(self, method: str, path: str, body: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """One attempt, its failure as a `RequestError`."""
        import openai

        try:
            # The library's own bound is for each read: a server that trickles would never reach it.
            async with asyncio.timeout(self._server.timeout):
                if method == "GET":
                    answer = await self._client.get(path, cast_to=object)
                else:
                    answer = await self._client.post(path, cast_to=object, body=dict(body or {}))
        except (openai.APITimeoutError, TimeoutError):
            raise RequestError(f"it gave no answer within {self._server.timeout:g} s", again=True) from None
        except openai.APIConnectionError as error:
            cause = type(error.__cause__).__name__
            raise RequestError(
                f"the connection fails ({cause})", again=True, unreachable=cause.startswith("Connect")
            ) from None
        except openai.APIStatusError as error:
            raise of_status(error.status_code, error.body, error.response.headers, self._key) from None
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise RequestError("its answer is no JSON", again=True) from None
        return self._mapping(answer)

    def _mapping(self, answer: Any) -> Mapping[str, Any]:
        """An answer that is one. Some gateways pass an error on under the status of a success."""
        if not isinstance(answer, Mapping):
            raise RequestError("its answer is no JSON object", again=True)
        if "error" in answer and not ("choices" in answer or "data" in answer):
            said = shown(error_of(answer).get("message"), self._key)
            raise RequestError("its answer is an error", said=said, again=True)
        return answer


def _used(answer: Mapping[str, Any], expected: int) -> int:
    """The tokens that the server counts for an answer, else those that were expected."""
    usage = answer.get("usage")
    total = usage.get("total_tokens") if isinstance(usage, Mapping) else None
    return total if isinstance(total, int) and total >= 0 else expected
