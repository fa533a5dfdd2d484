"""Prompts under both models through llmood's engine, as a run does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.random_llama import Folders
from llmood.config import EngineConfig, Models
from llmood.engines.base import Engine, Request
from llmood.records import CaptureSpec

if TYPE_CHECKING:
    from llmood.engines.transformers import TransformersEngine

Sums = dict[str, NDArray[np.float64]]
"""Log-likelihoods of the texts, by role."""
ROLES = ("base", "tuned")


def transformers_engine(folders: Folders, *, dtype: str, device: str) -> TransformersEngine:
    """The engine over a base and its adapter."""
    from llmood.engines.transformers import TransformersEngine

    return TransformersEngine(EngineConfig(dtype=dtype, device=device), models_of(folders))


def models_of(folders: Folders) -> Models:
    """The roles of a base and its adapter."""
    return Models.model_validate({"base": str(folders.base), "tuned": {"adapter": str(folders.adapter)}})


def score(engine: Engine, rows: Sequence[tuple[int, ...]], roles: Sequence[str] = ROLES) -> Sums:
    """Each text's log-likelihood under each model."""
    requests = [Request(row) for row in rows]
    sums: Sums = {}
    for role in roles:
        sums[role] = np.full(len(rows), np.nan)
        for finished in engine.run(CaptureSpec.of("prompt_logprobs", role), requests):
            for index, captured in finished:
                sums[role][index] = np.sum(captured.values["logprobs"][1:], dtype=np.float64)
    return sums


def largest_difference(ours: Sums, theirs: dict[str, Any]) -> float:
    """Of any text's log-likelihood under any model."""
    return max(float(np.abs(ours[role] - np.asarray(theirs[role])).max()) for role in ours)
