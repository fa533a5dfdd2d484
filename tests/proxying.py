"""A guard in front of an upstream, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from llmood.events import Event, events_of, read_events
from llmood.serve.proxy import proxy_routes
from llmood.serve.proxy_paths import base_of
from llmood.serve.settings import Policy, Settings
from llmood.serve.settings import Upstream as Behind
from tests.raw_upstream import Upstream
from tests.serving import Served, serving
from tests.traffic_rows import AWAY, HOME

HOME_TURNS = [{"role": "user", "content": HOME[0]["text"]}]
AWAY_TURNS = [{"role": "user", "content": AWAY[0]["text"]}]
MESSAGE = "Not here."
REFUSE = Policy("refuse", "open", MESSAGE)
CLOSED = Policy("annotate", "closed", MESSAGE)


@contextmanager
def guarding(
    detector: Path,
    upstream: Upstream,
    policy: Policy | None = None,
    settings: Settings | None = None,
    **more: Any,
) -> Iterator[Served]:
    events, ready = more.pop("events", None), more.pop("ready", True)
    url, base = base_of(more.pop("url", upstream.url))
    behind = Behind(url, base, **more)
    with serving(
        detector,
        settings,
        policy,
        events=events,
        ready=ready,
        more=lambda guard: (proxy_routes(guard, behind),),
    ) as served:
        yield served


def chat(served: Served, turns: Any = HOME_TURNS, **more: Any) -> httpx2.Response:
    return served.client.post("/v1/chat/completions", json={"model": "m", "messages": turns, **more})


def events_in(folder: Path) -> list[Event]:
    return [event for table in read_events(folder) for event in events_of(table)]


def without_field(body: bytes) -> bytes:
    """Undo what the guard may do to JSON, without reading any of it."""
    before, mark, rest = body.rpartition(b',"llmood":{')
    assert mark
    depth = 1
    for place, byte in enumerate(rest):
        depth += {ord("{"): 1, ord("}"): -1}.get(byte, 0)
        if depth == 0:
            return before + rest[place + 1 :]
    raise AssertionError(body)
