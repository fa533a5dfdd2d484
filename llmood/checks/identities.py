"""Can somebody else load the same things?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llmood.checks.base import CheckInput, checks
from llmood.records import Check


@checks.register("unpinned")
def unpinned(given: CheckInput) -> Iterator[Check]:
    """A hub model whose revision the configuration leaves open: next month's may be another."""
    for role, model in given.models.items():
        if model.get("commit") and not model.get("revision"):
            yield Check(
                code="unpinned",
                severity="info",
                title="Unpinned revision",
                detail=f"models.{role} names no revision; this run loaded commit {model['commit']}.",
                values={"commit": model["commit"]},
            )


def is_fake(models: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the engine that runs no model answered for one of them."""
    return any(model["identity"].get("engine") == "fake" for model in models.values())


@checks.register("fake_engine")
def fake_engine(given: CheckInput) -> Iterator[Check]:
    """Numbers that look like any others and come from no model."""
    if is_fake(given.models):
        yield Check(
            code="fake_engine",
            severity="warning",
            title="No model",
            detail="The engine 'fake' made these numbers by hash: they say nothing about any model.",
        )
