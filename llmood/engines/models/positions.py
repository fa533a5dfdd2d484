"""Where tokens stand in prompts that are read step by step.

Most models count tokens. One of Qwen-VL's kind counts a picture's by row and column, as three numbers a token, and goes
on behind the largest: so a picture takes up less than its tokens.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from llmood.engines.models.pixels import GRIDS, Pixels, types_of


def first_positions(model: Any, ids: torch.Tensor, mask: NDArray[np.int64], shown: Pixels) -> torch.Tensor:
    """Of prompts that are padded on the left: (rows, T), or (3, rows, T) by grids; one row where all stand alike.

    Args:
        mask: 1 where a token is, 0 where padding is.
    """
    if GRIDS in shown:
        found: torch.Tensor = model.base_model.get_rope_index(
            ids,
            mm_token_type_ids=types_of(model, ids),
            image_grid_thw=shown[GRIDS],
            attention_mask=torch.from_numpy(mask).to(ids.device),
        )[0]
        return found
    counted = np.maximum(mask.cumsum(axis=1) - 1, 0)
    # Without padding all rows stand at the same places.
    return torch.from_numpy(counted[:1] if mask.all() else counted).to(ids.device)


def next_positions(positions: torch.Tensor) -> torch.Tensor:
    """Those of one more token in each row: behind the largest, the same in each count."""
    largest = positions.amax(dim=-1, keepdim=True)
    return (largest.amax(dim=0, keepdim=True).expand_as(largest) if largest.ndim == 3 else largest) + 1


def picked(positions: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Those of some rows, of which one may come several times."""
    return positions if positions.shape[-2] == 1 else positions.index_select(-2, rows)
