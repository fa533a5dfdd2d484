"""Was an adapter made for this base? Names and shapes of tensors tell, from the files' headers alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from llmood.engines.folders import ModelFolder
from llmood.errors import ConfigError


def check_adapter(adapter: ModelFolder, base: ModelFolder) -> None:
    """Refuse an adapter that was made for another base, before anything loads.

    peft applies what fits and only warns about the rest, so an adapter of a deeper, a shallower or a differently shaped
    model would score as if it had been tuned less.

    Raises:
        ConfigError: the adapter's tensors don't fit the base's, or it names another hub model.
    """
    config = adapter.read_json("adapter_config.json")
    named = str(config.get("base_model_name_or_path") or "")
    hint = f"the adapter was made for '{named}'" if named else "give the base that the adapter was made for"
    if base.commit and "/" in named and not Path(named).exists() and named.lower() != base.name.lower():
        raise ConfigError(f"{adapter.place}: {adapter.name} is an adapter of '{named}', not of '{base.name}'")
    problem = lora_mismatch(adapter.shapes(), base.shapes(), config)
    if problem:
        raise ConfigError(
            f"{adapter.place}: {adapter.name} is no adapter of {base.name}: {problem}", hint=hint
        )


def lora_mismatch(
    adapter: dict[str, tuple[int, ...]], base: dict[str, tuple[int, ...]], config: dict[str, Any]
) -> str | None:
    """What doesn't fit between LoRA tensors and base weights, in words, or None.

    What the base's files spell in another way altogether (a tied head, fused experts) can't be compared; it is left to
    the loading, which refuses tensors that find no place.
    """
    tuned = {_module(name, ".lora_A.weight"): name for name in adapter if name.endswith(".lora_A.weight")}
    layers = {name.removesuffix(".weight") for name in base if name.endswith(".weight")}
    if tuned and not layers & tuned.keys():
        same_leaf = {_leaf(layer) for layer in layers} & {_leaf(module) for module in tuned}
        return None if same_leaf else "the base has none of the layers that it tunes"
    patterns = {_pattern(layer) for layer in layers}
    for module in sorted(tuned):
        if module not in layers:
            if _pattern(module) in patterns:
                return f"the base has no layer {module}"
            continue
        down, up = adapter[tuned[module]], adapter.get(tuned[module].replace("lora_A", "lora_B"))
        if up is None:
            return f"{module} has a lora_A and no lora_B"
        shape = base[f"{module}.weight"]
        if sorted(shape) != sorted((up[0], down[-1])):
            return (
                f"{module} is {up[0]}×{down[-1]} in the adapter and {'×'.join(map(str, shape))} in the base"
            )
    embedded = {_module(name, ".lora_embedding_A") for name in adapter if name.endswith(".lora_embedding_A")}
    return _left_out(layers, tuned.keys() | embedded, config)


def _left_out(layers: set[str], tuned: set[str], config: dict[str, Any]) -> str | None:
    """A layer that the adapter's own list of targets names and that it has no tensors for."""
    targets = config.get("target_modules")
    everywhere = not (config.get("layers_to_transform") or config.get("exclude_modules"))
    if isinstance(targets, list) and everywhere:
        for layer in sorted(layers - tuned):
            if any(f".{layer}".endswith(f".{target}") for target in targets):
                return f"it tunes no {layer}"
    return None


def _module(tensor: str, suffix: str) -> str:
    return tensor.removeprefix("base_model.model.").removesuffix(suffix)


def _leaf(module: str) -> str:
    return module.rsplit(".", 1)[-1]


def _pattern(module: str) -> str:
    """A layer's name without its number."""
    return re.sub(r"\.\d+\.", ".#.", module)
