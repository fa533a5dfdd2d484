"""What a model's eye makes of pictures, before anything of it is given to the language model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from llmood.engines.models.host import ToHost
from llmood.engines.models.pixels import GRIDS, Pixels, joined
from llmood.errors import EngineError

SUMMARY = 1  # states before the patches' own: CLIP's eye has one that stands for the whole


def eye_states(model: Any, pixels: Sequence[Pixels]) -> Callable[[], NDArray[np.float32]]:
    """Mean of the eye's last hidden states over all patches of a row's pictures, (rows, size); what is returned waits.

    Of a picture in tiles the patches of all tiles count, and patches of padding alone don't.

    Args:
        pixels: of each row, of the same shapes.

    Raises:
        EngineError: the model doesn't say what its eye sees, or leaves some of it out.
    """
    shown = {name: value.to(model.device) for name, value in (joined(pixels) or {}).items()}
    values = shown["pixel_values"]
    cells = _patches(model, shown)
    with torch.inference_mode():
        found = model.base_model.get_image_features(
            **{**shown, "pixel_values": values.to(model.dtype)}
        ).last_hidden_state
    if GRIDS in shown:
        found = found[None]  # all patches of all pictures, one behind the other
    further = found.shape[1] - cells.shape[1]
    if found.shape[0] != cells.shape[0] or further not in (0, SUMMARY):
        raise EngineError(
            f"the model's eye gave {found.shape[0]} × {found.shape[1]} states of {cells.shape[0]} × {cells.shape[1]} "
            "patches, and it isn't known which are whose"
        )
    # In float32: half precision would lose the last digits of a sum over a thousand patches.
    states = (found[:, further:].float() * cells[..., None]).reshape(len(pixels), -1, found.shape[-1])
    copy = ToHost(states.sum(1) / cells.reshape(len(pixels), -1).sum(1, keepdim=True))
    return copy.numpy


def _patches(model: Any, shown: Pixels) -> torch.Tensor:
    """Which patches of each picture or tile show some of it, float32 (tiles, patches)."""
    values = shown["pixel_values"]
    if GRIDS in shown:
        return torch.ones((1, len(values)), device=values.device)
    height, width = values.shape[-2:]
    size = int(model.config.vision_config.patch_size)
    tiles = values.numel() // (values.shape[-3] * height * width)
    mask = shown.get("pixel_attention_mask")
    real = torch.ones((tiles, height, width), device=values.device) if mask is None else mask.float()
    return torch.nn.functional.max_pool2d(real.reshape(tiles, 1, height, width), size).flatten(1)
