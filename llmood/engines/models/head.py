"""From a decoder's states to log-probabilities; the logits of a large vocabulary exist a tile at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from llmood.engines.models.of_logits import OfLogits, own_logprobs, own_logprobs_of_tiles

# Logits that exist at once: 4 MiB of float32 stay in a processor's cache between the product and the log-sum.
LOGITS_AT_ONCE = 1024 * 1024
# A GPU wants products large enough to fill it: 384 MiB in half precision and the float32 that it is read as.
ACCELERATOR_LOGITS_AT_ONCE = 64 * 1024 * 1024
# Below these a product is slow, whatever the vocabulary or the batch.
LEAST_ROWS = 64
LEAST_COLUMNS = 512
COLUMNS_MULTIPLE = 64  # a product of ragged width is slower than one of whole blocks


class Head:
    """States → logits, as a model's own forward pass makes them.

    Args:
        output: the model's output embeddings.
        scale: what its logits are multiplied by.
        cap: what they are softly capped at; None: not at all.
    """

    def __init__(self, output: Any, *, scale: float = 1.0, cap: float | None = None) -> None:
        self.output = output
        self.scale = scale
        self.cap = cap

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """All logits (n, V)."""
        return self._finished(self.output(states))

    def of_rows(self, states: torch.Tensor, wanted: torch.Tensor, function: OfLogits) -> torch.Tensor:
        """What a function makes of each position's whole vocabulary, a few positions at a time."""
        size = max(LEAST_ROWS, logits_at_once(states.device) // self.words)
        parts = zip(states.split(size), wanted.split(size), strict=True)
        return torch.cat([function(self(part), ids) for part, ids in parts])

    def own_logprobs(self, states: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        """Log-probabilities (n,) of the ids that came next.

        All positions meet a slice of the vocabulary at a time, so that each weight is read once a batch. A head that
        is no plain matrix (an adapter may sit on it) can't be sliced.
        """
        if type(self.output) is not torch.nn.Linear:
            return self.of_rows(states, wanted, own_logprobs)
        return own_logprobs_of_tiles(self._tiles(states), wanted)

    def _tiles(self, states: torch.Tensor) -> Iterator[torch.Tensor]:
        columns = logits_at_once(states.device) // max(1, len(states))
        size = max(LEAST_COLUMNS, columns // COLUMNS_MULTIPLE * COLUMNS_MULTIPLE)
        weights = self.output.weight.split(size)
        biases = [None] * len(weights) if self.output.bias is None else self.output.bias.split(size)
        for weight, bias in zip(weights, biases, strict=True):
            yield self._finished(torch.nn.functional.linear(states, weight, bias))

    @property
    def words(self) -> int:
        """The vocabulary's size; 1 where it can't be seen."""
        weight = getattr(self.output, "weight", None)
        return len(weight) if weight is not None else 1

    def _finished(self, logits: torch.Tensor) -> torch.Tensor:
        if self.scale != 1.0:
            logits = logits * self.scale
        return torch.tanh(logits / self.cap) * self.cap if self.cap else logits


def logits_at_once(device: torch.device) -> int:
    """How many logits a device makes at a time."""
    return LOGITS_AT_ONCE if device.type == "cpu" else ACCELERATOR_LOGITS_AT_ONCE
