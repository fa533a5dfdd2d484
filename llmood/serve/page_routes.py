"""The page at `/`, what it is made of, and the two routes behind it that programs may ask too."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Request, Response

from llmood.serve.answers import AsciiJSON, RequestError
from llmood.serve.bodies import read_json, validated
from llmood.serve.edge import WRONG_TOKEN, is_token
from llmood.serve.explaining import explain
from llmood.serve.guard import Guard
from llmood.serve.page import Page
from llmood.serve.page_forms import Explanation, Question, Traffic
from llmood.serve.recent_traffic import RecentTraffic
from llmood.serve.score_routes import ERRORS, decided
from llmood.serve.settings import is_this_machine

ASSETS = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # without it a browser hides where the page's own form comes from
    "Cache-Control": "no-store",
}
BODY = {"required": True, "content": {"application/json": {"schema": Question.model_json_schema()}}}


def page_routes(guard: Guard) -> APIRouter:
    """The routes of a guard's page."""
    traffic = RecentTraffic(keeps_text=guard.settings.show_text)
    guard.listen(traffic.decided)
    page = Page(guard, traffic)
    routes = APIRouter()
    _add_page(routes, guard, page)
    _add_parts(routes, guard, page)

    @routes.post(
        "/v1/explain",
        responses={200: {"model": Explanation}, **ERRORS},
        openapi_extra={"requestBody": BODY},
        response_class=AsciiJSON,
        summary="What each word of a question does to its score",
    )
    async def explained(request: Request) -> Response:
        asked = await _question(guard, request)
        found = await explain(guard, request, page.record(asked.text, asked.response), page.column)
        return AsciiJSON(found.to_json())

    @routes.get(
        "/v1/traffic",
        responses={200: {"model": Traffic}, 401: ERRORS[401]},
        response_class=AsciiJSON,
        summary="What came in since the start",
    )
    async def summary(request: Request) -> Response:
        return AsciiJSON(page.traffic_json(show=_may_show(guard, request)))

    return routes


def _add_page(routes: APIRouter, guard: Guard, page: Page) -> None:
    @routes.get("/", include_in_schema=False)
    async def whole(request: Request) -> Response:
        return _html(page.whole(may_see=guard.settings.token is None, show=_may_show(guard, request)))

    @routes.post("/", include_in_schema=False)
    async def without_script(request: Request) -> Response:
        fields = _fields(await request.body())
        given = {"question": fields.get("text", ""), "response": fields.get("response", "")}
        may_see, show = False, _may_show(guard, request)
        try:
            may_see = _check_token(guard, fields.get("token", ""))
            record = page.record(given["question"], given["response"])
            (decision,) = await decided(guard, request, [record])
            given["answer"] = await page.answer_part(given["question"], decision, show=show)
            given["words"] = page.words_part(await explain(guard, request, record, page.column))
        except RequestError as error:
            whole = page.whole(may_see=may_see, show=show, error=error.message, **given)
            return _html(whole, error.status, error.headers)
        return _html(page.whole(may_see=True, show=show, **given))

    @routes.get("/assets/{name}", include_in_schema=False)
    async def asset(name: str) -> Response:
        if name not in ASSETS:
            raise RequestError(404, "there is no such file", "not_found")
        headers = {**HEADERS, "Cache-Control": "no-cache"}
        return Response(_asset(name), media_type=ASSETS[name], headers=headers)


def _add_parts(routes: APIRouter, guard: Guard, page: Page) -> None:
    """The parts that the page's script puts into it."""

    @routes.post("/page/answer", include_in_schema=False)
    async def answer(request: Request) -> Response:
        asked = await _question(guard, request)
        record = page.record(asked.text, asked.response)
        (decision,) = await decided(guard, request, [record])
        return _html(await page.answer_part(asked.text, decision, show=_may_show(guard, request)))

    @routes.post("/page/words", include_in_schema=False)
    async def words(request: Request) -> Response:
        asked = await _question(guard, request)
        record = page.record(asked.text, asked.response)
        return _html(page.words_part(await explain(guard, request, record, page.column)))

    @routes.get("/page/traffic", include_in_schema=False)
    async def summary(request: Request) -> Response:
        return _html(page.traffic_part(show=_may_show(guard, request)))


async def _question(guard: Guard, request: Request) -> Question:
    return validated(Question, await read_json(request, guard.settings.max_depth))


def _fields(body: bytes) -> dict[str, str]:
    """The fields of a form that a browser sent; it ends lines as no script would."""
    try:
        found = parse_qs(body.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=8)
    except ValueError:
        return {}
    return {name: values[0].replace("\r\n", "\n") for name, values in found.items()}


def _may_show(guard: Guard, request: Request) -> bool:
    """Whether questions of others are shown.

    Without a token only by an address of this machine: a site whose name was made to point here, to have a browser read
    for it what stands on loopback, is asked for by that name.
    """
    settings = guard.settings
    if settings.token is not None:
        return settings.show_text
    try:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname
    except ValueError:
        host = None
    return settings.show_text and is_this_machine(host or "")


def _check_token(guard: Guard, shown: str) -> bool:
    """The edge lets everybody see the page, so the form brings the token itself."""
    if not is_token(guard.settings, shown.strip().encode()):
        raise RequestError(401, WRONG_TOKEN, "invalid_token")
    return True


@cache
def _asset(name: str) -> bytes:
    return (files("llmood.serve") / "assets" / name).read_bytes()


def _html(text: str, status: int = 200, more: Mapping[str, str] | None = None) -> Response:
    headers = {**HEADERS, **(more or {})}
    return Response(text.encode("utf-8", "replace"), status, headers, media_type="text/html; charset=utf-8")
