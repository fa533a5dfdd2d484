"""What goes wrong with a request, as every OpenAI client reads it: a status, a message and a code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse


class AsciiJSON(JSONResponse):
    """JSON in ASCII: half a surrogate pair, which a client may send, is no UTF-8. No cache keeps it."""

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        super().init_headers({"Cache-Control": "no-store", **(headers or {})})

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


class RequestError(Exception):
    """A request that isn't answered as it was meant.

    Args:
        message: one line for whoever sent it; nothing of the machine stands in it.
        code: a word for programs.
    """

    def __init__(
        self, status: int, message: str, code: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code
        self.headers = dict(headers or {})

    def response(self) -> AsciiJSON:
        """`{"error": {"message", "type", "code"}}`."""
        return error_response(self.status, self.message, self.code, self.headers)


def error_response(
    status: int, message: str, code: str, headers: Mapping[str, str] | None = None
) -> AsciiJSON:
    """The same, where nothing is raised."""
    kind = HTTPStatus(status).phrase.lower().replace(" ", "_")
    body = {"error": {"message": message, "type": kind, "code": code}}
    return AsciiJSON(body, status, headers=dict(headers or {}))


def closing() -> RequestError:
    """The process ends."""
    return RequestError(503, "the guard is ending", "closing", {"Retry-After": "5"})


def busy(retry_after: int) -> RequestError:
    """The queue takes no more now."""
    return RequestError(
        429,
        f"the guard is busy; try again in {retry_after} s",
        "queue_full",
        {"Retry-After": str(retry_after)},
    )
