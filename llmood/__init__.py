"""llmood tells when a fine-tuned language model has left the domain it knows.

>>> import llmood
>>> run = llmood.evaluate("demo")  # doctest: +SKIP
>>> run.metrics()  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmood.comparison import compare_runs as compare
    from llmood.detector.detector import Detector, load_detector
    from llmood.detector.fitting import fit_detector
    from llmood.importing import import_file
    from llmood.merging import merge
    from llmood.rescoring import rescore
    from llmood.run import evaluate
    from llmood.runs import Run
    from llmood.scorers.artefacts import load_scorer
    from llmood.tuning import finetune

# No module of llmood may be called like one of these: once imported, it would stand here in its place.
_HOMES = {
    "Detector": ("llmood.detector.detector", "Detector"),
    "Run": ("llmood.runs", "Run"),
    "compare": ("llmood.comparison", "compare_runs"),
    "evaluate": ("llmood.run", "evaluate"),
    "finetune": ("llmood.tuning", "finetune"),
    "fit_detector": ("llmood.detector.fitting", "fit_detector"),
    "import_file": ("llmood.importing", "import_file"),
    "load_detector": ("llmood.detector.detector", "load_detector"),
    "load_scorer": ("llmood.scorers.artefacts", "load_scorer"),
    "merge": ("llmood.merging", "merge"),
    "rescore": ("llmood.rescoring", "rescore"),
}

__all__ = [
    "Detector",
    "Run",
    "compare",
    "evaluate",
    "finetune",
    "fit_detector",
    "import_file",
    "load_detector",
    "load_scorer",
    "merge",
    "rescore",
]


def __getattr__(name: str) -> Any:
    # Loaded on first use: importing llmood costs nothing that the caller doesn't ask for.
    if name in _HOMES:
        module, attribute = _HOMES[name]
        return getattr(import_module(module), attribute)
    if name == "__version__":
        from importlib.metadata import version

        return version("llmood")
    raise AttributeError(f"module 'llmood' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
