"""The model behind `models.nli`: its folder, what its classes mean, and its verdicts; loaded when first asked."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from llmood.config import EngineConfig, FullModel
from llmood.engines.folders import ModelFolder, resolve_model
from llmood.engines.local import choose_device, need
from llmood.engines.tokenizer import tokenizer_files
from llmood.errors import ConfigError
from llmood.identity import FileDigests
from llmood.measures.nli import Verdict

if TYPE_CHECKING:
    from llmood.engines.models.cross_encoder import CrossEncoder

VERSION = 1
LABELS = tuple(verdict.name.lower() for verdict in Verdict)
PLACE = "models.nli"
LONGEST = 512  # tokens of a pair, where the model names no limit
# What two-class models call everything that isn't entailment.
NO_ENTAILMENT = ("not_entailment", "not entailment", "non-entailment")


class NliModel:
    """A natural-language-inference model in a folder; making one reads its configuration and hashes its weights.

    Attributes:
        cut: how many of the pairs that it was asked were longer than it reads, and were cut.

    Raises:
        ConfigError: the folder holds no such model, or its classes have no names that tell them apart.
    """

    def __init__(self, model: FullModel, engine: EngineConfig, *, folder: Path | None) -> None:
        need("torch", "transformers")
        self.weights: ModelFolder = resolve_model(model, place=PLACE, relative_to=folder)
        self.columns = _columns(self.weights.config, self.weights.folder)
        if not tokenizer_files(self.weights.folder):
            raise ConfigError(f"{PLACE}: {self.weights.folder} holds no tokenizer")
        self._device = choose_device(engine.device)
        # The engine's choice of precision is the language models'; this one is small.
        self._dtype = "float32"
        self.cut = 0
        self._loaded: CrossEncoder | None = None

    @property
    def identity(self) -> dict[str, Any]:
        return {
            "engine": "cross_encoder",
            "version": [VERSION, version("transformers"), version("torch")],
            "weights": self.weights.digest,
            "tokenizer": FileDigests().of_all(tokenizer_files(self.weights.folder)),
            "dtype": self._dtype,
            "device": self._device.split(":")[0],
        }

    @property
    def contradicts(self) -> bool:
        """Whether contradiction is one of its classes."""
        return Verdict.CONTRADICTION in self.columns

    def ask(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Probabilities (n, 3) of contradiction, neutral and entailment."""
        from llmood.engines.models.cross_encoder import CrossEncoder

        if self._loaded is None:
            limit = self.weights.context_length or LONGEST
            self._loaded = CrossEncoder(
                self.weights.folder,
                columns=self.columns,
                width=len(LABELS),
                longest=min(limit, LONGEST),
                dtype=self._dtype,
                device=self._device,
            )
        before = self._loaded.cut
        found = self._loaded.probabilities(pairs)
        self.cut += self._loaded.cut - before
        return found

    def close(self) -> None:
        """Free the model."""
        self._loaded = None


def _columns(config: dict[str, Any], folder: Path) -> list[int]:
    """For each class in its order, which of `LABELS` it means."""
    named = config.get("id2label")
    names = [str(named[key]).lower() for key in sorted(named, key=int)] if isinstance(named, dict) else []
    found = [
        Verdict.NEUTRAL if name in NO_ENTAILMENT else LABELS.index(name) if name in LABELS else None
        for name in names
    ]
    known = [column for column in found if column is not None]
    if len(known) < len(found) or LABELS.index("entailment") not in known or len(set(known)) < len(known):
        shown = ", ".join(names) or "none"
        raise ConfigError(
            f"{PLACE}: the classes of {folder} are called {shown}",
            hint="name them entailment, neutral and contradiction (or not_entailment) under id2label in config.json",
        )
    return known
