"""A model's own final norm and head on a lower layer's states, as if the blocks above were not there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch

from llmood.engines.models.pooling import blocks_of

APART = {torch.float32: 1e-4}  # of their length, between what the norm makes and the model's last states
APART_IN_HALF = 0.01

OfStates = Callable[[torch.Tensor], torch.Tensor]


def final_norm(decoder: Any, depth: int, ids: Sequence[int]) -> OfStates:
    """What a decoder does to its last block's states before it gives them away.

    It is found by what it is given and what it makes, not by its name: architectures have many. Then it is held against
    the decoder's own last states.

    Args:
        depth: how many blocks the decoder has.
        ids: a few token ids to try it with.

    Raises:
        LookupError: no one part of the decoder does all of it.
    """
    blocks = blocks_of(decoder, depth)
    seen: dict[torch.nn.Module, tuple[torch.Tensor, torch.Tensor]] = {}
    with torch.inference_mode(), ExitStack() as hooks:
        for part in (blocks[-1], *_around(decoder, blocks)):
            hooks.callback(part.register_forward_hook(partial(_keep, seen)).remove)
        row = torch.tensor([list(ids)], device=decoder.device)
        last = decoder(input_ids=row, use_cache=False).last_hidden_state
        if blocks[-1] not in seen:
            raise LookupError("its last block shows no states")
        _, states = seen.pop(blocks[-1])
        norm = next(
            (part for part, (given, made) in seen.items() if _same(given, states) and _same(made, last)),
            None,
        )
        if norm is None and not _same(states, last):
            raise LookupError("no one part makes the model's last states of its last block's")
        found: OfStates = torch.nn.Identity() if norm is None else norm
        check_norm(found, states, last)
    return found


def check_norm(norm: OfStates, states: torch.Tensor, last: torch.Tensor) -> None:
    """Hold a norm of states laid out flat against the model's last states.

    Raises:
        LookupError: it makes others.
    """
    ours, theirs = norm(states.flatten(0, 1)).double(), last.flatten(0, 1).double()
    most = APART.get(last.dtype, APART_IN_HALF)
    if not bool(((ours - theirs).norm(dim=-1) <= most * theirs.norm(dim=-1)).all()):
        raise LookupError("its final norm makes other states by itself than in the model")


def _around(decoder: torch.nn.Module, blocks: torch.nn.ModuleList) -> Iterator[torch.nn.Module]:
    """The parts that are in no block and hold none, outermost first."""
    inside = {part for block in blocks for part in block.modules()}
    for part in decoder.modules():
        if part not in inside and blocks not in set(part.modules()):
            yield part


def _keep(
    seen: dict[torch.nn.Module, tuple[torch.Tensor, torch.Tensor]],
    part: torch.nn.Module,
    given: tuple[Any, ...],
    made: Any,
) -> None:
    first = made[0] if isinstance(made, tuple) and made else made
    if isinstance(first, torch.Tensor):
        own = given[0] if given and isinstance(given[0], torch.Tensor) else first
        seen[part] = (own, first)


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and bool(torch.equal(one, other))
