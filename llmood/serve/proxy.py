"""In front of a model's server: `/v1/chat/completions` and `/v1/completions` are scored, all else goes through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from llmood.serve.answers import RequestError
from llmood.serve.bodies import read_json
from llmood.serve.edge import is_open
from llmood.serve.guard import Guard
from llmood.serve.leaving import unless_left
from llmood.serve.proxy_exchange import Exchange, Reply
from llmood.serve.proxy_paths import SCORED, Kind, target_of
from llmood.serve.proxy_questions import Heard, Question, check_plain
from llmood.serve.proxy_refusals import JSON, refusal
from llmood.serve.proxy_splice import object_of, spliced
from llmood.serve.proxy_streams import marked_first, marked_last
from llmood.serve.proxy_upstream import UpstreamClient, answer_headers, is_stream, kind_of_body, whole
from llmood.serve.settings import Upstream

PENDING = {"x-llmood-status": "pending"}  # of a stream that is scored when it ends


def proxy_routes(guard: Guard, upstream: Upstream) -> APIRouter:
    """The routes of an upstream; they take every path that no route before them takes."""
    client = UpstreamClient(upstream, hides_token=guard.settings.token is not None)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with client.opened():
            yield

    routes: list[BaseRoute] = [
        Route(path, Scored(guard, client, route, path), methods=["POST"], include_in_schema=False)
        for path, route in SCORED.items()
    ]
    routes.append(Route("/{path:path}", Through(guard, client), include_in_schema=False))
    return APIRouter(routes=routes, lifespan=lifespan)


class Through:
    """Everything that isn't scored."""

    def __init__(self, guard: Guard, client: UpstreamClient) -> None:
        self._guard, self._client = guard, client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if is_open(scope["path"]):  # nobody showed a token: it ends here
            raise RequestError(404, "the guard has no such path", "not_found")
        reply = Reply(send, self._guard.settings.timeout)
        target = target_of(self._client.base, scope["raw_path"], scope["query_string"])
        body = await Request(scope, receive).body()
        await unless_left(receive, self._pass(scope, target, body, reply))

    async def _pass(self, scope: Scope, target: bytes, body: bytes, reply: Reply) -> None:
        asked = self._client.asked(scope["method"], target, scope["headers"], body, plain=False)
        async with reply.or_broken(self._guard.complain), asked as response:
            await reply.all_of(response)


class Scored:
    """A route to the model, its questions or its answers scored."""

    def __init__(self, guard: Guard, client: UpstreamClient, route: Kind, path: str) -> None:
        self._guard, self._client, self._route = guard, client, route
        self._path = path.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        value = await read_json(request, self._guard.settings.max_depth)
        body = await request.body()
        if not isinstance(value, dict):
            raise RequestError(400, "the body is no JSON object", "invalid_request")
        check_plain(value)
        reply = Reply(send, self._guard.settings.timeout)
        exchange = Exchange(self._guard, request, Question(self._route, value), reply)
        is_before = self._guard.detector.stage == "pre"
        answering = self._before(exchange, scope, body) if is_before else self._after(exchange, scope, body)
        try:
            await unless_left(receive, answering)
        finally:
            await exchange.end()

    def _asked(self, scope: Scope, body: bytes) -> Any:
        target = target_of(self._client.base, self._path, scope["query_string"])
        return self._client.asked(scope["method"], target, scope["headers"], body, plain=True)

    # -------------------------------------------------------------------------- detectors that look at questions

    async def _before(self, exchange: Exchange, scope: Scope, body: bytes) -> None:
        question, reply = exchange.question, exchange.reply
        async with reply.or_broken(self._guard.complain, exchange.marks):
            outcome = await exchange.decide(question.records(), question.lacks())
            if outcome.is_refused:
                await self._refuse(exchange)
                return
            async with self._asked(scope, body) as response:
                is_answer = response.status_code < 300
                if is_answer and is_stream(response):
                    headers = answer_headers(response, exchange.marks(), length=0)
                    await reply.start(response.status_code, headers)
                    await reply.pieces(marked_first(response.aiter_raw(), exchange.decision()))
                elif is_answer and kind_of_body(response) == JSON:
                    await self._give(exchange, response, await whole(response.aiter_raw()))
                else:
                    await reply.all_of(response, exchange.marks())

    # ---------------------------------------------------------------------------- detectors that look at answers

    async def _after(self, exchange: Exchange, scope: Scope, body: bytes) -> None:
        async with (
            exchange.reply.or_broken(self._guard.complain, exchange.marks),
            self._asked(scope, body) as response,
        ):
            if response.status_code >= 300:  # no answer of the model's
                await exchange.reply.all_of(response)
                return
            exchange.owes = True
            if is_stream(response):
                await self._after_stream(exchange, response)
                return
            answer = await whole(response.aiter_raw())
            heard = Heard(self._route)
            heard.note(object_of(answer) or {})
            if (await exchange.decide_on(heard)).is_refused:
                await self._refuse(exchange)
            else:
                await self._give(exchange, response, answer)

    async def _after_stream(self, exchange: Exchange, response: httpx2.Response) -> None:
        heard, reply = Heard(self._route), exchange.reply

        async def judge() -> dict[str, Any]:
            await exchange.decide_on(heard)
            return exchange.decision()

        stream = marked_last(response.aiter_raw(), heard, judge)
        policy = self._guard.policy
        if policy.on_flag == "annotate" and policy.on_failure == "open":
            await reply.start(response.status_code, answer_headers(response, PENDING, length=0))
            await reply.pieces(stream)
            return
        held = await whole(stream)
        if exchange.outcome is not None and exchange.outcome.is_refused:
            await self._refuse(exchange)
        else:
            headers = answer_headers(response, exchange.marks(), length=len(held))
            await reply.start(response.status_code, headers)
            await reply.end(held)

    # ------------------------------------------------------------------------------------------------- answers

    async def _give(self, exchange: Exchange, response: httpx2.Response, answer: bytes) -> None:
        """An answer with the decision in it, where it has room for one."""
        has_room = kind_of_body(response) == JSON
        more = spliced(answer, exchange.decision()) if has_room else None
        answer = answer if more is None else more
        headers = answer_headers(response, exchange.marks(), length=len(answer))
        await exchange.reply.start(response.status_code, headers)
        await exchange.reply.end(answer)

    async def _refuse(self, exchange: Exchange) -> None:
        kind, body = refusal(exchange.question, self._guard.policy.message, exchange.decision())
        headers = {"content-type": kind, "content-length": str(len(body)), **exchange.marks()}
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        await exchange.reply.start(200, encoded)
        await exchange.reply.end(body)
