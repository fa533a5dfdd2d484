"""The engine of the role `encoder`: a vector of a sample's own words, with a tokenizer of its own.

All other engines are sent token ids. An encoder is sent words: how they become tokens, where they are cut and how the
tokens' states become one vector is the model's own to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from llmood.config import EngineConfig, Models
from llmood.engines.base import (
    EMBEDDING,
    ENCODER,
    BatchedEngine,
    Captured,
    Engine,
    Request,
    batches_by_length,
)
from llmood.engines.encoder_model import PLACE, EncoderModel
from llmood.engines.requests import Prompt
from llmood.engines.tokenizer import FolderTokenizer
from llmood.errors import ConfigError
from llmood.records import FAILED, CaptureSpec, Check

BATCH_TOKENS = {"cpu": 8_192, "other": 65_536}


class EncoderTokenizer(FolderTokenizer):
    """The ids that an encoder would read of whole texts, with what begins and ends them; never of a chat."""

    @property
    def has_chat_template(self) -> bool:
        return False

    def encode(self, texts: Sequence[str], *, rendered: bool) -> list[tuple[int, ...]]:
        if not texts:
            return []
        # The file may name a length to cut and to pad to.
        found = self._tokenizer(list(texts), truncation=False, padding=False, verbose=False)
        return [tuple(row) for row in found["input_ids"]]


class EncoderEngine(BatchedEngine):
    """A sentence-transformers folder. It takes the words of a request, and cuts those that are too long for it.

    Raises:
        ConfigError: `models.encoder` is no such folder.
    """

    kind = ENCODER
    captures: ClassVar[frozenset[tuple[str, str]]] = frozenset({(EMBEDDING, "prompt")})

    def __init__(self, config: EngineConfig, models: Models, folder: Path | None = None) -> None:
        super().__init__(config, models, folder)
        if models.encoder is None:
            raise ConfigError(f"{PLACE}: is missing")
        self._revision = models.encoder.revision
        self._model = EncoderModel(models.encoder, config, folder=folder)
        weights = self._model.weights.folder
        self._tokenizer = EncoderTokenizer(weights, weights, place=PLACE)

    @property
    def roles(self) -> tuple[str, ...]:
        return (ENCODER,)

    def identity(self, role: str) -> dict[str, Any]:
        return self._model.identity

    def describe(self, role: str) -> dict[str, Any]:
        weights = self._model.weights
        return {
            "name": weights.name,
            "base": None,
            "revision": self._revision,
            "commit": weights.commit,
            "parameters": int(sum(np.prod(shape) for shape in weights.shapes().values())),
            "adapter_parameters": None,
            "context": self._model.max_length,
        }

    def tokenizer(self, role: str) -> EncoderTokenizer:
        return self._tokenizer

    def context_length(self, role: str) -> int:
        """The most tokens that are read; a longer text is cut."""
        return self._model.max_length

    def plan(self, spec: CaptureSpec, requests: Sequence[Request]) -> list[list[int]]:
        device = self._model.device
        budget = self.config.batch_tokens or BATCH_TOKENS.get(device, BATCH_TOKENS["other"])
        lengths = [min(len(request.token_ids), self._model.max_length) for request in requests]
        return batches_by_length(lengths, budget)

    def capture(self, spec: CaptureSpec, requests: Sequence[Request]) -> list[Captured]:
        vectors = self._model.embed([str(request.text) for request in requests])
        return [_captured(*each) for each in zip(vectors, requests, strict=True)]

    def close(self) -> None:
        self._model.close()


def encoded_lengths(engine: Engine, prompts: Sequence[Prompt]) -> NDArray[np.int64]:
    """How many tokens each prompt's words are to the encoder, int64 (n,)."""
    ids = engine.tokenizer(ENCODER).encode([prompt.text for prompt in prompts], rendered=False)
    return np.array([len(row) for row in ids], np.int64)


def cut_texts(lengths: Mapping[str, NDArray[np.int64]], limit: int) -> list[Check]:
    """A warning for each task of whose texts an encoder reads the beginning only.

    Args:
        lengths: by task, the tokens of each text, int64 (n,).
        limit: the most that it reads.
    """
    found = []
    for task, tokens in lengths.items():
        over = int((tokens > limit).sum())
        if over:
            detail = (
                f"{over} of {len(tokens)} samples of {task} are longer than the {limit} tokens that the encoder "
                "reads: their vectors are of their beginning only."
            )
            values = {"cut": over, "samples": len(tokens), "limit": limit}
            found.append(
                Check("texts_cut", "warning", "Texts cut by the encoder", detail, task, values=values)
            )
    return found


def _captured(vector: NDArray[np.float32], request: Request) -> Captured:
    if not np.isfinite(vector).all():
        return Captured(status=FAILED, reason="the encoder gave a number that is not finite")
    return Captured({"vector": vector, "tokens": len(request.token_ids)})
