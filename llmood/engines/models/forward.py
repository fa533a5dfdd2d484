"""The decoder's states of texts that lie side by side or one behind the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from llmood.engines.models.layout import Layout

OfStates = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""The decoder's states (n, size) and the ids (n,) that came next → float32, n rows."""


def states_of(model: Any, layout: Layout) -> torch.Tensor:
    """The decoder's states of a layout on the model's device, laid out flat."""
    output = model.base_model(input_ids=layout.ids, use_cache=False, **layout.arguments)
    found: torch.Tensor = output.last_hidden_state
    return found.flatten(0, 1)


def of_states(model: Any, layout: Layout, function: OfStates) -> torch.Tensor:
    """What a function makes of the states before each token but the first, and of that token."""
    return function(states_of(model, layout)[layout.places], layout.wanted)
