"""A guard that is asked for several times what it can do, and then killed."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import load

import llmood
from benchmarks.context import Context
from benchmarks.guarding import Guarded, guarding
from benchmarks.record import Record
from llmood.events import read_events

LATENCY = 1.0  # seconds: the bound that the guard is given
QUEUE = 1024


@dataclass(frozen=True)
class GuardOverload:
    """As `scripts/load.py` does it, for a shorter time.

    What was accepted comes within the bound, the queue stays within its own, all else is told to come again, and what
    was acknowledged before a kill -9 is in the store.
    """

    name: str = "guard_overload"
    times: float = 4.0
    seconds: float = 15.0
    until_killed: float = 2.0

    def measure(self, context: Context) -> list[Record]:
        folder = context.folder / "detector"
        llmood.fit_detector("demo", scorers=["likelihood_ratio"], output_dir=folder)
        options = ("--latency", str(LATENCY), "--queue", str(QUEUE))
        with guarding(folder, context.folder, *options) as guard:
            able, seen, last = asyncio.run(self._load(guard))
        others = set(seen.statuses) - {"200", "429"}
        if others or seen.without_retry or not seen.accepted:
            raise ValueError(f"{dict(seen.statuses)}, {seen.without_retry} of 429 without Retry-After")
        acknowledged = seen.ids + last.ids
        lost = len(set(acknowledged) - ids_in(context.folder / "events"))
        p99 = load.quantile(sorted(seen.accepted), 0.99)
        asked = f"{self.times:g} times {able:.0f} questions/s for {self.seconds:g} s"
        statuses = ", ".join(f"{count} × {status}" for status, count in sorted(seen.statuses.items()))
        rate = seen.statuses["200"] / self.seconds
        command = context.command
        return [
            Record(
                f"{self.name}_p99",
                p99,
                "ms",
                f"the bound of {1000 * LATENCY:.0f} ms, at {asked}",
                1000 * LATENCY / p99,
                1.0,
                command,
            ),
            Record(
                f"{self.name}_rate",
                rate,
                "questions/s",
                f"{able:.0f} without overload; {statuses}",
                rate / able,
                None,
                command,
            ),
            Record(
                f"{self.name}_queue",
                seen.deepest,
                "questions",
                f"the queue of {QUEUE}",
                QUEUE / max(1, seen.deepest),
                1.0,
                command,
            ),
            Record(
                f"{self.name}_lost",
                lost,
                "decisions",
                f"{len(acknowledged)} acknowledged before kill -9",
                1.0 if lost == 0 else 0.5,
                1.0,
                command,
            ),
        ]

    async def _load(self, guard: Guarded) -> tuple[float, load.Seen, load.Seen]:
        """The capacity, what came back from the flood, and what of a second flood that the guard did not survive."""
        connector = aiohttp.TCPConnector(limit=load.CONNECTIONS)
        async with aiohttp.ClientSession(guard.url, connector=connector) as client:
            able = await load.capacity(client, min(load.CAPACITY_SECONDS, self.seconds))
            seen = await load.flood(client, self.times * able, self.seconds)
            last = asyncio.create_task(load.flood(client, self.times * able, 2 * self.until_killed))
            await asyncio.sleep(self.until_killed)
            guard.process.send_signal(signal.SIGKILL)
            return able, seen, await last


def ids_in(folder: Path) -> set[str]:
    """The decisions that a store holds."""
    return {name for table in read_events(folder) for name in table["event_id"].to_pylist()}
