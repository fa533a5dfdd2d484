"""What is kept of the logits before each token, computed a few of them at a time where the logits are made."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

OfLogits = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Logits (n, V) and the ids (n,) that came next → float32, n rows."""


def own_logprobs(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Log softmax at the wanted ids: (n,)."""
    logits = logits.float()
    own = logits.gather(1, wanted[:, None])[:, 0]
    return own - logits.logsumexp(dim=-1)


def own_logprobs_of_tiles(tiles: Iterable[torch.Tensor], wanted: torch.Tensor) -> torch.Tensor:
    """The same from slices (n, few) of the vocabulary, in order; a float32 tile is used up."""
    start = 0
    own = total = torch.full(wanted.shape, -torch.inf, device=wanted.device)
    for tile in tiles:
        logits = tile.float()
        stop = start + logits.shape[1]
        found = logits.gather(1, (wanted.clamp(start, stop - 1) - start)[:, None])[:, 0]
        own = torch.where((wanted >= start) & (wanted < stop), found, own)
        total = torch.logaddexp(total, _logsumexp_(logits))
        start = stop
    return own - total


def _logsumexp_(logits: torch.Tensor) -> torch.Tensor:
    """Log-sum of each row, written over the logits: memory is touched once where torch's own makes copies."""
    # A slice of masked words alone is −∞ throughout, and must add nothing rather than NaN.
    top = logits.amax(dim=-1, keepdim=True).clamp_min(torch.finfo(logits.dtype).min)
    return logits.sub_(top).exp_().sum(dim=-1).log_() + top[:, 0]


def logprob_moments(logits: torch.Tensor) -> torch.Tensor:
    """Mean and standard deviation of log p over the vocabulary, under p: (n, 2).

    μ = Σ p log p and σ² = Σ p (log p − μ)², which is Σ p (log p)² − μ² and can't be negative in floating point.
    """
    logprobs = logits.float().log_softmax(dim=-1)
    probability = logprobs.exp()
    # 0 · log 0 is 0: a token of probability zero has no part in either.
    logprobs = logprobs.masked_fill(probability == 0, 0.0)
    mean = (probability * logprobs).sum(dim=-1)
    variance = (probability * (logprobs - mean[:, None]).square()).sum(dim=-1)
    return torch.stack([mean, variance.sqrt()], dim=-1)
