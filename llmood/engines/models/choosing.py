"""From the logits before a token to that token, and what is kept of the whole vocabulary in its place."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from llmood.engines.decoding import Decoding

# exp of less is 0 in float64, and 0 · −∞ would be NaN where it has to be 0.
LEAST_LOG = -1e4
AT_ONCE = 64 * 1024  # measured: half a mebibyte of float64 and what is made of it stay in a core's cache


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The distributions before n tokens, float64: p(v) = weights[v] / total.

    Attributes:
        logits: less each row's largest, (n, V); at most 0.
        weights: their exponentials, (n, V).
        total: the weights' sums, (n, 1).
    """

    logits: torch.Tensor
    weights: torch.Tensor
    total: torch.Tensor

    @classmethod
    def of(cls, logits: torch.Tensor) -> Vocabulary:
        """From logits (n, V) in whatever precision they were made."""
        top = logits.amax(dim=-1, keepdim=True)
        shifted = logits.to(torch.float64, copy=True).sub_(top).clamp_min_(LEAST_LOG)
        weights = shifted.exp()
        return cls(shifted, weights, weights.sum(dim=-1, keepdim=True))

    def logprobs(self, ids: torch.Tensor) -> torch.Tensor:
        """Log p at ids (n, k)."""
        return self.logits.gather(1, ids) - self.total.log()

    def entropy(self) -> torch.Tensor:
        """−Σ p log p over the whole vocabulary, in nats: (n,)."""
        mean = _dots(self.weights, self.logits) / self.total[:, 0]
        # A distribution on one token would come out a rounding below 0.
        return (self.total[:, 0].log() - mean).clamp_min_(0.0)

    def likeliest(self) -> torch.Tensor:
        """The likeliest token of each row, the first of equals: (n,)."""
        if self.logits.device.type == "cpu":  # where NumPy takes a tenth of torch's time
            return torch.from_numpy(self.logits.numpy().argmax(axis=-1))
        return self.logits.argmax(dim=-1)

    def tempered(self, temperature: float) -> torch.Tensor:
        """Weights (n, V) at a temperature above 0."""
        return self.weights if temperature == 1.0 else (self.logits / temperature).exp_()


def _dots(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Σ a b of each row (n, V) → (n,). On a processor NumPy takes a fifth of torch's time."""
    if one.device.type == "cpu":
        return torch.from_numpy(np.vecdot(one.numpy(), other.numpy()))
    return torch.linalg.vecdot(one, other)


def nucleus(weights: torch.Tensor, top_p: float) -> torch.Tensor:
    """Weights of the likeliest tokens that together have at least `top_p` of the mass, 0 elsewhere: (n, V).

    Tokens as likely as the last one that is kept are kept too, so that no order of equals decides.

    Args:
        top_p: in (0, 1]; 1 keeps all.
    """
    if top_p >= 1.0:
        return weights
    likeliest = _sorted(weights).flip(-1)
    missing = likeliest.cumsum(dim=-1) < top_p * weights.sum(dim=-1, keepdim=True)
    last = missing.sum(dim=-1, keepdim=True).clamp_max_(weights.shape[1] - 1)
    return weights.where(weights >= likeliest.gather(1, last), 0.0)


def _sorted(weights: torch.Tensor) -> torch.Tensor:
    """Ascending. On a processor NumPy sorts ten times as fast as torch."""
    if weights.device.type == "cpu":
        return torch.from_numpy(np.sort(weights.numpy(), axis=-1))
    return weights.sort(dim=-1).values


def inverse_cdf(weights: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    """The ids (n,) at which the cumulative weights, in the vocabulary's order, first exceed u of their total.

    The order is the vocabulary's and not that of likelihood, in which two tokens change places by a rounding.

    Args:
        weights: (n, V), not negative; a weight of 0 is never taken.
        uniforms: (n,), in [0, 1).
    """
    sums = weights.cumsum(dim=-1)
    total = sums[:, -1]
    # u · total may be rounded to the total itself, which no sum exceeds.
    below = torch.nextafter(total, torch.zeros_like(total))
    ids = torch.searchsorted(sums, torch.minimum(uniforms * total, below)[:, None], right=True)[:, 0]
    return ids.clamp_max_(weights.shape[1] - 1)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The next token of n rows.

    Attributes:
        ids: (n,).
        logprobs: (n,), raw: before temperature and top-p.
        entropy: (n,), of the raw distribution.
        top_ids, top_logprobs: (n, k), the likeliest first.
        statistics: (n, 3) as `decoding.STATISTICS`, or (n, 0).
    """

    ids: torch.Tensor
    logprobs: torch.Tensor
    entropy: torch.Tensor
    top_ids: torch.Tensor
    top_logprobs: torch.Tensor
    statistics: torch.Tensor

    @property
    def columns(self) -> tuple[torch.Tensor, ...]:
        return self.ids, self.logprobs, self.entropy, self.top_ids, self.top_logprobs, self.statistics

    @classmethod
    def joined(cls, parts: Sequence[Chosen]) -> Chosen:
        """Those of several groups of rows, one behind the other."""
        return cls(*(torch.cat(each) for each in zip(*(part.columns for part in parts), strict=True)))


Choose = Callable[[torch.Tensor, NDArray[np.int64], int], Chosen]
"""Logits (n, V), the n rows that they belong to, and the step, from 0 → the rows' next tokens."""


class Chooser:
    """Chooses the next tokens of rows, each by its own numbers, whatever rows are beside it.

    Args:
        decoding: how.
        seeds: one a row; nobody asks for them where the decoding is greedy.
        steps: the most tokens of a row.
    """

    def __init__(self, decoding: Decoding, seeds: Sequence[int], steps: int) -> None:
        self.decoding = decoding
        self._uniforms = None if decoding.greedy else uniforms_of(seeds, steps)

    def __call__(self, logits: torch.Tensor, rows: NDArray[np.int64], step: int) -> Chosen:
        """What comes next in these rows, of logits (n, V) in their order; a few rows at a time."""
        size = rows_at_once(logits)
        if len(rows) <= size:
            return self._choose(logits, rows, step)
        parts = zip(logits.split(size), np.split(rows, range(size, len(rows), size)), strict=True)
        return Chosen.joined([self._choose(part, own, step) for part, own in parts])

    def _choose(self, logits: torch.Tensor, rows: NDArray[np.int64], step: int) -> Chosen:
        vocabulary = Vocabulary.of(logits)
        if self._uniforms is None:
            ids = vocabulary.likeliest()
        else:
            weights = nucleus(vocabulary.tempered(self.decoding.temperature), self.decoding.top_p)
            uniforms = torch.from_numpy(self._uniforms[rows, step]).to(logits.device)
            ids = inverse_cdf(weights, uniforms)
        return kept(vocabulary, ids, self.decoding.alternatives, statistics=self.decoding.statistics)


def rows_at_once(logits: torch.Tensor) -> int:
    """How many rows of logits (n, V) to look at together: on a processor, as many as its cache holds in float64."""
    return len(logits) if logits.device.type != "cpu" else max(1, AT_ONCE // logits.shape[1])


def kept(vocabulary: Vocabulary, ids: torch.Tensor, alternatives: int, *, statistics: bool = False) -> Chosen:
    """What is kept of the distributions before the tokens that were chosen."""
    most = min(alternatives, vocabulary.logits.shape[1])
    top = vocabulary.logits.topk(most, dim=-1).indices if most else ids[:, None][:, :0]
    return Chosen(
        ids,
        vocabulary.logprobs(ids[:, None])[:, 0],
        vocabulary.entropy(),
        top,
        vocabulary.logprobs(top),
        from_uniform(vocabulary) if statistics else vocabulary.total[:, :0],
    )


def from_uniform(vocabulary: Vocabulary) -> torch.Tensor:
    """`decoding.STATISTICS` (n, 3): self-certainty, the Rényi divergence of order 1/2, the Fisher–Rao distance."""
    words = vocabulary.logits.shape[1]
    log_total = vocabulary.total[:, 0].log()
    # What was held at the least logarithm had a probability of 0.
    log_weights = vocabulary.logits.masked_fill(vocabulary.logits <= LEAST_LOG, -torch.inf)
    certainty = log_total - log_weights.mean(dim=-1) - math.log(words)
    # Σ √(p/V), of which the other two are functions; at most 1, but for rounding.
    overlap = vocabulary.weights.sqrt().sum(dim=-1) / (words * vocabulary.total[:, 0]).sqrt()
    overlap = overlap.clamp_max(1.0)
    return torch.stack([certainty, -2 * overlap.log(), 2 / math.pi * overlap.arccos()], dim=-1)


def uniforms_of(seeds: Sequence[int], steps: int) -> NDArray[np.float64]:
    """One number in [0, 1) a row and step: the first `steps` of a generator of the row's own."""
    return np.array([np.random.Generator(np.random.PCG64(seed)).random(steps) for seed in seeds])
