"""vLLM's engine in this process over tiny models, and what it captures in the requests' order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llmood.config import EngineConfig, Models
from llmood.engines.base import Captured, Request, engines
from llmood.engines.vllm import VllmEngine
from llmood.records import CaptureSpec


def vllm_engine(base: Path, *adapters: Path, **config: Any) -> VllmEngine:
    """On the CPU in float32; `config` is put on top of its `engine` section."""
    tuned = {"tuned": [{"adapter": str(each)} for each in adapters]} if adapters else {}
    found = engines.get("vllm")(
        EngineConfig.model_validate({"dtype": "float32", "device": "cpu"} | config),
        Models.model_validate({"base": str(base), **tuned}),
    )
    assert isinstance(found, VllmEngine)
    return found


def run_all(engine: VllmEngine, spec: CaptureSpec, requests: Sequence[Request]) -> list[Captured]:
    """The result of each request, whatever it is; every one comes once."""
    found: dict[int, Captured] = {}
    for finished in engine.run(spec, list(requests)):
        for index, result in finished:
            assert index not in found
            found[index] = result
    return [found[index] for index in range(len(requests))]


def run_well(engine: VllmEngine, spec: CaptureSpec, requests: Sequence[Request]) -> list[Captured]:
    """The same of requests of which none fails."""
    results = run_all(engine, spec, requests)
    assert [(each.status, each.reason) for each in results] == [("ok", None)] * len(requests)
    return results
