#!/usr/bin/env python3
"""Load a guard: more questions a second than it can answer, and what became of each.

    llmood serve detector --port 8080 --events events &
    scripts/load.py http://127.0.0.1:8080 --seconds 60 --times 4

First asks as fast as answers come, for a few seconds: that is the guard's capacity. Then sends `--times` as much, each
question at its own moment whether or not others were answered, for so many seconds. Prints a table, or JSON for
`--json`: statuses, latency of what was accepted, the deepest queue that /metrics showed. A bearer token is read from
LLMOOD_GUARD_TOKEN. Ends with 1 where anything but 200 and 429 came back, or a 429 without Retry-After.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

WORDS = (
    "card account river invoice cloud transfer stone loan flight recipe song bank engine tax garden".split()
)
CONNECTIONS = 2000
CAPACITY_SECONDS = 5.0
CAPACITY_CLIENTS = 64
PAUSE = 0.1  # seconds of a client that was turned away, while the capacity is measured


@dataclass
class Seen:
    """What came back."""

    statuses: Counter[str] = field(default_factory=Counter)
    accepted: list[float] = field(default_factory=list)
    without_retry: int = 0
    deepest: int = 0
    ids: list[str] = field(default_factory=list)


def main() -> int:
    """Run it; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--times", type=float, default=4.0, help="of the capacity")
    parser.add_argument("--rate", type=float, help="questions a second, in place of a measured capacity")
    parser.add_argument("--ids", type=Path, help="write the ids of acknowledged decisions here, a line each")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = asyncio.run(_load(given))
    if given.json:
        print(json.dumps(found, indent=2))
    else:
        for name, value in found.items():
            print(f"{name:>24}  {value}")
    return 0 if set(found["statuses"]) <= {"200", "429"} and not found["without_retry_after"] else 1


async def _load(given: argparse.Namespace) -> dict[str, Any]:
    token = os.environ.get("LLMOOD_GUARD_TOKEN")
    headers = {"authorization": f"Bearer {token}"} if token else {}
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    patience = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(
        given.url, headers=headers, connector=connector, timeout=patience
    ) as client:
        able = await capacity(client)
        rate = given.rate or able * given.times
        seen = await flood(client, rate, given.seconds)
    if given.ids:
        given.ids.write_text("".join(f"{name}\n" for name in seen.ids), encoding="utf-8")
    times = sorted(seen.accepted)
    return {
        "capacity_a_second": round(able, 1),
        "sent_a_second": round(rate, 1),
        "seconds": given.seconds,
        "statuses": dict(sorted(seen.statuses.items())),
        "accepted_a_second": round(seen.statuses["200"] / given.seconds, 1),
        "without_retry_after": seen.without_retry,
        "p50_ms": quantile(times, 0.5),
        "p99_ms": quantile(times, 0.99),
        "longest_ms": quantile(times, 1.0),
        "deepest_queue": seen.deepest,
    }


async def capacity(client: aiohttp.ClientSession, seconds: float = CAPACITY_SECONDS) -> float:
    """Answers a second while so many clients each ask again once they were answered."""
    end = time.monotonic() + seconds
    done = 0

    async def ask() -> None:
        nonlocal done
        while time.monotonic() < end:
            async with client.post("/v1/score", json=_question()) as answer:
                await answer.read()
            done += answer.status == 200
            if answer.status != 200:  # asking on at once would take the guard's processor time from it
                await asyncio.sleep(PAUSE)

    await asyncio.gather(*(ask() for _ in range(CAPACITY_CLIENTS)))
    return done / seconds


async def flood(client: aiohttp.ClientSession, rate: float, seconds: float) -> Seen:
    """Send so many a second, each at its moment, whether or not others were answered."""
    seen = Seen()
    begun = time.monotonic()
    watching = asyncio.create_task(_watch(client, seen))
    asking = set()
    for number in range(int(rate * seconds)):
        late = begun + number / rate - time.monotonic()
        if late > 0:
            await asyncio.sleep(late)
        task = asyncio.create_task(_ask(client, seen))
        asking.add(task)
        task.add_done_callback(asking.discard)
    await asyncio.gather(*asking)
    watching.cancel()
    return seen


async def _ask(client: aiohttp.ClientSession, seen: Seen) -> None:
    begun = time.monotonic()
    try:
        async with client.post("/v1/score", json=_question()) as answer:
            body = await answer.json()
    except (aiohttp.ClientError, TimeoutError) as error:
        seen.statuses[type(error).__name__] += 1
        return
    seen.statuses[str(answer.status)] += 1
    if answer.status == 200:
        seen.accepted.append(time.monotonic() - begun)
        seen.ids.append(body["id"])
    elif answer.status == 429 and not answer.headers.get("retry-after", "").isdecimal():
        seen.without_retry += 1


async def _watch(client: aiohttp.ClientSession, seen: Seen) -> None:
    while True:
        try:
            async with client.get("/metrics") as answer:
                depth = re.search(r"^llmood_waiting ([0-9.]+)$", await answer.text(), re.MULTILINE)
        except aiohttp.ClientError:  # the guard has gone: what was asked says so
            return
        seen.deepest = max(seen.deepest, int(float(depth[1]))) if depth else seen.deepest
        await asyncio.sleep(0.25)


def _question() -> dict[str, str]:
    return {"text": " ".join(random.choices(WORDS, k=8)) + f" {random.randrange(10**6)}"}


def quantile(values: list[float], share: float) -> float | None:
    """Milliseconds, of sorted seconds."""
    return round(values[min(len(values) - 1, int(share * len(values)))] * 1000, 1) if values else None


if __name__ == "__main__":
    sys.exit(main())
