"""Which layers a text names, of a model of so many blocks; 0 are the embeddings, the last is after the final norm."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from llmood.engines.exits import exit_of
from llmood.errors import ConfigError
from llmood.records import CaptureSpec

DEPTH_KEYS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
LAYERS = "write 6, -1, 2-8, ::4, 0.5 or all, with commas between them"


def exit_layer(spec: CaptureSpec, depth: int) -> int:
    """The layer that a capture's log-probabilities are read off; the last one where they are the whole model's.

    Raises:
        ConfigError: it names none of a model of this depth, or several.
    """
    named = exit_of(spec) or "-1"
    try:
        found = layers_of(named, depth)
    except ConfigError as error:
        raise ConfigError(f"{spec.id}: {error.args[0]}", hint=error.hint) from None
    if len(found) != 1:
        raise ConfigError(f"{spec.id}: exit names one layer, such as 6, -1 or 0.5, not {named}")
    return found[0]


def layers_of(text: str, depth: int) -> tuple[int, ...]:
    """The layers that a text names, in rising order.

    >>> layers_of("0,-1,2-4", 12), layers_of("::4", 12), layers_of("0.5", 12), layers_of("all", 2)
    ((0, 2, 3, 4, 12), (0, 4, 8, 12), (6,), (0, 1, 2))
    """
    found: set[int] = set()
    for part in text.split(","):
        found.update(_layers(part.strip(), depth))
    return tuple(sorted(found))


def _layers(part: str, depth: int) -> Sequence[int]:
    if part == "all":
        return range(depth + 1)
    if every := re.fullmatch(r"::([1-9]\d*)", part):
        return range(0, depth + 1, int(every[1]))
    if re.fullmatch(r"(0?\.\d+|1\.0*|0\.)", part):
        return (int(float(part) * depth + 0.5),)
    if span := re.fullmatch(r"(\d+)-(\d+)", part):
        first, last = int(span[1]), int(span[2])
        if first > last:
            raise ConfigError(f"layers '{part}' run backwards", hint=f"{last}-{first}")
        return range(_checked(first, depth), _checked(last, depth) + 1)
    if not re.fullmatch(r"-?\d+", part):
        raise ConfigError(f"layers '{part}' are none", hint=LAYERS)
    layer = int(part)
    return (_checked(layer + depth + 1 if layer < 0 else layer, depth, part),)


def _checked(layer: int, depth: int, named: str | None = None) -> int:
    if not 0 <= layer <= depth:
        raise ConfigError(
            f"there is no layer {named or layer}: the model has {depth} blocks",
            hint=f"0 (the embeddings) to {depth}",
        )
    return layer


def depth_of(config: Mapping[str, Any]) -> int | None:
    """How many blocks a model has, as far as its `config.json` says."""
    nested = config.get("text_config")
    for source in (nested if isinstance(nested, Mapping) else {}, config):
        for key in DEPTH_KEYS:
            value = source.get(key)
            if isinstance(value, int) and value > 0:
                return value
    return None
