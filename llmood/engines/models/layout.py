"""Texts of token ids as one forward pass sees them: padded side by side, or packed behind each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Layout:
    """What goes into a forward pass, and which of its states say something about a next token.

    All of it is made on the host: a mask of the device's own would have to be waited for.
    """

    ids: torch.Tensor
    """(texts, longest), or (1, tokens) when packed."""
    places: torch.Tensor
    """Of the states, laid out flat, those before each token but a text's first, text by text."""
    wanted: torch.Tensor
    """The tokens that came next there."""
    last: torch.Tensor
    """And those after each text's last token, one a text."""
    arguments: dict[str, Any] = field(default_factory=dict)
    """What else the decoder is to be told."""
    starts: tuple[int, ...] = ()
    """Of the states, laid out flat, where each text begins."""

    def on(self, device: torch.device) -> Layout:
        """The same on a device; the copies run beside what the device is doing."""
        if device.type == "cpu":
            return self

        def moved(value: Any) -> Any:
            if not isinstance(value, torch.Tensor):
                return value
            return (value.pin_memory() if device.type == "cuda" else value).to(device, non_blocking=True)

        arguments = {name: moved(value) for name, value in self.arguments.items()}
        places, wanted, last = (moved(each) for each in (self.places, self.wanted, self.last))
        return Layout(moved(self.ids), places, wanted, last, arguments, self.starts)


def padded(rows: Sequence[Sequence[int]]) -> Layout:
    """Side by side, padded on the right.

    No attention mask is needed: a causal model's real tokens never see what comes after them.
    """
    longest = max(len(row) for row in rows)
    ids = np.zeros((len(rows), longest), dtype=np.int64)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row
    starts = [index * longest for index in range(len(rows))]
    return _layout(ids, starts, rows)


def packed(rows: Sequence[Sequence[int]]) -> Layout:
    """Behind each other without padding, for an attention that is told where each text begins.

    The names of the arguments are transformers' own for it.
    """
    ends = list(accumulate((len(row) for row in rows), initial=0))
    bounds = torch.tensor(ends, dtype=torch.int32)
    longest = max(len(row) for row in rows)
    arguments = {
        "position_ids": torch.cat([torch.arange(stop - start) for start, stop in pairwise(ends)])[None],
        "cu_seq_lens_q": bounds,
        "cu_seq_lens_k": bounds,
        "max_length_q": longest,
        "max_length_k": longest,
    }
    return _layout(np.concatenate([np.asarray(row) for row in rows])[None], ends[:-1], rows, arguments)


def _layout(
    ids: np.ndarray,
    starts: Sequence[int],
    rows: Sequence[Sequence[int]],
    arguments: dict[str, Any] | None = None,
) -> Layout:
    places = np.concatenate(
        [np.arange(start, start + len(row) - 1) for start, row in zip(starts, rows, strict=True)]
    )
    wanted = np.concatenate([np.asarray(row[1:], dtype=np.int64) for row in rows])
    last = np.array([start + len(row) - 1 for start, row in zip(starts, rows, strict=True)])
    return Layout(
        torch.from_numpy(ids),
        torch.from_numpy(places),
        torch.from_numpy(wanted),
        torch.from_numpy(last),
        arguments or {},
        tuple(starts),
    )
