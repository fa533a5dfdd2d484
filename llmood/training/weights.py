"""Whether a finished adapter's weights are the ones that were written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from llmood.engines.folders import ADAPTER_WEIGHTS
from llmood.errors import ConfigError
from llmood.identity import FileDigests

DIGEST = "weights"  # of `training.json`; adapters that were made before it was recorded have none


def check_weights(folder: Path, record: dict[str, Any]) -> None:
    """Refuse an adapter whose weights are gone, cut short or others than its record says.

    Raises:
        ConfigError: they are, and the adapter has to be made again.
    """
    path = folder / ADAPTER_WEIGHTS
    try:
        with safe_open(path, framework="numpy") as tensors:
            whole = bool(tensors.keys()) and record.get(DIGEST) in (None, FileDigests().of(path))
    except (OSError, SafetensorError):
        whole = False
    if not whole:
        raise ConfigError(
            f"{folder}: is damaged: {ADAPTER_WEIGHTS} is not what was tuned",
            hint="remove the folder and tune again",
        )
