"""A guard on a port of loopback, in a thread of its own."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from fastapi import APIRouter

import llmood
from llmood.detector.detector import Detector
from llmood.events import EventStore, write_description
from llmood.serve.app import make_app
from llmood.serve.guard import Guard
from llmood.serve.logs import RequestLog
from llmood.serve.server import Server, bound
from llmood.serve.settings import Policy, Settings

PATIENCE = 60.0  # seconds until a fake engine must be there, on the busiest machine


@dataclass
class Served:
    """A guard that answers.

    Attributes:
        client: of the guard's address; it follows no redirect.
    """

    url: str
    guard: Guard
    client: httpx2.Client
    log: io.StringIO

    def lines(self) -> list[dict[str, Any]]:
        """What the guard has logged."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    def score(self, record: Any, **more: Any) -> httpx2.Response:
        return self.client.post("/v1/score", json=record, **more)


@contextmanager
def serving(
    detector: Path | Detector,
    settings: Settings | None = None,
    policy: Policy | None = None,
    *,
    events: Path | None = None,
    private: bool = False,
    more: Callable[[Guard], tuple[APIRouter, ...]] = lambda _: (),
    ready: bool = True,
) -> Iterator[Served]:
    """A guard, as long as the block lasts.

    Args:
        more: routes behind the guard's own.
        ready: wait until questions are taken.
    """
    loaded = detector if isinstance(detector, Detector) else llmood.load_detector(detector)
    store = None if events is None else EventStore(events, private=private)
    if events is not None:
        write_description(events, loaded)
    text = io.StringIO()
    log = RequestLog(text)
    guard = Guard(
        loaded,
        settings or Settings(drain=5),
        policy or Policy(),
        store,
        lambda message: log.write("error", message=message),
    )
    own = bound("127.0.0.1", 0)
    server = Server(
        lambda failed: make_app(guard, log=log, more=more(guard), failed=failed),
        own,
        guard.settings.drain,
        guard.settings.timeout,
        guard.complain,
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{own.getsockname()[1]}"
    try:
        with httpx2.Client(base_url=url, timeout=PATIENCE) as client:
            if ready:
                wait_until(lambda: client.get("/readyz").status_code == 200)
            yield Served(url, guard, client, text)
    finally:
        server.end()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def wait_until(holds: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Ask again and again."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.02)
