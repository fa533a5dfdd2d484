"""llmood tells when a fine-tuned language model has left the domain it knows.

>>> import llmood
>>> run = llmood.evaluate("demo")  # doctest: +SKIP
>>> run.metrics()  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmood.run import Run, evaluate, rescore

_HOMES = {"Run": "llmood.run", "evaluate": "llmood.run", "rescore": "llmood.run"}

__all__ = ["Run", "evaluate", "rescore"]


def __getattr__(name: str) -> Any:
    # Loaded on first use: importing llmood costs nothing that the caller doesn't ask for.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("llmood")
    raise AttributeError(f"module 'llmood' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
