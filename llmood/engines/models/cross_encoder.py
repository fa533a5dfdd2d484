"""A loaded sequence-classification model that reads two texts at once: a natural-language-inference model.

Imported only when a model is to be loaded: this is where torch comes in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from llmood.engines.base import batches_by_length
from llmood.engines.models.loading import load_checked

BATCH_TOKENS = {"cpu": 2048, "other": 32_768}


class CrossEncoder:
    """Probabilities of a model's classes for pairs of texts.

    Args:
        columns: for each of the model's classes, the column that its probability is added to.
        width: how many columns there are.
        longest: the most tokens of a pair; the longer text is cut at its end.

    Attributes:
        cut: how many of the pairs that were read were longer than that.
    """

    def __init__(
        self,
        folder: Path,
        *,
        columns: Sequence[int],
        width: int,
        longest: int,
        dtype: str,
        device: str,
        batch_tokens: int | None = None,
    ) -> None:
        self.cut = 0
        self._columns = torch.tensor(columns)
        self._width = width
        self._longest = longest
        self._device = torch.device(device)
        self._batch_tokens = batch_tokens or BATCH_TOKENS.get(self._device.type, BATCH_TOKENS["other"])
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        what = "a model that classifies texts"
        model = load_checked(AutoModelForSequenceClassification, folder, what=what, dtype=dtype)
        self._model: Any = model.to(self._device).eval()

    def probabilities(
        self, pairs: Sequence[tuple[str, str]], advance: Callable[[int], None] = lambda _: None
    ) -> NDArray[np.float32]:
        """Of each pair (n, width), the softmax of its logits in float32.

        Pairs of similar lengths are read together; padding is masked, so that a verdict doesn't depend on it.
        """
        found = np.zeros((len(pairs), self._width), dtype=np.float32)
        if not pairs:
            return found
        read = self._encode(pairs)
        lengths = [len(ids) for ids in read["input_ids"]]
        for batch in batches_by_length(lengths, self._batch_tokens):
            inputs = self._tokenizer.pad(
                {name: [values[index] for index in batch] for name, values in read.items()},
                return_tensors="pt",
            )
            with torch.inference_mode():
                logits = self._model(**inputs.to(self._device)).logits.float().cpu()
            summed = torch.zeros(len(batch), self._width).index_add_(1, self._columns, logits.softmax(-1))
            found[batch] = summed.numpy()
            advance(len(batch))
        return found

    def _encode(self, pairs: Sequence[tuple[str, str]]) -> dict[str, list[list[int]]]:
        """What the model is given of each pair; those that had to be cut are counted."""
        first, second = (list(texts) for texts in zip(*pairs, strict=True))
        whole = self._tokenizer(first, second, return_attention_mask=True, verbose=False)
        read: dict[str, list[list[int]]] = dict(whole)
        over = [index for index, ids in enumerate(read["input_ids"]) if len(ids) > self._longest]
        if over:
            self.cut += len(over)
            shorter = self._tokenizer(
                [first[index] for index in over],
                [second[index] for index in over],
                truncation="longest_first",
                max_length=self._longest,
                return_attention_mask=True,
            )
            for name, values in read.items():
                for index, ids in zip(over, shorter[name], strict=True):
                    values[index] = ids
        return read
