"""Events for the tests of what a guard keeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from llmood.events import Event, events_of, read_events
from llmood.identity import digest

BEGIN = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
DETECTOR = "0123456789abcdef0123456789abcdef"


def event(place: int, **keys: Any) -> Event:
    """One decision, every field of which says its place."""
    text = keys.get("text", f"question {place}")
    known: dict[str, Any] = {
        "event_id": f"e{place}",
        "time": BEGIN + timedelta(seconds=place, microseconds=place),
        "request_id": f"r{place}",
        "source": "score",
        "detector": DETECTOR,
        "model": None,
        "stage": "pre",
        "score": place / 8,
        "p_value": 1 / (1 + place),
        "flag": place % 2 == 0,
        "confidence": None,
        "answers": {"wrong_answered": place % 3 == 0},
        "parts": {"likelihood_ratio": place / 8, "length": None},
        "status": "ok",
        "reason": None,
        "action": "scored",
        "text": text,
        "text_hash": None if text is None else digest(text),
        "seconds": 0.25,
    }
    return Event(**known | keys)


def events(first: int, past: int) -> list[Event]:
    return [event(place) for place in range(first, past)]


def kept(folder: Path) -> list[Event]:
    """All events of a store, in order."""
    return [each for table in read_events(folder) for each in events_of(table)]
