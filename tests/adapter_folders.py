"""What stands in an adapter's folder after `llmood finetune`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def record_of(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "training.json").read_text(encoding="utf-8")))


def losses(folder: Path) -> list[float]:
    """Before the first epoch, and of each epoch that of training and of validation."""
    loss = record_of(folder)["loss"]
    return [
        loss["before"],
        *(value for epoch in loss["epochs"] for value in (epoch["training_loss"], epoch["validation_loss"])),
    ]


def weights(folder: Path) -> bytes:
    return (folder / "adapter_model.safetensors").read_bytes()
