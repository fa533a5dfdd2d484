"""Many requests at once, within bounds: how many, how long, how much; and when to give a server up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import NoReturn

from llmood.engines.base import Captured, Request
from llmood.engines.server.budget import Budget, BudgetError
from llmood.engines.server.client import Client
from llmood.engines.server.problems import RequestError, complaint
from llmood.errors import EngineError
from llmood.records import FAILED, UNSCORED
from llmood.server_config import ServerConfig

GIVEN_UP_AFTER = 3  # requests in a row whose tries are all used up, with no answer in between

Ask = Callable[[Client, Request], Awaitable[Captured]]
Job = tuple[int, Request]


class Session:
    """One capture's requests to one server.

    Args:
        seconds: how long all of them may take together; None for no bound.
    """

    def __init__(self, server: ServerConfig, budget: Budget, ask: Ask, *, seconds: float | None) -> None:
        self._server = server
        self._budget = budget
        self._ask = ask
        self._seconds = seconds
        self._spent: BudgetError | None = None
        self._unanswered = 0

    async def run(self, jobs: Iterator[Job], put: Callable[[tuple[int, Captured]], None]) -> None:
        """Ask for all jobs and put each result as it comes.

        Raises:
            EngineError: the server was given up, or time or budget are spent; what was put before stands.
        """
        try:
            async with (
                asyncio.timeout(self._seconds),
                Client(self._server, budget=self._budget) as client,
                asyncio.TaskGroup() as group,
            ):
                for _ in range(self._server.concurrency):
                    group.create_task(self._work(client, jobs, put))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        except TimeoutError:
            self._out_of_time()
        if self._spent is not None:
            raise self._spent

    async def _work(
        self, client: Client, jobs: Iterator[Job], put: Callable[[tuple[int, Captured]], None]
    ) -> None:
        """Take one job after another from those that all workers share."""
        for index, request in jobs:
            try:
                captured = await self._ask(client, request)
            except BudgetError as error:
                self._spent = error
            except RequestError as problem:
                put((index, self._without_answer(problem)))
            else:
                self._unanswered = 0
                put((index, captured))
            if self._spent is not None:
                return  # what is on its way elsewhere comes to its end

    def _without_answer(self, problem: RequestError) -> Captured:
        """What a sample becomes that got no answer.

        Raises:
            EngineError: the next ones won't get any either.
        """
        self._unanswered += problem.again
        if problem.hopeless or self._unanswered >= GIVEN_UP_AFTER:
            raise complaint(problem, self._server.url, before=False)
        if problem.over_context:
            return Captured(
                status=UNSCORED, reason="over the context of the server's model", said=problem.said
            )
        return Captured(status=FAILED, reason=f"the server gave no answer: {problem.what}", said=problem.said)

    def _out_of_time(self) -> NoReturn:
        raise EngineError(
            f"engine.server: the {self._server.total_timeout:g} s of total_timeout are over",
            hint="what is finished is kept; the same command goes on with the rest",
        )
