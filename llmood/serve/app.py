"""The application: routes around a guard, and an edge around the routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from llmood.serve.answers import RequestError, error_response
from llmood.serve.edge import REQUEST_ID, Edge, Passage
from llmood.serve.forms import ErrorBody, Record, Records
from llmood.serve.guard import Guard
from llmood.serve.health_routes import health_routes
from llmood.serve.logs import RequestLog
from llmood.serve.meters import Meters
from llmood.serve.page_routes import page_routes
from llmood.serve.proxy_paths import SCORED
from llmood.serve.score_routes import score_routes

TITLE = "llmood guard"
ABOUT = "Tells of each question whether the model was tuned for it, at a false-alarm rate that was promised."
NO_MODEL = "there is no model behind this guard; 'llmood serve --upstream' names one"
CODES = {404: "not_found", 405: "method_not_allowed"}


def make_app(
    guard: Guard,
    *,
    log: RequestLog | None = None,
    more: tuple[APIRouter, ...] = (),
    failed: Callable[[BaseException], None] = lambda _: None,
) -> FastAPI:
    """The application of a guard, which starts and stops with it.

    Args:
        more: routes behind the guard's own; the last of them may take everything.
        failed: told where the models could not be loaded.
    """
    log = log or RequestLog()
    app = FastAPI(
        title=TITLE,
        description=ABOUT,
        version=version("llmood"),
        lifespan=_lifespan(guard, log, failed),
        docs_url=None,  # those pages load their scripts from another host
        redoc_url=None,
        redirect_slashes=False,  # to an address that the client's `Host` says
    )
    routes = [score_routes(guard), page_routes(guard)]
    known = frozenset({"/healthz", "/readyz", "/metrics", *_paths(*routes, *more)})
    meters = Meters(known, lambda: guard.waiting, lambda: guard.is_ready)
    for each in (*routes, health_routes(guard, meters), *more):
        app.include_router(each)
    guard.listen(meters.decided)
    app.exception_handler(RequestError)(_refused)
    app.exception_handler(HTTPException)(_http_error)
    app.exception_handler(Exception)(_bug)
    app.add_middleware(
        Edge, settings=guard.settings, tell=_tell(meters, log), retry_after=lambda: guard.retry_after
    )
    app.openapi = _with_forms(app)  # type: ignore[method-assign]
    return app


def _lifespan(guard: Guard, log: RequestLog, failed: Callable[[BaseException], None]) -> Any:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        starting = asyncio.create_task(guard.start())  # the port answers meanwhile: probes are to see it

        def started(task: asyncio.Task[None]) -> None:
            if task.cancelled():
                return
            error = task.exception()
            if error is None:
                log.write("ready")
            else:
                failed(error)

        starting.add_done_callback(started)
        yield
        await asyncio.wait([starting])
        await guard.stop()

    return lifespan


def _tell(meters: Meters, log: RequestLog) -> Callable[[Passage], None]:
    def tell(passage: Passage) -> None:
        meters.passed(passage)
        log(passage)

    return tell


async def _refused(_: Request, error: RequestError) -> Response:
    return error.response()


async def _http_error(request: Request, error: HTTPException) -> Response:
    status, path = error.status_code, request.url.path
    message = str(error.detail)
    if status == 404:
        message = NO_MODEL if path in SCORED else "there is no such path"
    elif status == 405:
        message = (
            f"the path takes {(error.headers or {}).get('Allow', 'another method')}, not {request.method}"
        )
    return error_response(status, message, CODES.get(status, "error"), error.headers)


async def _bug(request: Request, _: Exception) -> Response:
    passage: Passage = request.scope["state"]["passage"]
    message = "something is wrong with the guard; its log says where"
    return error_response(500, message, "bug", {REQUEST_ID: passage.request_id})


def _paths(*routers: APIRouter) -> frozenset[str]:
    return frozenset(
        path for router in routers for route in router.routes if (path := getattr(route, "path", ""))
    )


def _with_forms(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """The OpenAPI document with the requests that routes read themselves: their limits come before their shape."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        document = made()
        schemas = document["components"]["schemas"]
        for model in (Record, Records, ErrorBody):
            own = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= own.pop("$defs", {})
            schemas[model.__name__] = own
        return document

    return openapi
