"""What tokens pay to the tokens before them, read off attention maps as they are made.

transformers gives whole maps of all layers. Here the model makes them (its plain attention does; the faster ones have
none), one block's at a time, and of each only one number a token and head is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from llmood.engines.models.host import ToHost
from llmood.engines.models.pixels import Pixels, laid_out
from llmood.engines.models.pooling import blocks_of
from llmood.engines.models.states import Finish
from llmood.errors import EngineError

APART = 0.01  # between what the hooks see and transformers' own; weights are at most 1
PLAIN = "eager"  # transformers' name for the attention that makes its maps
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Attending:
    """A model whose attention is looked at.

    Args:
        model: with its head.
        depth: how many blocks it has.
        ids: a few token ids to try it with.

    Raises:
        EngineError: its blocks are not where they are looked for, or show no attention.
    """

    def __init__(self, model: Any, depth: int, ids: Sequence[int]) -> None:
        self._model = model
        self._depth = depth
        try:
            self._blocks = blocks_of(model.base_model, depth)
            self._check(ids)
        except (LookupError, ValueError) as error:
            raise EngineError(f"this model's attention can't be read: {error}") from error

    def previous(
        self,
        rows: Sequence[Sequence[int]],
        layers: Sequence[int],
        ranges: Sequence[tuple[int, int]],
        shown: Pixels | None = None,
    ) -> Finish:
        """Of each text what the tokens of a range, but its first, pay to the one before: float32 (layers, heads, n).

        Args:
            layers: counted from 1.
            ranges: of each text one, [start, stop).
            shown: the pixels in them.
        """
        owned = [torch.arange(start + 1, max(start + 1, stop)) for start, stop in ranges]
        counts = [len(each) for each in owned]
        text = torch.repeat_interleave(torch.arange(len(rows)), torch.tensor(counts))
        token = torch.cat(owned)
        layout = laid_out(self._model, rows, shown or {}).on(self._model.device)
        found = self._pass(layout.ids, layers, text, token, layout.arguments)
        copy = ToHost(torch.stack([found[layer] for layer in layers]).transpose(1, 2))
        ends = np.cumsum(counts)[:-1]
        return lambda: np.split(copy.numpy(), ends, axis=-1)

    def _pass(
        self,
        ids: torch.Tensor,
        layers: Sequence[int],
        text: torch.Tensor,
        token: torch.Tensor,
        shown: Mapping[str, Any] = NOTHING,
    ) -> dict[int, torch.Tensor]:
        """Of each layer what tokens pay to the one before, float32 (tokens, heads)."""
        found: dict[int, torch.Tensor] = {}
        places = (text.to(ids.device), token.to(ids.device))
        with self._plain(), ExitStack() as hooks:
            for layer in layers:
                for part in self._blocks[layer - 1].children():
                    hooks.enter_context(_hooked(part, partial(_look, found, layer, places)))
            self._model.base_model(input_ids=ids, use_cache=False, **shown)
        missing = [layer for layer in layers if layer not in found]
        if missing:
            raise LookupError(f"block {missing[0]} shows none")
        return found

    @contextmanager
    def _plain(self) -> Iterator[None]:
        own = self._model.config._attn_implementation  # noqa: SLF001 - it has no other name
        self._model.set_attn_implementation(PLAIN)
        try:
            yield
        finally:
            self._model.set_attn_implementation(own)

    def _check(self, ids: Sequence[int]) -> None:
        """Hold what the hooks see against what transformers gives."""
        row = torch.tensor([list(ids)], device=self._model.device)
        token = torch.arange(1, len(ids))
        text = torch.zeros_like(token)
        layers = range(1, self._depth + 1)
        with torch.inference_mode(), self._plain():
            output = self._model.base_model(input_ids=row, use_cache=False, output_attentions=True)
            found = self._pass(row, layers, text, token)
        theirs = getattr(output, "attentions", None)
        if not theirs or len(theirs) != self._depth:
            raise LookupError(f"transformers shows that of {len(theirs or ())} of {self._depth} blocks")
        for layer, weights in zip(layers, theirs, strict=True):
            if not bool(((found[layer] - _paid(weights, text, token)).abs() <= APART).all()):
                raise LookupError(f"that of block {layer} is not what its parts show")


def _paid(weights: torch.Tensor, text: torch.Tensor, token: torch.Tensor) -> torch.Tensor:
    """From maps (texts, heads, tokens, tokens) what some tokens pay to the one before: float32 (tokens, heads)."""
    return weights[text, :, token, token - 1].float()


def _look(
    found: dict[int, torch.Tensor],
    layer: int,
    places: tuple[torch.Tensor, torch.Tensor],
    _module: Any,
    _args: Any,
    output: Any,
) -> None:
    """Keep what is wanted of a map, if this part of the block gives one."""
    for each in output if isinstance(output, tuple) else ():
        if isinstance(each, torch.Tensor) and each.ndim == 4 and each.shape[2] == each.shape[3]:
            found[layer] = _paid(each, *(place.to(each.device) for place in places))


@contextmanager
def _hooked(part: torch.nn.Module, look: Any) -> Iterator[None]:
    handle = part.register_forward_hook(look)
    try:
        yield
    finally:
        handle.remove()
