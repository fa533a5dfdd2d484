"""What a model is shown beside token ids: the tensors that a processor makes of pictures, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from llmood.engines.models.layout import Layout, padded

Pixels = dict[str, torch.Tensor]
"""A row's tensors by the names of the model's own arguments, its first axis made to be joined."""
GRIDS = "image_grid_thw"
"""What models of Qwen-VL's kind are told of each picture: how many patches it has in time, height and width."""


def joined(pixels: Sequence[Pixels] | None) -> Pixels | None:
    """The tensors of rows that are alike, for one pass; None where nothing is shown."""
    if not pixels or not pixels[0]:
        return None
    return {name: torch.cat([each[name] for each in pixels]) for name in pixels[0]}


def laid_out(model: Any, rows: Sequence[Sequence[int]], shown: Pixels) -> Layout:
    """Rows side by side, with the pixels in them."""
    layout = padded(rows)
    return replace(layout, arguments=told(model, layout.ids, shown))


def told(model: Any, ids: torch.Tensor, shown: Pixels) -> Pixels:
    """What a pass gets beside its ids. A model that counts by grids is told which ids are a picture's.

    It counts from a row's first id, and what pads a row behind its last moves nothing before it: no mask is needed.
    """
    return {**shown, "mm_token_type_ids": types_of(model, ids)} if GRIDS in shown else shown


def types_of(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """1 where an id stands for what a model sees, else 0."""
    return (ids == int(model.config.image_token_id)).long()
