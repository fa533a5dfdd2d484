"""A loaded encoder that makes one vector of a text.

Imported only when a model is to be loaded: this is where torch comes in.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

from llmood.engines.base import batches_by_length
from llmood.engines.models.loading import load_checked

BATCH_TOKENS = {"cpu": 4096, "other": 65_536}


class TextEncoder:
    """Vectors of length 1, so that products are cosines.

    Args:
        pooling: `mean`, of the states of a text's own tokens and never of padding; or `cls`, the first one's.
        longest: the most tokens of a text; it is cut at its end.
    """

    def __init__(
        self,
        folder: Path,
        *,
        pooling: str,
        longest: int,
        dtype: str,
        device: str,
        batch_tokens: int | None = None,
    ) -> None:
        self._pooling = pooling
        self._longest = longest
        self._device = torch.device(device)
        self._batch_tokens = batch_tokens or BATCH_TOKENS.get(self._device.type, BATCH_TOKENS["other"])
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = load_checked(AutoModel, folder, what="a text encoder", dtype=dtype)
        self._model: Any = model.to(self._device).eval()

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Of each text (n, size), float32."""
        read = self._tokenizer(
            list(texts), truncation=True, max_length=self._longest, padding=False, return_attention_mask=True
        )
        lengths = [len(ids) for ids in read["input_ids"]]
        found: NDArray[np.float32] = np.zeros((len(texts), self._model.config.hidden_size), dtype=np.float32)
        for batch in batches_by_length(lengths, self._batch_tokens):
            inputs = self._tokenizer.pad(
                {name: [values[index] for index in batch] for name, values in read.items()},
                return_tensors="pt",
            ).to(self._device)
            with torch.inference_mode():
                states = self._model(**inputs).last_hidden_state.float()
                pooled = (
                    _masked_mean(states, inputs["attention_mask"])
                    if self._pooling == "mean"
                    else states[:, 0]
                )
                found[batch] = torch.nn.functional.normalize(pooled, dim=-1).cpu().numpy()
        return found


def _masked_mean(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The mean over the tokens that the mask keeps, (n, size)."""
    kept = mask.unsqueeze(-1).to(states.dtype)
    return (states * kept).sum(dim=1) / kept.sum(dim=1).clamp(min=1.0)
