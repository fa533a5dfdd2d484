"""A line of JSON for each request. No question stands in it unless that was asked for."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TextIO

from llmood.serve.edge import Passage

QUIET = frozenset({"/healthz", "/readyz", "/metrics", "/page/traffic"})  # asked every few seconds


class RequestLog:
    """Writes to stderr by default."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._lost = 0

    def __call__(self, passage: Passage) -> None:
        """One line, unless a probe was answered as it should be."""
        if passage.path in QUIET and passage.status == 200:
            return
        self.write(
            "request",
            request_id=passage.request_id,
            method=passage.method,
            path=passage.path,
            status=passage.status,
            ms=round(passage.seconds * 1000, 2),
            **passage.notes,
        )

    def write(self, event: str, **more: object) -> None:
        """A line about anything. Where it can't be written, a later line says how many are missing."""
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **more}
        if self._lost:
            line["lost_before"] = self._lost
        stream = self._stream or sys.stderr
        try:
            stream.write(json.dumps(line, default=str) + "\n")
            stream.flush()
        except OSError:  # a full disk, or a reader that has gone: no reason to answer nobody any more
            self._lost += 1
        else:
            self._lost = 0
