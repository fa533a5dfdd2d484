"""What a model is shown beside token ids: the tensors that a processor makes of pictures, row by row."""

from __future__ import annotations

from collections.abc import Sequence

import torch

Pixels = dict[str, torch.Tensor]
"""A row's tensors by the names of the model's own arguments, its first axis made to be joined."""


def joined(pixels: Sequence[Pixels] | None) -> Pixels | None:
    """The tensors of rows that are alike, for one pass; None where nothing is shown."""
    if not pixels or not pixels[0]:
        return None
    return {name: torch.cat([each[name] for each in pixels]) for name in pixels[0]}
