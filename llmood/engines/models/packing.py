"""Attention over texts that lie behind each other without padding, where torch has a kernel for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from inspect import signature
from typing import Any

import torch
from transformers import AttentionInterface

Kernel = Callable[..., torch.Tensor]
"""torch's `varlen_attn`: queries, keys and values (tokens, heads, size) and where each text begins → mixed values."""

NAME = "llmood_packed"
# What attention is told beside what it mixes, and what changes nothing here.
HARMLESS = {"dropout", "position_ids", "cu_seq_lens_k", "max_length_k"}


class Unpackable(Exception):  # noqa: N818 - an answer rather than a mistake
    """The model asks its attention for something that the kernel hasn't."""


def kernel_for(device: torch.device, dtype: torch.dtype) -> Kernel | None:
    """The kernel that serves a model, if there is one: torch's own flash attention, in half precision on CUDA."""
    if device.type != "cuda" or dtype not in (torch.bfloat16, torch.float16):
        return None
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:  # an older torch
        return None
    kernel: Kernel = varlen_attn
    return kernel


class Packing:
    """A model's attention, switched to a kernel for packed texts and back."""

    def __init__(self, model: Any, kernel: Kernel) -> None:
        self._model = model
        self._own = model.config._attn_implementation  # noqa: SLF001 - it has no other name
        self._kernel = _Counted(kernel)
        # transformers keeps what is registered for good, so it must not hold the model. No mask is registered under
        # this name, so none is made.
        AttentionInterface.register(NAME, partial(_attention, self._kernel))

    @property
    def used(self) -> bool:
        """Whether the model's attention has come here at all: not all models ask for it by name."""
        return self._kernel.calls > 0

    @contextmanager
    def on(self) -> Iterator[None]:
        """Within, the model takes packed texts; outside it is as it was."""
        self._model.set_attn_implementation(NAME)
        try:
            yield
        finally:
            self._model.set_attn_implementation(self._own)


class _Counted:
    """A kernel that remembers how often it was asked."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.calls = 0
        # torch 2.11's sees by itself that fewer heads hold keys, and has no such setting.
        self._asks_for_groups = "enable_gqa" in signature(kernel).parameters

    def __call__(self, *states: Any, grouped: bool, **settings: Any) -> torch.Tensor:
        self.calls += 1
        if self._asks_for_groups:
            settings["enable_gqa"] = grouped
        return self.kernel(*states, **settings)


def _attention(
    kernel: _Counted,
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    cu_seq_lens_q: torch.Tensor,
    max_length_q: int,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """What transformers calls: states (1, heads, tokens, size) → (1, tokens, heads, size)."""
    causal = others.pop("is_causal", None)
    if causal is None:
        causal = getattr(module, "is_causal", True)
    asked = {name for name, given in others.items() if given is not None and given is not False} - HARMLESS
    if attention_mask is not None or asked or not causal:
        raise Unpackable(f"asks for {', '.join(sorted(asked)) or 'a mask of its own'}")
    query, key, value = (states[0].transpose(0, 1) for states in (query, key, value))
    mixed = kernel(
        query,
        key,
        value,
        cu_seq_lens_q,
        cu_seq_lens_q,
        max_length_q,
        max_length_q,
        scale=scaling,
        window_size=(sliding_window - 1 if sliding_window else -1, 0),
        grouped=query.shape[1] != key.shape[1],
    )
    return mixed[None], None
