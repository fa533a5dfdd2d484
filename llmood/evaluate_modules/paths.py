"""Where the modules are."""

from __future__ import annotations

from pathlib import Path

from llmood.errors import ConfigError
from llmood.metrics import metrics_registry


def module_path(metric: str) -> Path:
    """The folder of a metric's module: `evaluate.load(str(module_path("auroc")))`.

    Raises:
        UnknownNameError: no metric of that id.
        ConfigError: the metric has no module, as one of another package has none here.
    """
    found = find_module(metric)
    if found is None:
        raise ConfigError(f"the metric '{metric}' has no module for evaluate")
    return found


def find_module(metric: str) -> Path | None:
    """The same, or None for a metric without a module."""
    folder = Path(__file__).parent / metrics_registry.get(metric).id
    return folder if (folder / f"{metric}.py").is_file() else None
