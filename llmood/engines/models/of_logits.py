"""What is kept of the logits before each token, computed a few rows at a time where the logits are made."""

from __future__ import annotations

from collections.abc import Callable

import torch

OfLogits = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Logits (n, V) and the ids (n,) that came next → float32, n rows."""


def own_logprobs(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Log softmax at the wanted ids: (n,)."""
    logits = logits.float()
    own = logits.gather(1, wanted[:, None])[:, 0]
    return own - logits.logsumexp(dim=-1)


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
