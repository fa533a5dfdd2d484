"""Hidden states of a transformers model: what goes into the wanted blocks, reduced before the next one runs.

`output_hidden_states` keeps every layer of every token. Here a block that nobody asks for is not looked at, and of one
that somebody does only the means over the wanted tokens are kept.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from llmood.engines.models.host import ToHost
from llmood.engines.models.layout import Layout
from llmood.engines.models.pooling import Pooling, argument, blocks_of, pooled
from llmood.engines.states import Ranges
from llmood.errors import EngineError

APART = 0.01  # of their length, between the states that the hooks see and transformers' own

Finish = Callable[[], list[NDArray[np.float32]]]
"""Waits for what a device was given to do, and reads it: an array for each row."""


class Tapped:
    """A decoder whose states are looked at on their way through.

    Args:
        decoder: the model without its head.
        depth: how many blocks it has.
        ids: a few token ids to try it with.

    Raises:
        EngineError: its blocks are not where they are looked for, or are given something else than the states.
    """

    def __init__(self, decoder: Any, depth: int, ids: Sequence[int]) -> None:
        self._decoder = decoder
        self._depth = depth
        try:
            self._blocks = blocks_of(decoder, depth)
            self._names = [list(inspect.signature(block.forward).parameters) for block in self._blocks]
            self._check(ids)
        except LookupError as error:
            raise EngineError(f"this model's hidden states can't be read: {error}") from error

    def states(self, layout: Layout, layers: Sequence[int], ranges: Sequence[Sequence[Ranges]]) -> Finish:
        """Of each text the means over some of its tokens, float32 (layers, means, size), in one forward pass.

        Args:
            ranges: of each text as many, one for each mean.
        """
        several = len(ranges[0])
        owned = (
            (row * several + place, start + first, start + last)
            for row, start in enumerate(layout.starts)
            for place, own in enumerate(ranges[row])
            for first, last in own
        )
        pooling = Pooling.of(owned, len(ranges) * several, layout.ids.device)
        found: dict[int, torch.Tensor] = {}

        def keep(layer: int, states: torch.Tensor) -> None:
            found[layer] = pooled(states.flatten(0, 1), pooling)

        self._pass(layers, keep, {"input_ids": layout.ids, **layout.arguments})
        copy = ToHost(torch.stack([found[layer] for layer in layers]))
        shape = (len(layers), len(ranges), several, -1)
        return lambda: list(copy.numpy().reshape(shape).swapaxes(0, 1))

    def at(self, layout: Layout, layer: int) -> torch.Tensor:
        """The states of one layer after each token, laid out flat."""
        found: dict[int, torch.Tensor] = {}
        self._pass([layer], found.__setitem__, {"input_ids": layout.ids, **layout.arguments})
        return found[layer].flatten(0, 1)

    def _pass(self, layers: Sequence[int], keep: Callable[[int, torch.Tensor], None], inputs: Any) -> None:
        with self._watched(layers, keep):
            output = self._decoder(use_cache=False, **inputs)
        if self._depth in layers:
            keep(self._depth, output.last_hidden_state)

    @contextmanager
    def _watched(self, layers: Sequence[int], keep: Callable[[int, torch.Tensor], None]) -> Iterator[None]:
        handles = [
            self._blocks[layer].register_forward_pre_hook(partial(self._seen, layer, keep), with_kwargs=True)
            for layer in layers
            if layer < self._depth
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _seen(
        self, layer: int, keep: Callable[[int, torch.Tensor], None], _: Any, args: Any, kwargs: Any
    ) -> None:
        states = argument(self._names[layer], args, kwargs, "hidden_states")
        if not isinstance(states, torch.Tensor):
            raise LookupError(f"block {layer} is given no hidden_states")
        keep(layer, states)

    def _check(self, ids: Sequence[int]) -> None:
        """Hold what the hooks see against what transformers gives."""
        row = torch.tensor([list(ids)], device=self._decoder.device)
        found: dict[int, torch.Tensor] = {}
        with torch.inference_mode():
            theirs = self._decoder(input_ids=row, use_cache=False, output_hidden_states=True).hidden_states
            self._pass(range(self._depth + 1), found.__setitem__, {"input_ids": row})
        if len(theirs) != self._depth + 1:
            raise LookupError(f"{len(theirs)} states for {self._depth} blocks")
        for layer, states in enumerate(theirs):
            apart = (found[layer].double() - states.double()).norm(dim=-1)
            if not bool((apart <= APART * states.double().norm(dim=-1)).all()):
                raise LookupError(f"the states of layer {layer} are not what goes into its block")
