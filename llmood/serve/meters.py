"""What Prometheus is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from llmood.events import Event
from llmood.serve.edge import Passage

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
OTHER = "other"


class Meters:
    """Counters of requests and of decisions.

    Args:
        paths: those that are counted by name; all others together, or a client could make a series of each.
        waiting: how many questions wait now.
        is_ready: whether questions are being taken.
    """

    def __init__(
        self, paths: frozenset[str], waiting: Callable[[], int], is_ready: Callable[[], bool]
    ) -> None:
        self._paths = paths
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "llmood_requests",
            "Requests, by path and status.",
            ["path", "status"],
            registry=registry,
        )
        self._request_seconds = Histogram(
            "llmood_request_seconds",
            "From a request to its answer.",
            ["path"],
            buckets=SECONDS,
            registry=registry,
        )
        self._decisions = Counter(
            "llmood_decisions",
            "Questions decided on, by where they came in, status and action.",
            ["source", "status", "action"],
            registry=registry,
        )
        self._flagged = Counter(
            "llmood_flagged", "Questions that were flagged.", ["source"], registry=registry
        )
        self._p_values = Histogram(
            "llmood_p_value",
            "P-values: uniform for questions like the calibration rows.",
            buckets=[step / 20 for step in range(1, 21)],
            registry=registry,
        )
        self._decision_seconds = Histogram(
            "llmood_decision_seconds", "From a question to its decision.", buckets=SECONDS, registry=registry
        )
        Gauge("llmood_waiting", "Questions in the queue.", registry=registry).set_function(waiting)
        Gauge("llmood_ready", "1 where questions are taken.", registry=registry).set_function(is_ready)

    def passed(self, passage: Passage) -> None:
        """Count a request."""
        path = passage.path if passage.path in self._paths else OTHER
        self._requests.labels(path, str(passage.status)).inc()
        self._request_seconds.labels(path).observe(passage.seconds)

    def decided(self, events: Sequence[Event]) -> None:
        """Count decisions."""
        for event in events:
            self._decisions.labels(event.source, event.status, event.action).inc()
            self._flagged.labels(event.source).inc(bool(event.flag))
            self._decision_seconds.observe(event.seconds)
            if event.p_value is not None:
                self._p_values.observe(event.p_value)

    def text(self) -> bytes:
        """In Prometheus' format."""
        return generate_latest(self._registry)
