"""Rows of many requests to answers, in batches: a bounded queue, and a thread that owns the engine."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil, inf
from typing import Generic, TypeVar

from llmood.serve.pace import Pace

# A batch is to take this share of the latency bound at most: a row waits for the batch before it, then for its own.
BATCH_SHARE = 0.25
# The rest is for a batch that takes longer than it should, and for answers on their way out.
WAIT_SHARE = 0.6

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class FullError(Exception):
    """The queue takes no more now.

    Args:
        retry_after: whole seconds until it may.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"busy; try again in {retry_after} s")
        self.retry_after = retry_after


class ClosedError(Exception):
    """No new rows are taken: the process ends."""


@dataclass(eq=False, slots=True)
class _Waiting(Generic[Item, Answer]):
    item: Item
    answer: asyncio.Future[Answer]
    due: float  # when its answer is to be there, by `time.monotonic()`


class Batcher(Generic[Item, Answer]):
    """All of it but `work` runs in the event loop.

    Args:
        work: rows to answers, in their order; it is called in one thread only, which is `executor`'s.
        most: rows of a batch.
        queue: rows that wait at most.
        latency: seconds within which a row that is taken is to be answered; what would take longer is refused.
        common: errors of `work` that are no row's fault: the rows of such a batch aren't tried again one by one.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Answer]],
        executor: ThreadPoolExecutor,
        *,
        most: int,
        queue: int,
        latency: float,
        common: tuple[type[BaseException], ...] = (),
    ) -> None:
        self._work, self._executor = work, executor
        self._most, self._queue, self._latency = most, queue, latency
        self._common = common
        self._waiting: deque[_Waiting[Item, Answer]] = deque()
        self._some = asyncio.Event()
        self._closed = False
        self._in_hand, self._begun = 0, 0.0
        self._pace, self._batch = Pace(), most

    @property
    def waiting(self) -> int:
        """Rows in the queue."""
        return len(self._waiting)

    @property
    def busy_for(self) -> float:
        """Seconds since the batch in hand was begun; 0 where there is none."""
        return time.monotonic() - self._begun if self._in_hand else 0.0

    async def submit(self, items: Sequence[Item]) -> list[Answer]:
        """The answers of some rows, in their order.

        Raises:
            FullError: the queue is full, or the answers would come later than the bound.
            ClosedError: the process ends.
        """
        if self._closed:
            raise ClosedError
        due = self._admit(len(items))
        loop = asyncio.get_running_loop()
        own = [_Waiting[Item, Answer](item, loop.create_future(), due) for item in items]
        self._waiting.extend(own)
        self._some.set()
        try:
            return list(await asyncio.gather(*(each.answer for each in own)))
        finally:
            for each in own:  # whoever asked has gone: what hasn't begun never does
                each.answer.cancel()
            if any(each.answer.cancelled() for each in own):
                self._drop_answered()

    def _admit(self, rows: int) -> float:
        """When the answers of so many rows more are due."""
        if self._is_idle:
            return inf
        retry_after = self.full(rows)
        if retry_after is not None:
            raise FullError(retry_after)
        return time.monotonic() + WAIT_SHARE * self._latency

    @property
    def _is_idle(self) -> bool:
        # A request alone may take longer than the bound: it is in nobody's way, and no later time would be better.
        return not self.waiting and not self._in_hand

    def full(self, rows: int = 1) -> int | None:
        """Whole seconds until so many rows more may be taken; None where they are now."""
        if self._is_idle:
            return None
        over = self.waiting + rows - self._queue
        late = self.wait(self.waiting + rows) - WAIT_SHARE * self._latency
        if over <= 0 and late <= 0:
            return None
        return max(1, ceil(max(late, self.wait(over) if over > 0 else 0.0)))

    def wait(self, rows: int) -> float:
        """Seconds, as far as one can tell, until so many rows from the front of the queue are answered."""
        whole, rest = divmod(rows, self._batch)
        passed = time.monotonic() - self._begun
        left = max(0.0, self._pace.seconds(self._in_hand) - passed)
        return left + whole * self._pace.seconds(self._batch) + self._pace.seconds(rest)

    def learn(self, rows: int, seconds: float) -> None:
        """That a batch of so many rows took so long."""
        self._pace.note(rows, seconds)
        self._batch = self._pace.rows_within(self._latency * BATCH_SHARE, self._most)

    async def run(self) -> None:
        """Work until `close`, and until nothing waits any more."""
        while True:
            self._shed()
            if self._waiting:
                size = min(self._batch, len(self._waiting))
                await self._work_on([self._waiting.popleft() for _ in range(size)])
            elif self._closed:
                return
            else:
                self._some.clear()
                await self._some.wait()

    def _shed(self) -> None:
        """Let go of rows that nobody waits for, and refuse those that would be late after all."""
        end = time.monotonic() + self._pace.seconds(min(self._batch, self.waiting))
        for each in self._waiting:
            if each.due < end and not each.answer.done():
                each.answer.set_exception(FullError(1))
        self._drop_answered()

    def _drop_answered(self) -> None:
        self._waiting = deque(each for each in self._waiting if not each.answer.done())

    def close(self) -> None:
        """Take no more; `run` ends once all that waits is answered."""
        self._closed = True
        self._some.set()

    async def _work_on(self, batch: Sequence[_Waiting[Item, Answer]]) -> None:
        """Answer a batch; where it fails, each of its rows alone, so that none falls for another's sake."""
        self._in_hand, self._begun = len(batch), time.monotonic()
        future = asyncio.wrap_future(self._executor.submit(self._work, [each.item for each in batch]))
        await asyncio.wait([future])
        seconds, self._in_hand = time.monotonic() - self._begun, 0
        error = future.exception()
        if error is None:
            self.learn(len(batch), seconds)
            for each, answer in zip(batch, future.result(), strict=True):
                if not each.answer.done():
                    each.answer.set_result(answer)
        elif len(batch) > 1 and not isinstance(error, self._common):
            for each in batch:
                await self._work_on([each])
        else:
            for each in batch:
                if not each.answer.done():
                    each.answer.set_exception(error)
