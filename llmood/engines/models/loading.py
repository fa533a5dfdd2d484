"""From folders to a loaded model with its adapters; what doesn't fit is refused rather than left out."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText
from transformers.utils import logging

from llmood.errors import EngineError, first_line

logging.disable_progress_bar()  # llmood shows its own progress

# What transformers and peft raise for files that don't fit each other.
LOADING_ERRORS = (
    OSError,
    ValueError,
    ImportError,
    RuntimeError,
    TypeError,
    KeyError,
    AttributeError,
    SafetensorError,
)


def load_model(folder: Path, *, dtype: str, trust_remote_code: bool = False) -> Any:
    """A causal language model of a folder; one that sees pictures, where its configuration has such a part.

    Raises:
        EngineError: the files are no such model, or lack weights that its configuration asks for.
    """
    sees = "vision_config" in json.loads((folder / "config.json").read_text(encoding="utf-8"))
    kind = AutoModelForImageTextToText if sees else AutoModelForCausalLM
    what = "a model of pictures and text" if sees else "a causal language model"
    return load_checked(kind, folder, what=what, dtype=dtype, trust_remote_code=trust_remote_code)


def load_checked(kind: Any, folder: Path, *, what: str, dtype: str, trust_remote_code: bool = False) -> Any:
    """A model of one of transformers' automatic classes, all of its weights read from safetensors.

    Raises:
        EngineError: the files are no such model, or lack weights that its configuration asks for.
    """
    try:
        model, loaded = kind.from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=trust_remote_code,
            output_loading_info=True,
        )
    except LOADING_ERRORS as error:
        raise EngineError(f"{folder} can't be loaded as {what}: {first_line(error)}") from error
    _check_loaded(folder, model, loaded)
    return model


def _check_loaded(folder: Path, model: Any, loaded: Mapping[str, Any]) -> None:
    """Refuse a checkpoint that isn't the model that its configuration describes.

    transformers draws the weights that are missing at random, and leaves out the layers that are too many, with a
    warning: either would be scored as if it were the model.
    """
    patterns = {_without_number(name) for name in model.state_dict()}
    layers = [name for name in loaded["unexpected_keys"] if _without_number(name) in patterns]
    for names, what in (
        (loaded["missing_keys"], "lacks weights that config.json asks for"),
        (loaded["mismatched_keys"], "holds weights of another size than config.json says"),
        (layers, "holds layers that config.json leaves out"),
    ):
        if names:
            raise EngineError(f"{folder} {what}: {len(names)} tensors, the first {min(map(str, names))}")


def _without_number(name: str) -> str:
    return re.sub(r"\.\d+\.", ".#.", name)


def attach(model: Any, adapters: Mapping[str, Path]) -> Any:
    """The peft model with these adapters, by name.

    Raises:
        EngineError: an adapter has tensors that find no place, or lacks some.
    """
    from peft import PeftModel

    # In the model's dtype, as servers run them. peft's own choice is float32, and to cast every state there and back.
    settings = {"is_trainable": False, "local_files_only": True, "autocast_adapter_dtype": False}
    switch: Any = None
    for name, folder in adapters.items():
        own = peft_name(name)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings(
                    "ignore", "Found missing adapter keys"
                )  # asked for below, and refused
                if switch is None:
                    switch = PeftModel.from_pretrained(model, folder, own, **settings)
                loaded = switch.load_adapter(str(folder), own, **settings)
        except LOADING_ERRORS as error:
            raise EngineError(f"{folder} can't be attached to the base model: {first_line(error)}") from error
        # peft loads what fits: half an adapter would score as if the model had been tuned less.
        astray = [*loaded.missing_keys, *(key for key in loaded.unexpected_keys if "lora_" in key)]
        if astray:
            raise EngineError(
                f"{folder} is no adapter of this base model: {len(astray)} tensors don't fit, the first {astray[0]}"
            )
    return switch


def peft_name(role: str) -> str:
    """What peft calls an adapter; names of modules are made of it."""
    return role.replace(":", "_")
