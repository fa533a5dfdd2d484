"""Is a model that is shown a picture read rightly? Tried on the first picture of a run, before any number is kept."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import torch

from llmood.engines.models.forward import of_states
from llmood.engines.models.head import Head
from llmood.engines.models.pixels import Pixels, laid_out
from llmood.errors import EngineError

HEADLESS = "a model whose logits its head alone doesn't make can't be shown pictures yet"


def logprobs_seeing(model: Any, head: Head, row: Sequence[int], pixels: Pixels) -> torch.Tensor:
    """Log p(t_i | t_<i) of one row that is shown a picture, by one pass over all of it."""
    with torch.inference_mode():
        layout = laid_out(model, [row], pixels).on(model.device)
        return of_states(model, layout, head.own_logprobs)


def check_causal(model: Any, head: Head, row: Sequence[int], pixels: Pixels, tolerance: float) -> None:
    """Refuse a model that looks ahead: what it says of a token would depend on what comes after it, and on padding.

    Raises:
        EngineError: without its last token, other things are said of those before it.
    """
    shorter = logprobs_seeing(model, head, row[:-1], pixels)
    whole = logprobs_seeing(model, head, row, pixels)[:-1]
    if not bool(torch.allclose(shorter, whole, rtol=0, atol=tolerance)):
        raise EngineError(
            "the model looks ahead in a prompt with a picture, so no token of it has a likelihood"
        )


def check_decoded(  # noqa: PLR0917 - what was decoded, and by what
    model: Any,
    head: Head,
    row: Sequence[int],
    pixels: Pixels,
    answer: Sequence[int],
    found: Sequence[float],
    tolerance: float,
) -> bool:
    """Refuse a model that decodes behind a picture otherwise than it reads the whole, by its own count of positions.

    One pass takes a token that stands for a picture for one more of them, so an answer is held up to the first that
    the model says itself.

    Returns:
        Whether there was anything to hold.

    Raises:
        EngineError: the answer's log-probabilities differ.
    """
    marks = [getattr(model.config, name, None) for name in ("image_token_id", "video_token_id")]
    words = list(takewhile(lambda token: token not in marks, answer))
    if not words:
        return False
    whole = logprobs_seeing(model, head, [*row, *words], pixels)[len(row) - 1 :]
    steps = torch.tensor(found[: len(words)], dtype=whole.dtype, device=whole.device)
    if not bool(torch.allclose(whole, steps, rtol=0, atol=tolerance)):
        raise EngineError("the model's answers to pictures can't be decoded step by step yet")
    return True
