"""`/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from llmood.serve.answers import AsciiJSON
from llmood.serve.forms import Health
from llmood.serve.guard import LOADING, Guard
from llmood.serve.meters import Meters


def health_routes(guard: Guard, meters: Meters) -> APIRouter:
    """For whoever watches the guard."""
    routes = APIRouter()

    @routes.get("/healthz", response_model=Health, summary="Whether the process answers")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @routes.get(
        "/readyz",
        response_model=Health,
        responses={
            503: {
                "model": Health,
                "description": "The models are being loaded, or scoring has come to a stop.",
            }
        },
        summary="Whether questions are taken",
    )
    async def readyz() -> Response:
        if guard.is_ready:
            return AsciiJSON({"status": "ready"})
        status = "loading" if guard.lacks == LOADING else "stuck"
        return AsciiJSON({"status": status}, 503, headers={"Retry-After": "5"})

    @routes.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}, "description": "In Prometheus' format."}},
        summary="Counters",
    )
    async def metrics() -> Response:
        return Response(meters.text(), media_type=CONTENT_TYPE_LATEST)

    return routes
