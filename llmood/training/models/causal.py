"""Does a model look ahead in a prompt with a picture? Asked before it learns from one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from llmood.engines.models.pixels import Pixels, told
from llmood.errors import EngineError

TOLERANCE = {torch.float32: 1e-3}  # of a logit, between two right ways to make it
HALF_TOLERANCE = 0.25  # and in half precision, whose rounding depends on a text's length


def check_causal(model: Any, row: Sequence[int], pixels: Pixels) -> None:
    """Refuse a model whose logits change with what comes after them: they would know what they are to learn.

    Raises:
        EngineError: without its last token, other things are said of those before it.
    """
    device = next(model.parameters()).device
    shown = {name: value.to(device) for name, value in pixels.items()}
    ids = torch.tensor([list(row)], device=device)
    model.eval()
    with torch.no_grad():
        whole, shorter = (
            model(input_ids=each, use_cache=False, **told(model, each, shown)).logits.float()
            for each in (ids, ids[:, :-1])
        )
    tolerance = TOLERANCE.get(next(iter(model.get_base_model().parameters())).dtype, HALF_TOLERANCE)
    if not bool(torch.allclose(whole[:, :-1], shorter, rtol=0, atol=tolerance)):
        raise EngineError("the model looks ahead in a prompt with a picture, and can't be tuned on it")
