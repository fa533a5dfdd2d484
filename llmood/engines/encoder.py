"""The engine of the role `encoder`: a vector of a sample's own words, and of its pictures where it sees.

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
    Pictures,
    Request,
    batches_by_length,
)
from llmood.engines.encoder_model import PLACE, EncoderModel
from llmood.engines.opened_pictures import load_all
from llmood.engines.placing import Placed
from llmood.engines.prompts import Prompt
from llmood.engines.tokenizer import FolderTokenizer
from llmood.errors import ConfigError
from llmood.records import FAILED, CaptureSpec, Check, Message
from llmood.tasks.row_errors import RowError

PICTURE_TOKENS = 256  # about what a picture costs beside words
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


class SeeingEncoderTokenizer(EncoderTokenizer):
    """The same of an encoder that sees: pictures stand beside the words, and none of the ids are theirs."""

    image_token = image_text = ""

    def refuses(self, pictures: int) -> str | None:
        """Nothing: it reads one picture after the other."""
        return None

    def render(self, messages: Sequence[Message], pictures: int = 0) -> str:
        return super().render(messages)

    def place_shown(self, text: str, pictures: Pictures, *, rendered: bool) -> Placed:
        return Placed(self.encode([text], rendered=rendered)[0], ())


class EncoderEngine(BatchedEngine):
    """A sentence-transformers folder, or one of CLIP's kind, which takes pictures, too. It cuts what is too long.

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
        kind = SeeingEncoderTokenizer if self._model.sees else EncoderTokenizer
        self._tokenizer: EncoderTokenizer = kind(weights, weights, place=PLACE)

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
        lengths = [
            min(len(request.token_ids), self._model.max_length) + PICTURE_TOKENS * len(request.pictures)
            for request in requests
        ]
        return batches_by_length(lengths, budget)

    def capture(self, spec: CaptureSpec, requests: Sequence[Request]) -> list[Captured]:
        texts = [str(request.text) for request in requests]
        if not any(request.pictures for request in requests):
            vectors = self._model.embed(texts)
            return [_captured(*each) for each in zip(vectors, requests, strict=True)]
        failed, seen = self._see(requests)
        found = []
        for place, (words, request) in enumerate(zip(self._model.embed(texts), requests, strict=True)):
            own = None if not texts[place].strip() else words
            made = failed.get(place)
            found.append(made or _captured(joint_embedding(own, seen.get(place)), request))
        return found

    def _see(self, requests: Sequence[Request]) -> tuple[dict[int, Captured], dict[int, NDArray[np.float32]]]:
        """By the place of a request, why its pictures can't be read, or their vectors (n, size)."""
        failed: dict[int, Captured] = {}
        pixels, owners = [], []
        for place, request in enumerate(requests):
            try:
                # What the model is shown is small, whatever a picture's size: one sample's pictures at a time are not.
                shown = [self._model.pixels(image) for image in load_all(request.pictures)]
            except RowError as error:
                failed[place] = Captured(status=FAILED, reason=str(error))
            else:
                pixels += shown
                owners += [place] * len(shown)
        vectors = self._model.embed_pictures(pixels)
        return failed, {place: vectors[np.array(owners) == place] for place in owners}

    def refuses_pictures(self) -> str | None:
        return None if self._model.sees else super().refuses_pictures()

    def close(self) -> None:
        self._model.close()


def joint_embedding(
    words: NDArray[np.float32] | None, pictures: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """Make (z_v + z_t) / 2, at length 1, of vectors of length 1: a sample's words (d,) and its pictures (n, d).

    z_v is the mean of several pictures, at length 1 too: words weigh as much as all pictures together. What isn't there
    counts for nothing.

    >>> joint_embedding(np.float32([1, 0]), np.float32([[0, 1], [0, 1]])).round(3).tolist()
    [0.7070000171661377, 0.7070000171661377]
    """
    sides = [] if words is None else [words]
    if pictures is not None:
        sides.append(_at_length_1(pictures.mean(axis=0)))
    return _at_length_1(np.mean(sides, axis=0))


def _at_length_1(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(vector)
    return vector / length if length else np.full_like(vector, np.nan)


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
