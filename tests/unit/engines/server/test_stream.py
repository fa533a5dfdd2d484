"""Results come as they are made, errors at the end, and whoever stops looking stops the work."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from llmood.engines.server.stream import finish, stream

Put = Callable[[int], None]


def test_results_come_in_their_order_and_once() -> None:
    async def work(put: Put) -> None:
        for number in range(100):
            put(number)
            await asyncio.sleep(0)

    assert [item for batch in stream(work) for item in batch] == list(range(100))


def test_what_was_put_comes_before_the_error() -> None:
    async def work(put: Put) -> None:
        put(1)
        put(2)
        raise ValueError("now")

    found: list[int] = []
    with pytest.raises(ValueError, match="now"):
        collect(stream(work), found)
    assert found == [1, 2]


def collect(batches: Iterator[list[int]], found: list[int]) -> None:
    for batch in batches:
        found += batch


def test_nothing_to_do_is_no_batch() -> None:
    async def work(put: Put) -> None:
        pass

    assert list(stream(work)) == []


def test_leaving_cancels_what_is_on_its_way() -> None:
    cancelled = threading.Event()

    async def work(put: Put) -> None:
        put(1)
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    batches = stream(work)
    assert next(batches) == [1]
    batches.close()  # type: ignore[attr-defined]
    assert cancelled.is_set()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("llmood-server")]


def test_it_works_within_a_running_loop() -> None:
    async def work(put: Put) -> None:
        put(1)

    async def notebook() -> list[list[int]]:
        return list(stream(work))

    assert asyncio.run(notebook()) == [[1]]


def test_one_result() -> None:
    async def double(number: int) -> int:
        return 2 * number

    async def fail() -> int:
        raise ValueError("no")

    assert finish(double(4)) == 8
    with pytest.raises(ValueError, match="no"):
        finish(fail())
