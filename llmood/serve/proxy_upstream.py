"""Requests to the upstream, and what comes back, as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2

from llmood.serve.answers import RequestError
from llmood.serve.settings import Upstream

Header = tuple[bytes, bytes]

MOST_CONNECTIONS = 2048
MOST_IDLE = 128
IDLE = 2.0  # seconds: less than servers keep an idle connection for, or a request meets its end
MOST_ANSWER = 64_000_000  # bytes of an answer that must be held as a whole

# Of one connection, not of the message; `expect` was answered when the body was read.
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer transfer-encoding "
    b"upgrade expect".split()
)
LENGTH = b"content-length"
AUTHORIZATION = b"authorization"
MARKS = b"x-llmood-"


class UpstreamClient:
    """One pool of connections.

    Args:
        hides_token: whether `authorization` was for the guard, and is none of the upstream's business.
    """

    def __init__(self, upstream: Upstream, *, hides_token: bool) -> None:
        self._upstream, self._hides_token = upstream, hides_token
        self._timeout = httpx2.Timeout(upstream.timeout, connect=upstream.connect, pool=upstream.connect)
        self._client = httpx2.AsyncClient(
            limits=httpx2.Limits(
                max_connections=MOST_CONNECTIONS, max_keepalive_connections=MOST_IDLE, keepalive_expiry=IDLE
            ),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # they are the clients', not ours
            follow_redirects=False,
        )

    @property
    def base(self) -> str:
        return self._upstream.base

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Close the connections when the block ends."""
        async with self._client:
            yield

    @asynccontextmanager
    async def asked(
        self, method: str, target: bytes, headers: Iterable[Header], body: bytes, *, plain: bool
    ) -> AsyncIterator[httpx2.Response]:
        """The answer to a request; it is given up when the block ends.

        Args:
            target: the path and query, to the letter.
            plain: ask for an answer that isn't compressed.

        Raises:
            RequestError: no answer has come, or it broke off within the block.
        """
        request = httpx2.Request(
            method,
            self._upstream.url,
            headers=self._headers(headers, plain=plain),
            content=body or None,
            extensions={"target": target, "timeout": self._timeout.as_dict()},
        )
        try:
            # httpx2 bounds the wait for each piece of a head; there may be no end of them.
            async with asyncio.timeout(self._upstream.connect + self._upstream.timeout):
                response = await self._client.send(request, stream=True)
        except (httpx2.TransportError, TimeoutError) as error:
            raise _problem(error) from error
        try:
            yield response
        except httpx2.TransportError as error:
            raise _problem(error) from error
        finally:
            await response.aclose()

    def _headers(self, headers: Iterable[Header], *, plain: bool) -> list[Header]:
        dropped = {b"host"}
        if plain:
            dropped.add(b"accept-encoding")
        if self._hides_token or self._upstream.key is not None:
            dropped.add(AUTHORIZATION)
        # httpx2 says how long the body is, but doesn't say so of one that is empty.
        found = [
            (name, value)
            for name, value in end_to_end(headers)
            if name not in dropped and (name != LENGTH or value == b"0")
        ]
        if plain:
            found.append((b"accept-encoding", b"identity"))
        if self._upstream.key is not None:
            found.append((AUTHORIZATION, b"Bearer " + self._upstream.key.encode()))
        return found


def end_to_end(headers: Iterable[Header]) -> list[Header]:
    """The headers that go further than to the next server; their names in small letters."""
    lower = [(name.lower(), value) for name, value in headers]
    named = {
        each.strip().lower() for name, value in lower if name == b"connection" for each in value.split(b",")
    }
    return [(name, value) for name, value in lower if name not in HOP_BY_HOP and name not in named]


def answer_headers(response: httpx2.Response, more: Mapping[str, str], *, length: int | None) -> list[Header]:
    """The headers of an answer, for the client.

    Args:
        more: the guard's own; where there are none, an upstream's that look like them are let through.
        length: of the body in bytes, where it is known to be another than the upstream said; 0 where nobody knows.
    """
    dropped = {b"date"}  # the server adds its own
    if length is not None:
        dropped.add(LENGTH)
    kept = [
        (name, value)
        for name, value in end_to_end(response.headers.raw)
        if name not in dropped and not (more and name.startswith(MARKS))
    ]
    sized = [(LENGTH, str(length).encode())] if length else []
    return [*kept, *sized, *((name.encode(), value.encode()) for name, value in more.items())]


async def whole(pieces: AsyncIterator[bytes]) -> bytes:
    """A body, or all of a stream, in one.

    Raises:
        RequestError: it is larger than can be held.
    """
    found = bytearray()
    async for piece in pieces:
        found += piece
        if len(found) > MOST_ANSWER:
            raise RequestError(502, f"the model's answer is over {MOST_ANSWER} bytes", "upstream_too_large")
    return bytes(found)


def is_stream(response: httpx2.Response) -> bool:
    """Whether an answer comes as server-sent events."""
    return kind_of_body(response) == "text/event-stream"


def kind_of_body(response: httpx2.Response) -> str:
    """The type of a body that is not compressed; "" where it is."""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        return ""
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _problem(error: httpx2.TransportError | TimeoutError) -> RequestError:
    if isinstance(error, httpx2.TimeoutException | TimeoutError):
        return RequestError(504, "the model's server did not answer in time", "upstream_timeout")
    if isinstance(error, httpx2.ConnectError):
        return RequestError(502, "the model's server can't be reached", "upstream_down")
    if isinstance(error, httpx2.LocalProtocolError):
        return RequestError(400, "the request can't be passed on: a header is malformed", "bad_header")
    return RequestError(502, "the model's server broke off its answer", "upstream_broken")
