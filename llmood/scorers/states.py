"""States as scorers read them: a run's one capture of hidden states or of embeddings, of a block and of all rows."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from llmood.engines.base import EMBEDDING, ENCODER
from llmood.engines.observations import Block, Observations
from llmood.engines.states import HIDDEN_STATES, positions_of
from llmood.errors import ConfigError
from llmood.records import CaptureSpec
from llmood.scorers.settings import Params

Layer = float | str
"""A layer, as a capture's `layers` names one: 6, -1, 0.5."""
EYE = "eye"
"""The position of what a model's eye makes of pictures: one embedding, before any layer of the language model."""
ROLES = ("tuned", "base", ENCODER)


def check_layer(name: str, layer: Layer) -> None:
    """Refuse what names no layer, or several.

    Raises:
        ValueError: it does.
    """
    if isinstance(layer, bool) or not re.fullmatch(r"-?\d+|0?\.\d+|1\.0*|0\.0*", str(layer)):
        raise ValueError(f"{name} names one layer, such as 6, -1 or 0.5, not {layer!r}")


def representation_capture(states: str, hidden_states: Params, position: str) -> CaptureSpec:
    """The capture of one state a sample: a model's hidden states, its eye's embedding, or an encoder's.

    Raises:
        ValueError: there are no such states, or the run doesn't keep that position.
    """
    if states not in ROLES:
        raise ValueError(f"states are those of {', '.join(ROLES)}, not of {states}")
    if states == ENCODER:
        return CaptureSpec.of(EMBEDDING, ENCODER, "prompt")
    if position == EYE:
        return CaptureSpec.of(EMBEDDING, states, "prompt")
    return states_capture(states, hidden_states, position)


def states_in(block: Block, spec: CaptureSpec, layer: Layer, position: str) -> NDArray[np.float32]:
    """The states of a block's rows, float32 (n, d), NaN where there are none.

    An encoder's embeddings are of length 1; where no row of the block has one, d is 0: nobody knows it there.

    Args:
        layer, position: of hidden states; an embedding is one.
    """
    if spec.kind == EMBEDDING:
        return _vectors(block[spec]["vector"])
    return block.states(spec, layer, position)


def _vectors(column: pa.ChunkedArray) -> NDArray[np.float32]:
    lists = column.combine_chunks()
    there = lists.is_valid().to_numpy(zero_copy_only=False)
    values = lists.drop_null().flatten().to_numpy(zero_copy_only=False)
    count = int(there.sum())
    found = np.full((len(there), len(values) // max(count, 1)), np.nan, np.float32)
    found[there] = values.reshape(count, -1) if count else 0.0
    return found


def states_capture(role: str, hidden_states: Params, position: str) -> CaptureSpec:
    """The capture of a run's hidden states, which all its scorers share.

    Args:
        hidden_states: the run's; empty of states that were imported.
        position: the one that is read.

    Raises:
        ValueError: the run doesn't keep that position.
    """
    if not hidden_states:
        return CaptureSpec.of("hidden_states", role, "prompt")
    try:
        wanted = positions_of(position)
        kept = positions_of(str(hidden_states["positions"]))
    except ConfigError as error:
        raise ValueError(str(error)) from None
    if len(wanted) > 1:
        raise ValueError(f"position: one is read, not {position}")
    if wanted[0].name not in {each.name for each in kept}:
        raise ValueError(
            f"the run keeps no states at {position}: name it in hidden_states.positions, beside "
            f"{hidden_states['positions']}"
        )
    target = "prompt_response" if any(each.span == "response" for each in kept) else "prompt"
    return CaptureSpec.of("hidden_states", role, target, **hidden_states)


def layers_captured(rows: Observations, spec: CaptureSpec) -> list[int]:
    """The layers that were kept of a capture, in rising order; none where no row has any."""
    for block in rows.blocks([spec], {"hidden_states": ["layer"]}):
        for layers in block[spec]["layer"].to_pylist():
            if layers is not None:
                return [int(layer) for layer in layers]
    return []


def states_at(rows: Observations, spec: CaptureSpec, layer: Layer, position: str) -> NDArray[np.float32]:
    """The states of all rows, in their order: float32 (n, d), NaN where there are none.

    Args:
        layer, position: of hidden states; an embedding is one.

    Raises:
        ConfigError: the run keeps no such layer.
    """
    found: NDArray[np.float32] | None = None
    for block in rows.blocks([spec], {HIDDEN_STATES: [], EMBEDDING: ["vector"]}):
        try:
            values = states_in(block, spec, layer, position)
        except KeyError as error:
            kept = ", ".join(map(str, layers_captured(rows, spec)))
            raise ConfigError(
                f"scorers: layer {layer} is read, and the run keeps {kept}",
                hint="name it in hidden_states.layers, or read one of these",
            ) from error
        if found is None or not found.shape[1]:
            found = np.full((rows.samples.num_rows, values.shape[1]), np.nan, np.float32)
        if values.shape[1]:
            found[block.positions] = values
    return np.empty((0, 0), np.float32) if found is None else found
