"""Best times of several ways to do the same, alternating, so that whatever else the machine does meets all of them."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True)
class Timed(Generic[Result]):
    """The best time of a way in seconds, and what it gave."""

    seconds: float
    result: Result


def alternate(ways: Mapping[str, Callable[[], Result]], repeats: int) -> dict[str, Timed[Result]]:
    """Run each way `repeats` times in turn; what was warmed up before isn't timed again."""
    best: dict[str, Timed[Result]] = {}
    for _ in range(repeats):
        for name, way in ways.items():
            gc.collect()
            started = time.perf_counter()
            result = way()
            seconds = time.perf_counter() - started
            if name not in best or seconds < best[name].seconds:
                best[name] = Timed(seconds, result)
    return best
