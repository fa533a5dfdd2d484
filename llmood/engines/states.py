"""Which hidden states a capture asks for: layers against a model's depth, positions against a request's spans.

Layer 0 are the embeddings, layer i the residual stream after i blocks, and the last one is after the final norm: the
numbers of transformers' `hidden_states`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from llmood.engines.base import FEATURES, PICTURE, Captured
from llmood.engines.layers import layers_of
from llmood.errors import ConfigError
from llmood.records import FAILED, CaptureSpec

HIDDEN_STATES = "hidden_states"
DTYPES = ("float32", "float16")
KNOWN = {"layers", "positions", "dtype", "responder"}
SPANS = {
    "prompt": ("prompt",),
    "response": ("response",),
    "prompt_response": ("prompt", "response"),
}
POSITIONS = (
    "last_prompt, mean_prompt, mean_image, mean_text, last_response, mean_response, prompt-2 or response+0; "
    "eye is a scorer's, and none of hidden_states.positions"
)
IMAGE, TEXT = "image", "text"

Spans = Sequence[tuple[str, int, int]]
Ranges = tuple[tuple[int, int], ...]
"""Tokens, as [start, stop) in rising order."""


@dataclass(frozen=True, slots=True)
class Position:
    """A token of a span, or the mean over it.

    Attributes:
        name: as it was asked for.
        offset: from the span's first token, or (negative) from its end; None is the mean.
        part: of the mean, if not all of it: the tokens that are features of pictures, or those that are no picture's.
    """

    name: str
    span: str
    offset: int | None
    part: str | None = None

    def within(self, spans: Spans) -> Ranges:
        """The tokens whose mean it is, one or more; none where the span is too short, or has no such part."""
        start, stop = next((start, stop) for name, start, stop in spans if name == self.span)
        if self.part == IMAGE:
            return tuple((first, last) for name, first, last in spans if name == FEATURES)
        if self.part == TEXT:
            return _without(start, stop, [(first, last) for name, first, last in spans if name == PICTURE])
        if self.offset is None:
            return ((start, stop),) if stop > start else ()
        token = (start if self.offset >= 0 else stop) + self.offset
        return ((token, token + 1),) if start <= token < stop else ()

    def why_lacking(self, spans: Spans) -> str:
        """Why a request whose spans these are has no such token."""
        if self.part == IMAGE:
            return f"{self.name}: its prompt shows no picture"
        if self.part == TEXT:
            return f"{self.name}: its prompt has no token beside its picture"
        length = next(stop - start for name, start, stop in spans if name == self.span)
        return f"{self.name}: its {self.span} has {length} token{'' if length == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class States:
    """What a capture of hidden states asks of a model.

    Attributes:
        layers: in rising order, each once.
        depth: how many blocks the model has.
        dtype: that they are stored in.
    """

    layers: tuple[int, ...]
    positions: tuple[Position, ...]
    dtype: str
    depth: int

    def ranges(self, spans: Spans) -> list[Ranges]:
        """The tokens of each position, in a request that has them all (`lacking`)."""
        found = [position.within(spans) for position in self.positions]
        if not all(found):
            raise ValueError("a request that lacks a position was to be left out")
        return found


def states_of(spec: CaptureSpec, depth: int) -> States:
    """What a capture asks of a model of this depth.

    Raises:
        ConfigError: it names a layer, a position or a setting that there isn't.
    """
    params = dict(spec.params)
    try:
        unknown = sorted(params.keys() - KNOWN)
        if unknown:
            raise ConfigError(f"has no setting '{unknown[0]}'", hint=f"known: {', '.join(sorted(KNOWN))}")
        dtype = str(params.get("dtype", "float32"))
        if dtype not in DTYPES:
            raise ConfigError(f"dtype '{dtype}' is not stored", hint=f"known: {', '.join(DTYPES)}")
        layers = layers_of(str(params.get("layers", "")), depth)
        positions = positions_of(str(params.get("positions", "")))
        absent = [each for each in positions if each.span not in SPANS[spec.fed]]
        if absent:
            raise ConfigError(f"there is no {absent[0].name} where the {spec.target} is what is run")
    except ConfigError as error:
        raise ConfigError(f"{spec.id}: {error.args[0]}", hint=error.hint) from None
    return States(layers, positions, dtype, depth)


@lru_cache  # asked for each sample
def positions_of(text: str) -> tuple[Position, ...]:
    """The positions that a text names, in its order.

    >>> [(each.span, each.offset) for each in positions_of("last_prompt,mean_response,prompt-2")]
    [('prompt', -1), ('response', None), ('prompt', -2)]
    """
    found = tuple(_position(part.strip()) for part in text.split(","))
    names = [each.name for each in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ConfigError(f"position '{twice}' is there twice")
    return found


def _position(name: str) -> Position:
    if named := re.fullmatch(r"(last|mean)_(prompt|response)", name):
        return Position(name, named[2], -1 if named[1] == "last" else None)
    if name in (f"mean_{IMAGE}", f"mean_{TEXT}"):
        return Position(name, "prompt", None, name.removeprefix("mean_"))
    if offset := re.fullmatch(r"(prompt|response)(\+\d+|-[1-9]\d*)", name):
        return Position(name, offset[1], int(offset[2]))
    raise ConfigError(f"position '{name}' is none", hint=POSITIONS)


def lacking(spec: CaptureSpec, spans: Spans) -> str | None:
    """Why a sample has none of these states; None where it has all of them."""
    for position in positions_of(str(dict(spec.params)["positions"])):
        if not position.within(spans):
            return position.why_lacking(spans)
    return None


def captured_states(values: NDArray[np.float32], states: States, spans: Spans) -> Captured:
    """A request's states (layers, positions, dim) as its columns."""
    if np.isnan(values).any():
        return Captured(status=FAILED, reason="the model gave a state that is not a number")
    with np.errstate(over="ignore"):
        kept = values.astype(states.dtype)
    if not np.isfinite(kept).all():
        known = np.isfinite(values).all()
        reason = (
            f"a state is larger than {states.dtype} holds" if known else "the model gave an infinite state"
        )
        return Captured(status=FAILED, reason=reason)
    columns = {
        "layer": list(states.layers),
        "position": [each.name for each in states.positions],
        "token_index": [_token(each, spans) for each in states.positions],
        "depth": states.depth,
        "dim": values.shape[-1],
        "dtype": states.dtype,
    }
    return Captured(columns, states=kept)


def _token(position: Position, spans: Spans) -> int | None:
    within = position.within(spans)
    return within[0][0] if within and position.offset is not None else None


def _without(start: int, stop: int, others: Ranges | list[tuple[int, int]]) -> Ranges:
    """What is left of [start, stop) without others within it, which come in rising order.

    >>> _without(0, 9, [(2, 4), (4, 9)]), _without(0, 3, [(0, 3)])
    (((0, 2),), ())
    """
    bounds = [start, *(bound for each in others for bound in each), stop]
    return tuple((first, last) for first, last in zip(bounds[::2], bounds[1::2], strict=True) if last > first)
