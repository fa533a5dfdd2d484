"""Which attention a capture asks for, and its columns: never whole maps, only what a statistic makes of them.

Layers are the model's blocks, counted from 1, so that layer i is what makes hidden state i.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from llmood.engines.base import Captured
from llmood.engines.layers import layers_of
from llmood.errors import ConfigError
from llmood.records import FAILED, CaptureSpec

ATTENTION = "attention"
MIDDLE = "middle"
PREVIOUS = "previous"
"""What each token of the answer but the first pays to the one before it."""
KNOWN = {"layers", "statistic", "responder"}


def attended_layers(spec: CaptureSpec, depth: int) -> tuple[int, ...]:
    """The layers of a model with so many blocks whose attention a capture asks for, in rising order.

    Raises:
        ConfigError: it names a layer, a statistic or a setting that there isn't.
    """
    params = dict(spec.params)
    try:
        unknown = sorted(params.keys() - KNOWN)
        if unknown:
            raise ConfigError(f"has no setting '{unknown[0]}'", hint=f"known: {', '.join(sorted(KNOWN))}")
        if params.get("statistic") != PREVIOUS:
            raise ConfigError(f"statistic '{params.get('statistic')}' is none", hint=f"known: {PREVIOUS}")
        return _layers(str(params.get("layers", "")), depth)
    except ConfigError as error:
        raise ConfigError(f"{spec.id}: {error.args[0]}", hint=error.hint) from None


def _layers(text: str, depth: int) -> tuple[int, ...]:
    if text == MIDDLE:
        return middle_third(depth)
    if text == "all":
        return tuple(range(1, depth + 1))
    found = layers_of(text, depth)
    if 0 in found:
        raise ConfigError(f"layers '{text}' has layer 0, the embeddings, which attend to nothing")
    return found


def middle_third(depth: int) -> tuple[int, ...]:
    """The middle third of so many blocks, counted from 1, rounded outwards.

    >>> middle_third(30), middle_third(4), middle_third(1)
    ((11, 12, 13, 14, 15, 16, 17, 18, 19, 20), (2, 3), (1,))
    """
    return tuple(range(depth // 3 + 1, -(-2 * depth // 3) + 1))


def answer_of(spans: Sequence[tuple[str, int, int]]) -> tuple[int, int]:
    """The tokens [start, stop) of a request that are the answer."""
    return next((start, stop) for name, start, stop in spans if name == "response")


def captured_attention(values: NDArray[np.float32], layers: Sequence[int]) -> Captured:
    """A request's numbers (layers, heads, tokens) as its columns."""
    if np.isnan(values).any():
        return Captured(status=FAILED, reason="the model gave an attention that is not a number")
    heads = values.shape[1]
    return Captured(
        {
            "layer": np.repeat(layers, heads).tolist(),
            "head": list(range(heads)) * len(layers),
            "statistic": PREVIOUS,
            "values": values.reshape(len(layers) * heads, values.shape[2]).tolist(),
        }
    )
