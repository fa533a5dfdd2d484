"""What a guard adds to a question that comes alone: HTTP, limits, batching, the event on disk, log and meters."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import aiohttp
import numpy as np

import llmood
from benchmarks.context import Context
from benchmarks.guarding import guarding
from benchmarks.record import Record
from benchmarks.scoring_traffic import cheap_detector
from benchmarks.stub_upstream import stub_upstream
from benchmarks.traffic_rate import demo_questions
from llmood.detector.detector import Detector

MOST = 10.0  # ms: what a guard may add to its scoring pass
LEAST = 0.01  # ms: of a ratio; no clock tells less from nothing here
WARM_UP = 50  # questions


@dataclass(frozen=True)
class GuardOverhead:
    """One client that waits for each answer; the scoring pass alone is timed between its questions.

    The detector is a cheap one: of a model's pass, the spread alone would be more than all that the guard adds.

    Attributes:
        proxy: ask through the proxy, in front of a server that answers at once, rather than for a score; what that
            server takes when it is asked itself is not the guard's.
    """

    proxy: bool = False
    questions: int = 2000

    @property
    def name(self) -> str:
        return "guard_overhead_proxy" if self.proxy else "guard_overhead"

    def measure(self, context: Context) -> list[Record]:
        folder = cheap_detector(context.folder)
        detector: Detector = llmood.load_detector(folder)
        questions = demo_questions(WARM_UP + self.questions)
        with detector.open() as verdicts, stub_upstream() as upstream:
            options = ("--upstream", f"{upstream}/v1") if self.proxy else ()
            with guarding(folder, context.folder, *options) as guard:
                ways = {"guard": guard.url, "upstream": upstream} if self.proxy else {"guard": guard.url}
                times = asyncio.run(
                    self._time(ways, lambda text: verdicts.score([{"text": text}]), questions)
                )
        return self._records(times, context.command)

    async def _time(
        self, ways: Mapping[str, str], score: Callable[[str], object], questions: list[str]
    ) -> dict[str, list[float]]:
        """Milliseconds of each question by each way, and of scoring it alone, in turns."""
        times: dict[str, list[float]] = {"scoring": [], **{name: [] for name in ways}}
        async with aiohttp.ClientSession() as client:
            for text in questions:
                begun = time.perf_counter()
                score(text)
                times["scoring"].append(1000 * (time.perf_counter() - begun))
                for name, url in ways.items():
                    begun = time.perf_counter()
                    async with client.post(url + self._path, json=self._body(text)) as answer:
                        answer.raise_for_status()
                        await answer.read()
                    times[name].append(1000 * (time.perf_counter() - begun))
        return {name: own[WARM_UP:] for name, own in times.items()}

    @property
    def _path(self) -> str:
        return "/v1/chat/completions" if self.proxy else "/v1/score"

    def _body(self, text: str) -> object:
        return (
            {"model": "stub", "messages": [{"role": "user", "content": text}]}
            if self.proxy
            else {"text": text}
        )

    def _records(self, times: Mapping[str, list[float]], command: str) -> list[Record]:
        records = []
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            found = {way: float(np.quantile(own, share)) for way, own in times.items()}
            added = max(LEAST, found["guard"] - found["scoring"] - found.get("upstream", 0.0))
            parts = ", ".join(f"{way} {value:.1f}" for way, value in found.items())
            peer = f"at most {MOST:.0f} ms beyond scoring ({parts} ms)"
            records.append(Record(f"{self.name}_{name}", added, "ms", peer, MOST / added, 1.0, command))
        return records
