"""Rows of many requests to answers: in order, in batches, bounded, and each for itself where one fails."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import pytest

from llmood.serve.batcher import Batcher, ClosedError, FullError

Work = Callable[[Sequence[int]], Sequence[int]]


@asynccontextmanager
async def working(work: Work, **keys: Any) -> AsyncIterator[Batcher[int, int]]:
    limits = {"most": 8, "queue": 32, "latency": 60.0} | keys
    with ThreadPoolExecutor(1) as executor:
        batcher: Batcher[int, int] = Batcher(work, executor, **limits)
        task = asyncio.create_task(batcher.run())
        try:
            yield batcher
        finally:
            batcher.close()
            await task


class Held:
    """Work that waits until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go, self.begun = threading.Event(), threading.Event()

    def __call__(self, items: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(items))
        self.begun.set()
        assert self.go.wait(30)
        return [2 * item for item in items]


async def begun(held: Held) -> None:
    await asyncio.to_thread(held.begun.wait, 30)


def test_answers_stand_where_their_rows_did_and_batches_form_while_one_is_in_hand() -> None:
    held = Held()

    async def story() -> None:
        async with working(held) as batcher:
            first = asyncio.create_task(batcher.submit([1]))
            await begun(held)
            others = [asyncio.create_task(batcher.submit([2 * n, 2 * n + 1])) for n in range(1, 6)]
            await asyncio.sleep(0)
            assert batcher.waiting == 10
            held.go.set()
            assert await first == [2]
            assert await asyncio.gather(*others) == [[4 * n, 4 * n + 2] for n in range(1, 6)]

    asyncio.run(story())
    assert held.batches == [[1], [2, 3, 4, 5, 6, 7, 8, 9], [10, 11]]


def test_a_full_queue_refuses_and_forgets_nothing() -> None:
    held = Held()

    async def story() -> None:
        async with working(held, queue=3) as batcher:
            first = asyncio.create_task(batcher.submit([1]))
            await begun(held)
            second = asyncio.create_task(batcher.submit([2, 3, 4]))
            await asyncio.sleep(0)
            with pytest.raises(FullError) as full:
                await batcher.submit([5])
            assert full.value.retry_after >= 1
            assert batcher.waiting == 3
            held.go.set()
            assert await first == [2]
            assert await second == [4, 6, 8]

    asyncio.run(story())


def test_what_would_be_answered_after_the_bound_is_refused_with_the_time_that_it_lacks() -> None:
    held = Held()

    async def story() -> None:
        async with working(held, most=1, latency=1.0) as batcher:
            batcher.learn(1, 10.0)  # a row takes ten seconds
            alone = asyncio.create_task(batcher.submit([1]))  # in nobody's way
            await begun(held)
            with pytest.raises(FullError) as full:
                await batcher.submit([2])
            assert (
                19 <= full.value.retry_after <= 20
            )  # the one in hand and its own, less six tenths of the bound
            held.go.set()
            assert await alone == [2]

    asyncio.run(story())


def test_what_turns_out_to_be_late_is_refused_before_it_is_worked_for() -> None:
    held = Held()

    async def story() -> None:
        async with working(held, most=1, latency=0.2) as batcher:
            first = asyncio.create_task(batcher.submit([1]))  # nobody can tell yet how long it takes
            await begun(held)
            second = asyncio.create_task(batcher.submit([2]))
            await asyncio.sleep(0.3)
            held.go.set()
            assert await first == [2]
            with pytest.raises(FullError):
                await second

    asyncio.run(story())
    assert held.batches == [[1]]


def test_a_batch_takes_a_quarter_of_the_bound() -> None:
    sizes: list[int] = []

    def work(items: Sequence[int]) -> Sequence[int]:
        sizes.append(len(items))
        return list(items)

    async def story() -> None:
        async with working(work, latency=0.4) as batcher:
            for rows in (1, 2, 4, 8):
                batcher.learn(rows, 0.05 * rows)
            await batcher.submit(range(4))

    asyncio.run(story())
    assert max(sizes) == 2


def test_where_a_batch_fails_its_rows_are_tried_alone() -> None:
    def work(items: Sequence[int]) -> Sequence[int]:
        time.sleep(0.01)
        if 13 in items:
            raise RuntimeError("unlucky")
        return list(items)

    async def story() -> list[Any]:
        async with working(work) as batcher:
            first = asyncio.create_task(batcher.submit([0]))
            await asyncio.sleep(0)
            asked = [asyncio.create_task(batcher.submit([item])) for item in (12, 13, 14)]
            found = await asyncio.gather(*asked, return_exceptions=True)
            await first
            return list(found)

    twelve, thirteen, fourteen = asyncio.run(story())
    assert (twelve, fourteen) == ([12], [14])
    assert isinstance(thirteen, RuntimeError)


def test_whoever_has_gone_is_not_worked_for() -> None:
    held = Held()

    async def story() -> None:
        async with working(held) as batcher:
            first = asyncio.create_task(batcher.submit([1]))
            await begun(held)
            gone = asyncio.create_task(batcher.submit([2, 3]))
            stays = asyncio.create_task(batcher.submit([4]))
            await asyncio.sleep(0)
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
            held.go.set()
            assert await first == [2]
            assert await stays == [8]

    asyncio.run(story())
    assert held.batches == [[1], [4]]


def test_at_the_end_what_waits_is_answered_and_nothing_new_is_taken() -> None:
    held = Held()

    async def story() -> None:
        async with working(held) as batcher:
            first = asyncio.create_task(batcher.submit([1]))
            await begun(held)
            second = asyncio.create_task(batcher.submit([2]))
            await asyncio.sleep(0)
            batcher.close()
            with pytest.raises(ClosedError):
                await batcher.submit([3])
            held.go.set()
            assert await first == [2]
            assert await second == [4]

    asyncio.run(story())
