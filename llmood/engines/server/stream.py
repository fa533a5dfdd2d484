"""A coroutine in a thread of its own, whose results are handed on as they come.

The caller may itself run inside an event loop (a notebook does), and an interrupt must reach what is on its way: so the
loop has a thread of its own, and leaving the iteration cancels it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Work = Callable[[Callable[[T], None]], Coroutine[Any, Any, None]]


def stream(work: Work[T]) -> Iterator[list[T]]:
    """Run `work(put)` and yield what it puts, as much as is there at a time; then its exception, if it raised one."""
    inbox: SimpleQueue[T | Future[None]] = SimpleQueue()
    running = _Running(work, inbox.put)
    with ThreadPoolExecutor(1, thread_name_prefix="llmood-server") as thread:
        try:
            thread.submit(running.run).add_done_callback(inbox.put)
            while True:
                batch = [inbox.get()]
                with suppress(Empty):
                    while True:
                        batch.append(inbox.get_nowait())
                ended = batch.pop() if isinstance(batch[-1], Future) else None
                if batch:
                    yield batch  # type: ignore[misc] # the end is out of it
                if isinstance(ended, Future):
                    ended.result()
                    return
        finally:
            running.stop()


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run one coroutine to its end, and give its result."""

    async def hand_on(put: Callable[[T], None]) -> None:
        put(await work)

    (found,) = (item for batch in stream(hand_on) for item in batch)
    return found


class _Running(Generic[T]):
    """The coroutine in its thread, and a way to stop it from another."""

    def __init__(self, work: Work[T], put: Callable[[T], None]) -> None:
        self._work = work
        self._put = put
        self._stopped = False
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(self._watched())

    def stop(self) -> None:
        """Cancel it; nothing happens if it has ended."""
        self._stopped = True
        if self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # the loop is closed: it has ended
                self._loop.call_soon_threadsafe(self._task.cancel)

    async def _watched(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if not self._stopped:
            await self._work(self._put)
