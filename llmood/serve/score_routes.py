"""`POST /v1/score` and `GET /v1/detector`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response

from llmood.detector.content import SCORE
from llmood.errors import LlmoodError
from llmood.halves import THRESHOLDS
from llmood.serve.answers import AsciiJSON, RequestError, busy, closing
from llmood.serve.batcher import ClosedError, FullError
from llmood.serve.bodies import read_json, validated
from llmood.serve.decision import Asked, Decision
from llmood.serve.edge import Passage
from llmood.serve.forms import About, ErrorBody, Record, Records, Verdict, Verdicts
from llmood.serve.guard import Guard
from llmood.serve.leaving import unless_left

ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "No JSON, or JSON that is nested too deep."},
    401: {"model": ErrorBody, "description": "The bearer token is missing, or another."},
    408: {"model": ErrorBody, "description": "The body did not come in time."},
    413: {"model": ErrorBody, "description": "The body is too large."},
    422: {"model": ErrorBody, "description": "JSON that is no question."},
    429: {"model": ErrorBody, "description": "The queue is full; Retry-After says when to come again."},
    503: {"model": ErrorBody, "description": "Not ready, no score could be had, or it could not be kept."},
}
BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "anyOf": [
                    {"$ref": "#/components/schemas/Record"},
                    {"$ref": "#/components/schemas/Records"},
                ]
            },
            "examples": {
                "one": {"value": {"text": "How do I freeze my account?"}},
                "many": {"value": {"records": [{"text": "How do I freeze my account?"}]}},
            },
        }
    },
}


def score_routes(guard: Guard) -> APIRouter:
    """The routes of a guard's own."""
    routes = APIRouter()

    @routes.post(
        "/v1/score",
        responses={200: {"model": Verdict | Verdicts}, **ERRORS},
        openapi_extra={"requestBody": BODY},
        response_class=AsciiJSON,
        summary="Score a question, or many",
    )
    async def score(request: Request) -> Response:
        value = await read_json(request, guard.settings.max_depth)
        is_many = isinstance(value, Mapping) and value.get("records") is not None
        if is_many:
            records: Sequence[Mapping[str, Any]] = validated(Records, value).records
        else:
            validated(Record, value)
            records = [{name: own for name, own in value.items() if name != "records"}]
        decisions = await decided(guard, request, records)
        verdicts = [each.to_json() for each in decisions]
        return AsciiJSON({"results": verdicts} if is_many else verdicts[0])

    @routes.get(
        "/v1/detector",
        response_model=About,
        responses={401: ERRORS[401]},
        summary="The detector at work, and what it promises",
    )
    async def detector() -> dict[str, Any]:
        return about(guard)

    return routes


def passage_of(request: Request) -> Passage:
    """What the edge knows of a request."""
    passage: Passage = request.scope["state"]["passage"]
    return passage


async def decided(guard: Guard, request: Request, records: Sequence[Mapping[str, Any]]) -> list[Decision]:
    """Decisions on the records of a request for scores.

    Raises:
        RequestError: none could be had.
    """
    passage = passage_of(request)
    asked = [Asked(record, "score", passage.request_id, passage.arrived) for record in records]
    decisions = await unless_left(request.receive, decide_or_refuse(guard, asked))
    passage.notes |= {"questions": len(asked), "flagged": sum(bool(each.flag) for each in decisions)}
    if guard.settings.log_text:
        passage.notes["records"] = [dict(record) for record in records]
    return decisions


async def decide_or_refuse(guard: Guard, asked: Sequence[Asked]) -> list[Decision]:
    """Decisions.

    Raises:
        RequestError: none could be had.
    """
    if guard.lacks is not None:
        raise RequestError(503, guard.lacks, "not_ready", {"Retry-After": "5"})
    try:
        return await guard.decide(asked)
    except FullError as error:
        raise busy(error.retry_after) from None
    except ClosedError:
        raise closing() from None
    except TimeoutError:
        raise RequestError(503, "no score could be had in time", "timeout", {"Retry-After": "1"}) from None
    except LlmoodError as error:  # its message may name files: that is for the log
        guard.complain(str(error))
        raise RequestError(
            503, "no score could be had or kept; the guard's log says why", "scoring_failed"
        ) from None


def about(guard: Guard) -> dict[str, Any]:
    """What a client may know of a detector: no path and no question of anybody stands in it."""
    from importlib.metadata import version

    content = guard.detector.content
    return {
        "name": content.name,
        "digest": guard.detector.digest,
        "stage": content.stage,
        "scorers": list(content.scorers),
        "thresholds": [threshold.to_json() for threshold in content.thresholds],
        "calibration_rows": len(content.calibration[f"{SCORE}/{THRESHOLDS}"]),
        "id_task": content.data["task"],
        "on_flag": guard.policy.on_flag,
        "on_failure": guard.policy.on_failure,
        "version": version("llmood"),
    }
