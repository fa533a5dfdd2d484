"""Faster ways to a model's numbers, taken only where they give what the model itself gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from llmood.engines.models.forward import of_states
from llmood.engines.models.head import Head
from llmood.engines.models.layout import packed, padded
from llmood.engines.models.packing import Packing, Unpackable, kernel_for


def checked_head(model: Any, few_ids: Sequence[int], *, tolerance: float) -> Head | None:
    """States → logits, as the model itself does it; None where that can't be reproduced.

    Args:
        few_ids: tokens to try it on.
        tolerance: what log-probabilities may differ by.
    """
    output = model.get_output_embeddings()
    config = model.config.get_text_config()
    if output is None:
        return None
    scale = getattr(config, "logit_scale", None) or 1.0 / (getattr(config, "logits_scaling", None) or 1.0)
    head = Head(output, scale=scale, cap=getattr(config, "final_logit_softcapping", None))
    ids = torch.tensor([few_ids], device=model.device)
    with torch.inference_mode():
        theirs = model(input_ids=ids).logits
        ours = head(model.base_model(input_ids=ids, use_cache=False).last_hidden_state)
    if theirs.shape != ours.shape:
        return None
    difference = (theirs.float().log_softmax(-1) - ours.float().log_softmax(-1)).abs().max()
    return head if bool(difference <= tolerance) else None


def checked_packing(
    model: Any, head: Head | None, few_ids: Sequence[int], *, tolerance: float
) -> Packing | None:
    """The attention for packed texts; None where no kernel serves the model, or it gives other numbers."""
    kernel = kernel_for(model.device, model.dtype)
    if kernel is None or head is None:
        return None
    packing = Packing(model, kernel)
    rows = [few_ids, few_ids[-2:], few_ids[::-1]]
    try:
        with torch.inference_mode():
            alone = of_states(model, padded(rows).on(model.device), head.own_logprobs)
            with packing.on():
                behind = of_states(model, packed(rows).on(model.device), head.own_logprobs)
    # A model that takes no such arguments, asks its attention for more, or has heads of a size the kernel can't.
    except (Unpackable, TypeError, ValueError, RuntimeError):
        return None
    same = bool((alone - behind).abs().max() <= tolerance)
    return packing if packing.used and same else None
