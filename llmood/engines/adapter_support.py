"""Whether vLLM applies an adapter as it is. Where it would trim one in silence, its weights have to be merged first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from llmood.engines.folders import ModelFolder

PREFIX = "base_model.model."
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # what vLLM reserves room for
# Starts that change nothing but the adapter's own first values. Others change the base's weights as peft loads them.
PLAIN_STARTS = ("gaussian", "eva", "orthogonal")
# Keys of adapter_config.json that ask for another computation than W + scale · B A, where they hold anything.
OTHER_COMPUTATIONS = (
    "use_dora",
    "lora_bias",
    "use_qalora",
    "use_bdlora",
    "alora_invocation_tokens",
    "layer_replication",
    "modules_to_save",
    "target_parameters",
    "trainable_token_indices",
)
_TENSOR = re.compile(r"^(?P<module>.+)\.lora_[AB]\.weight$")
_OF_TEXT = re.compile(r"\.(text_model|language_model)\.")  # where a model that sees keeps its language model
_IN_LAYER = re.compile(r"\.\d+\.")


def why_merged(adapter: ModelFolder, base: ModelFolder) -> str | None:
    """Why vLLM can't apply this adapter to the base faithfully; None where it can.

    It applies low-rank changes of linear maps within the layers. Those of the head it loses for prompt tokens, whole
    tensors saved beside an adapter it passes over, and tensors that find no place too; and so it does with those of a
    model's eye.
    """
    config = adapter.read_json("adapter_config.json")
    return _other_computation(config) or _rank(config) or _astray(adapter, base)


def modules_of(adapter: ModelFolder) -> set[str]:
    """The last names of the modules that an adapter changes: `q_proj`."""
    found = (_TENSOR.match(name) for name in adapter.shapes())
    return {match["module"].rsplit(".", 1)[-1] for match in found if match}


def rank_of(adapter: ModelFolder) -> int:
    """The least rank that vLLM must reserve room for.

    Raises:
        ValueError: it has no such room.
    """
    wanted = _largest_rank(adapter.read_json("adapter_config.json"))
    found = next((rank for rank in RANKS if rank >= wanted), None)
    if found is None:
        raise ValueError(f"rank {wanted} is over {RANKS[-1]}")
    return found


def _other_computation(config: Mapping[str, Any]) -> str | None:
    for key in OTHER_COMPUTATIONS:
        if config.get(key):
            return f"{key} is set"
    if config.get("bias", "none") != "none":
        return "it changes biases"
    start = config.get("init_lora_weights", True)
    if isinstance(start, str) and start.lower() not in PLAIN_STARTS:
        return f"init_lora_weights is {start}"
    return None


def _rank(config: Mapping[str, Any]) -> str | None:
    largest = _largest_rank(config)
    return None if largest <= RANKS[-1] else f"its rank {largest} is over {RANKS[-1]}"


def _largest_rank(config: Mapping[str, Any]) -> int:
    patterns = config.get("rank_pattern") or {}
    return int(max([config.get("r", 8), *patterns.values()]))


def _astray(adapter: ModelFolder, base: ModelFolder) -> str | None:
    known = set(base.shapes())
    for name in adapter.shapes():
        match = _TENSOR.match(name)
        module = match["module"].removeprefix(PREFIX) if match else ""
        if not match or f"{module}.weight" not in known:
            return f"{name} is no low-rank change of a layer"
        if not _IN_LAYER.search(f".{module}."):
            return f"it changes {module}, outside the layers"
        if "vision_config" in base.config and not _OF_TEXT.search(f".{module}."):
            return f"it changes {module}, which is none of the words' side"
    return None
