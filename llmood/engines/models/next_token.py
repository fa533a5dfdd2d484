"""The distribution after a prompt, from the logits there to what is kept of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch

from llmood.engines.decoding import NextToken
from llmood.engines.models.choosing import Vocabulary, kept, rows_at_once


def read_next(
    logits: Iterable[torch.Tensor], alternatives: int, label_ids: Sequence[int]
) -> Callable[[], list[NextToken]]:
    """Of logits (n, V), some rows at a time; what comes back waits for them."""
    found = [
        _kept(part, alternatives, label_ids) for whole in logits for part in whole.split(rows_at_once(whole))
    ]
    return lambda: [
        NextToken(ids, logprobs, entropy, labels)
        for columns in found
        for ids, logprobs, entropy, labels in zip(*(each.cpu().tolist() for each in columns), strict=True)
    ]


def _kept(logits: torch.Tensor, alternatives: int, label_ids: Sequence[int]) -> tuple[torch.Tensor, ...]:
    vocabulary = Vocabulary.of(logits)
    chosen = kept(vocabulary, vocabulary.likeliest(), alternatives)
    labels = logits[:, torch.tensor(label_ids, dtype=torch.long, device=logits.device)]
    return chosen.top_ids, chosen.top_logprobs, chosen.entropy, labels.float()
