"""Language models and an encoder in one run: each capture goes to the engine that has its role."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmood.engines.base import ENCODER, Captured, Engine, Pictures, Request, Tokenizer
from llmood.engines.encoder import EncoderEngine
from llmood.records import CaptureSpec


class WithEncoder(Engine):
    """An engine of language models, which goes by its own name, and an encoder beside it."""

    def __init__(self, spoken: Engine, encoder: EncoderEngine) -> None:
        super().__init__(spoken.config, spoken.models, spoken.folder)
        self.spoken = spoken
        self._encoder = encoder

    @property
    def kind(self) -> str:  # type: ignore[override]
        return self.spoken.kind

    @property
    def captures(self) -> frozenset[tuple[str, str]]:  # type: ignore[override]
        return self.spoken.captures | self._encoder.captures

    @property
    def has_model(self) -> bool:  # type: ignore[override]
        """Of what is examined: an encoder isn't."""
        return self.spoken.has_model

    @property
    def roles(self) -> tuple[str, ...]:
        return (*self.spoken.roles, ENCODER)

    def identity(self, role: str) -> dict[str, Any]:
        return self._of(role).identity(role)

    def describe(self, role: str) -> dict[str, Any]:
        return self._of(role).describe(role)

    def tokenizer(self, role: str) -> Tokenizer:
        return self._of(role).tokenizer(role)

    def context_length(self, role: str) -> int:
        return self._of(role).context_length(role)

    def vocabulary_size(self, role: str) -> int | None:
        return self._of(role).vocabulary_size(role)

    def depth(self, role: str) -> int | None:
        return self._of(role).depth(role)

    def run(
        self, spec: CaptureSpec, requests: Sequence[Request], *, done: Collection[int] = ()
    ) -> Iterator[list[tuple[int, Captured]]]:
        return self._of(spec.model).run(spec, requests, done=done)

    def second_path(
        self,
        rows: Mapping[str, Sequence[Sequence[int]]],
        pictures: Mapping[str, Sequence[Pictures]] | None = None,
    ) -> Mapping[str, Sequence[NDArray[np.float32]]] | None:
        return self.spoken.second_path(rows, pictures)

    def refuses_pictures(self) -> str | None:
        return self.spoken.refuses_pictures()

    def lacks_of_pictures(self, spec: CaptureSpec) -> str | None:
        return self._of(spec.model).lacks_of_pictures(spec)

    def close(self) -> None:
        self.spoken.close()
        self._encoder.close()

    def check(self, spec: CaptureSpec) -> None:
        self._of(spec.model).check(spec)

    def lacks(self, spec: CaptureSpec) -> str | None:
        return self._of(spec.model).lacks(spec)

    def _of(self, role: str) -> Engine:
        return self._encoder if role == ENCODER else self.spoken
