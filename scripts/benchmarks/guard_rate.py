"""How many questions a second a guard decides on, against the same detector without HTTP, store, log and meters."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp

import llmood
from benchmarks.context import Context
from benchmarks.guarding import guarding
from benchmarks.record import Record
from benchmarks.timing import alternate
from benchmarks.traffic_rate import demo_questions
from llmood.detector.detector import Detector

CLIENTS = 128  # two batches: one is scored while the next gathers


@dataclass(frozen=True)
class GuardRate:
    """With the demo's likelihood-ratio detector, whose models cost next to nothing: what is left is the guard.

    Attributes:
        batch: rows that are scored together, on either side.
    """

    name: str = "guard_rate"
    rows: int = 2048
    batch: int = 64

    def measure(self, context: Context) -> list[Record]:
        folder = context.folder / "detector"
        llmood.fit_detector("demo", scorers=["likelihood_ratio"], output_dir=folder)
        detector: Detector = llmood.load_detector(folder)
        records = [{"text": each} for each in demo_questions(self.rows)]
        batches = [records[first : first + self.batch] for first in range(0, self.rows, self.batch)]
        options = ("--batch", str(self.batch), "--latency", "20")  # nothing is refused
        with detector.open() as verdicts, guarding(folder, context.folder, *options) as guard:

            def alone() -> int:
                return sum(len(verdicts.score(batch)) for batch in batches)

            def one_each() -> int:
                return asyncio.run(_ask_all(guard.url, records, CLIENTS))

            def many_each() -> int:
                return asyncio.run(_ask_all(guard.url, [{"records": each} for each in batches], 2))

            ways = {"alone": alone, "one": one_each, "many": many_each}
            for way in ways.values():  # what is loaded late is there
                way()
            times = alternate(ways, context.repeats)
        for name, timed in times.items():
            if timed.result != len(records):
                raise ValueError(f"{name}: {timed.result} decisions on {len(records)} questions")
        rates = {name: len(records) / timed.seconds for name, timed in times.items()}
        peer = f"Verdicts.score, batches of {self.batch}: {rates['alone']:.0f} questions/s"
        return [
            Record(name, rates[way], "questions/s", peer, rates[way] / rates["alone"], None, context.command)
            for name, way in ((self.name, "one"), (f"{self.name}_many", "many"))
        ]


async def _ask_all(url: str, bodies: Sequence[object], clients: int) -> int:
    """So many clients ask until all is asked; how many questions were decided on."""
    left = iter(bodies)
    decided = 0

    async def ask(client: aiohttp.ClientSession) -> None:
        nonlocal decided
        for body in left:
            async with client.post("/v1/score", json=body) as answer:
                answer.raise_for_status()
                found = await answer.json()
            decided += sum(each["status"] == "ok" for each in found.get("results", [found]))

    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=clients)) as client:
        await asyncio.gather(*(ask(client) for _ in range(clients)))
    return decided
