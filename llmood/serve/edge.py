"""What every request passes first and last: may it ask, how much may it send, and what became of it."""

from __future__ import annotations

import asyncio
import hmac
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from llmood.serve.answers import RequestError, busy, ending
from llmood.serve.origins import is_elsewhere, is_local
from llmood.serve.settings import Settings

REQUEST_ID = "x-request-id"
LEFT = 499  # in the log and in counters, as nginx has it: nobody is there to be answered
BUG = 500
OPEN_PATHS = frozenset({"/", "/healthz", "/readyz"})  # a page asks for the token itself, and probes have none
ASSETS = "/assets/"
WRONG_TOKEN = "the token is missing, or another"
SCORE = "/v1/score"
_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


@dataclass(slots=True)
class Passage:
    """What became of a request.

    Attributes:
        notes: what a route has to say for the log.
    """

    request_id: str
    method: str
    path: str
    arrived: float
    status: int = 0
    seconds: float = 0.0
    notes: dict[str, object] = field(default_factory=dict)


class Edge:
    """The outermost of the application.

    Args:
        tell: told of each request once it is answered.
        retry_after: seconds until questions are taken again; None while they are. Under a flood, what is refused is to
            cost next to nothing: it is refused here, before a body is read.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        tell: Callable[[Passage], None],
        retry_after: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._app, self._settings, self._tell, self._retry_after = app, settings, tell, retry_after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        passage = Passage(_request_id(headers), scope["method"], scope["path"], time.monotonic())
        scope.setdefault("state", {})["passage"] = passage

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                passage.status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = passage.request_id
            await send(message)

        try:
            self._check(scope["method"], scope["path"], headers)
            if scope["path"] == SCORE and (seconds := self._retry_after()) is not None:
                raise busy(seconds)
            await self._app(scope, self._bounded(receive), send_on)
        except RequestError as error:
            if passage.status:  # an answer has begun: all that is left is to break it off
                raise
            await error.response()(scope, receive, send_on)
        except ClientDisconnect:
            passage.status = passage.status or LEFT
        except (
            asyncio.CancelledError
        ):  # only the end of the drain does that; an answer that has begun breaks off
            if not passage.status:
                await ending().response()(scope, receive, send_on)
        finally:
            passage.status = passage.status or BUG  # it is on its way up, and answered there
            passage.seconds = time.monotonic() - passage.arrived
            self._tell(passage)

    def _check(self, method: str, path: str, headers: Headers) -> None:
        if self._settings.local_names and not is_local(headers.get("host", "")):
            raise RequestError(
                421,
                "the guard answers to 'localhost' and to addresses; ask it by one, or have it ask for a token",
                "wrong_host",
            )
        if is_elsewhere(method, headers):
            raise RequestError(403, "a page of another site has asked this", "cross_site")
        if not (is_open(path) or self._may_ask(headers)):
            raise RequestError(
                401,
                f"{WRONG_TOKEN}: 'Authorization: Bearer …' is needed",
                "invalid_token",
                {"WWW-Authenticate": "Bearer"},
            )
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._settings.max_body:
            raise self._too_large()

    def _may_ask(self, headers: Headers) -> bool:
        kind, _, shown = headers.get("authorization", "").partition(" ")
        # Back to the bytes that came: a token that isn't ASCII comes as UTF-8.
        is_own = is_token(self._settings, shown.strip(" \t").encode("latin-1"))
        return is_own and (self._settings.token is None or kind.lower() == "bearer")

    def _bounded(self, receive: Receive) -> Receive:
        """The body, as far as it is not too large and comes in time."""
        got = 0
        is_whole = False
        deadline = time.monotonic() + self._settings.timeout

        async def receive_bounded() -> Message:
            nonlocal got, is_whole
            if is_whole:  # what comes now is the client's leaving, whenever that is
                return await receive()
            try:
                async with asyncio.timeout_at(_loop_time(deadline)):
                    message = await receive()
            except TimeoutError:
                raise RequestError(408, "the body did not come in time", "timeout") from None
            if message["type"] == "http.request":
                got += len(message.get("body", b""))
                is_whole = not message.get("more_body", False)
                if got > self._settings.max_body:
                    raise self._too_large()
            return message

        return receive_bounded

    def _too_large(self) -> RequestError:
        return RequestError(413, f"the body is over {self._settings.max_body} bytes", "too_large")


def is_token(settings: Settings, shown: bytes) -> bool:
    """Whether this is the token, or none is needed; in a time that tells nothing of it."""
    token = settings.token
    return token is None or hmac.compare_digest(shown, token.encode())


def passage_of(request: Request) -> Passage:
    """What is known of a request that came past the edge."""
    passage: Passage = request.scope["state"]["passage"]
    return passage


def is_open(path: str) -> bool:
    """Whether a path needs no token."""
    return path in OPEN_PATHS or path.startswith(ASSETS)


def _request_id(headers: Headers) -> str:
    given = headers.get(REQUEST_ID, "")
    return given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex


def _loop_time(deadline: float) -> float:
    return asyncio.get_running_loop().time() + deadline - time.monotonic()
