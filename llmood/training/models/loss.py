"""What rows cost that pass through a model at once, some of which show pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from llmood.engines.models.pixels import Pixels, joined, told
from llmood.training.examples import Example


def summed_loss(model: Any, rows: Sequence[Example], pixels: Sequence[Pixels]) -> torch.Tensor:
    """−log p of the learned tokens, summed.

    Rows whose pictures have tensors of the same shapes share a pass; those without a picture have their own.
    """
    losses = [
        _of_pass(model, [rows[index] for index in group], joined([pixels[index] for index in group]) or {})
        for group in alike(pixels)
    ]
    return torch.stack(losses).sum()


def alike(pixels: Sequence[Pixels]) -> list[list[int]]:
    """Rows in groups of which one pass can be shown all: their tensors have the same shapes, or none has any."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for index, own in enumerate(pixels):
        shapes = tuple((name, tuple(value.shape)) for name, value in sorted(own.items()))
        groups.setdefault(shapes, []).append(index)
    return list(groups.values())


def _of_pass(model: Any, rows: Sequence[Example], pixels: Pixels) -> torch.Tensor:
    """The same of rows that are alike.

    Rows are padded on the right and need no attention mask: a causal model's real tokens never see what comes
    after them. The padding's id is none of the losses' business: positions say where there is loss.
    """
    longest = max(len(row.token_ids) for row in rows)
    ids = torch.zeros((len(rows), longest), dtype=torch.long)
    learned = torch.zeros((len(rows), longest), dtype=torch.bool)
    for index, row in enumerate(rows):
        ids[index, : len(row.token_ids)] = torch.tensor(row.token_ids, dtype=torch.long)
        for start, end in row.learned_ranges:
            learned[index, start:end] = True
    ids, learned = ids.to(model.device), learned.to(model.device)
    shown = {name: value.to(model.device) for name, value in pixels.items()}
    logits = model(input_ids=ids, use_cache=False, **told(model, ids, shown)).logits
    # Position t is predicted at t − 1.
    return functional.cross_entropy(
        logits[:, :-1][learned[:, 1:]].float(), ids[:, 1:][learned[:, 1:]], reduction="sum"
    )
