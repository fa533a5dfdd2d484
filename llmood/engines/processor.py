"""A model's own processor: what it makes of a text and its pictures, and why one can't be had."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from llmood.errors import ConfigError, first_line
from llmood.tasks.row_errors import RowError

if TYPE_CHECKING:
    from llmood.engines.models.pixels import Pixels

OF_TOKENS = frozenset({"input_ids", "attention_mask"})
OF_PIXELS = frozenset({"pixel_values", "pixel_attention_mask"})
"""What a processor may give. What else a model asks for is not known here, and would be left out in silence."""
UNREADABLE = (OSError, ValueError, ImportError, TypeError, KeyError, AttributeError)
"""What transformers raises where it can't read a processor."""
INSTALL_TORCHVISION = "install torchvision in the version that belongs to torch's"


def read_processor(folder: Path, place: str, *, trust: bool) -> Any:
    """The processor of a folder.

    Raises:
        ConfigError: it can't be read; `place` is where it was named.
    """
    from transformers import AutoProcessor

    logging.getLogger("transformers.configuration_utils").addFilter(_of_a_model)
    try:
        return AutoProcessor.from_pretrained(folder, trust_remote_code=trust, local_files_only=True)
    except UNREADABLE as error:
        first = first_line(error)
        hint = None
        if isinstance(error, ImportError):
            # Nobody shall install what is missing for a model that is refused then, too.
            _check_known(_given_of_images(folder, trust=trust), place)
            first = first.partition(". ")[0]
            hint = INSTALL_TORCHVISION if "torchvision" in first.lower() else None
        raise ConfigError(f"{place}: the processor in {folder} can't be read: {first}", hint=hint) from error


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
    _check_known(found, place)
    return found


def of_pixels(found: Mapping[str, Any]) -> Pixels:
    """What is the pictures' of what a processor made."""
    return {name: value for name, value in found.items() if name in OF_PIXELS}


def _check_known(names: Iterable[str], place: str) -> None:
    """Refuse a processor that gives other things than those a model is shown here."""
    further = sorted(set(names) - OF_TOKENS - OF_PIXELS)
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
