"""A model's own processor: what it makes of a text and its pictures, and why one can't be had."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from PIL import Image

from llmood.engines.folders import PROCESSOR
from llmood.errors import ConfigError, first_line
from llmood.tasks.row_errors import RowError

OF_TOKENS = frozenset({"input_ids", "attention_mask"})
OF_PIXELS = frozenset({"pixel_values", "pixel_attention_mask"})
"""What a processor may give. What else a model asks for is not known here, and would be left out in silence."""
GRIDS = "image_grid_thw"
OF_GRIDS = frozenset({GRIDS, "mm_token_type_ids"})
"""And these, where it is one of Qwen-VL's, whose models count positions by a picture's rows and columns."""
QWEN_VL = {
    "qwen2_vl": "Qwen2VLProcessor",
    "qwen2_5_vl": "Qwen2_5_VLProcessor",
    "qwen3_vl": "Qwen3VLProcessor",
}
"""Those that were tried, by the kind of model. Others have a processor of theirs, and are other models."""
QWEN_MARKS = ("<|vision_start|>", "<|vision_end|>")
"""What stands around each picture of theirs. Their templates write it; the processor adds none."""
UNREADABLE = (OSError, ValueError, ImportError, TypeError, KeyError, AttributeError)
"""What transformers raises where it can't read a processor."""
INSTALL_TORCHVISION = "install torchvision in the version that belongs to torch's"


def picture_libraries() -> dict[str, str | None]:
    """Who resizes pictures, for identities: transformers leaves it to torchvision where that is installed."""
    found: dict[str, str | None] = {"pillow": version("pillow")}
    try:
        return {**found, "torchvision": version("torchvision")}
    except PackageNotFoundError:
        return {**found, "torchvision": None}


def read_processor(folder: Path, place: str, *, trust: bool) -> Any:
    """The processor of a folder.

    Raises:
        ConfigError: it can't be read; `place` is where it was named.
    """
    from transformers import AutoProcessor

    logging.getLogger("transformers.configuration_utils").addFilter(_of_a_model)
    try:
        found = AutoProcessor.from_pretrained(folder, trust_remote_code=trust, local_files_only=True)
    except UNREADABLE as error:
        kind = _kind_named(folder)
        if isinstance(error, ImportError) and kind in QWEN_VL.values():
            return _without_videos(kind, folder, place)
        first = first_line(error)
        hint = None
        if isinstance(error, ImportError):
            # Nobody shall install what is missing for a model that is refused then, too.
            _check_known(_given_of_images(folder, trust=trust), kind, place)
            first = first.partition(". ")[0]
            hint = INSTALL_TORCHVISION if "torchvision" in first.lower() else None
        raise ConfigError(f"{place}: the processor in {folder} can't be read: {first}", hint=hint) from error
    # Of a class that it doesn't know transformers makes a tokenizer, in silence.
    if not hasattr(found, "tokenizer"):
        named = _kind_named(folder) or "none"
        raise ConfigError(
            f"{place}: the processor in {folder} can't be read: transformers knows no processor_class '{named}'"
        )
    return found


def _kind_named(folder: Path) -> str:
    """The name of its class, in the first of the files that transformers looks for it in; else by the model's kind."""
    for name in (*PROCESSOR, "tokenizer_config.json", "config.json"):
        try:
            values = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        found = values.get("processor_class") or QWEN_VL.get(str(values.get("model_type")))
        if found:
            return str(found)
    return ""


def _without_videos(kind: str, folder: Path, place: str) -> Any:
    """A processor without its part for videos, which nobody shows here and which can't be made without torchvision."""
    import transformers

    whole = getattr(transformers, kind)

    def make(self: Any, image_processor: Any, tokenizer: Any, chat_template: Any = None, **_: Any) -> None:
        whole.__init__(self, image_processor, tokenizer, None, chat_template=chat_template)

    # transformers reads off the arguments' names which parts there are.
    still: Any = type(kind, (whole,), {"__init__": make})
    try:
        return still.from_pretrained(folder, local_files_only=True)
    except UNREADABLE as error:
        raise ConfigError(f"{place}: the processor in {folder} can't be read: {first_line(error)}") from error


def _of_a_model(told: logging.LogRecord) -> bool:
    """Whether it is of a model: Idefics3's defaults, made to print what differs from them, are warned of, too."""
    return "got 128002" not in told.getMessage()


def process(processor: Any, text: str, images: Sequence[Image.Image], place: str, **options: Any) -> Any:
    """What a processor makes of a text and its pictures, as tensors.

    Raises:
        RowError: it refuses a picture.
        ConfigError: it gives more than is known here.
    """
    try:
        found = processor(text=[text], images=[list(images)], return_tensors="pt", **options)
    except ValueError as error:
        raise RowError(f"picture: the model's processor refuses it: {first_line(error)}") from error
    _check_known(found, type(processor).__name__, place)
    return found


def of_pixels(found: Mapping[str, Any]) -> dict[str, Any]:
    """What is the pictures' of what a processor made, as tensors."""
    return {name: value for name, value in found.items() if name in OF_PIXELS or name == GRIDS}


def _check_known(names: Iterable[str], kind: str, place: str) -> None:
    """Refuse a processor that gives other things than those a model is shown here."""
    further = sorted(set(names) - OF_TOKENS - OF_PIXELS - (OF_GRIDS if kind in QWEN_VL.values() else set()))
    if further:
        raise ConfigError(f"{place}: its processor gives {further[0]}, which is not known for pictures yet")


def _given_of_images(folder: Path, *, trust: bool) -> list[str]:
    """What a processor says that it makes of pictures, where its part for videos can't be read."""
    from transformers import AutoImageProcessor

    try:
        images = AutoImageProcessor.from_pretrained(folder, trust_remote_code=trust, local_files_only=True)
    except UNREADABLE:
        return []
    return list(images.model_input_names)
