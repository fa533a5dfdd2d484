"""The model behind `models.encoder`: a sentence-transformers folder, and its vectors; loaded when first asked.

How a text becomes one vector is the folder's to say and sentence-transformers' to do. What would run code of the folder
or read pickles is refused before.
"""

from __future__ import annotations

import json
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

if TYPE_CHECKING:
    from llmood.engines.models.text_encoder import TextEncoder

VERSION = 2
PLACE = "models.encoder"
LIBRARY = "sentence_transformers."
DECIDING = (".json", ".safetensors", ".txt", ".model")


class EncoderModel:
    """A sentence encoder in a folder; making one reads its configuration and hashes its files.

    Raises:
        ConfigError: the folder holds no such model, or one that isn't made of the library's own parts.
    """

    def __init__(self, model: FullModel, engine: EngineConfig, *, folder: Path | None) -> None:
        need("torch", "transformers", "sentence_transformers")
        self.weights: ModelFolder = resolve_model(model, place=PLACE, relative_to=folder)
        if not tokenizer_files(self.weights.folder):
            raise ConfigError(f"{PLACE}: {self.weights.folder} holds no tokenizer")
        _check_modules(self.weights.folder)
        self._device = choose_device(engine.device)
        self._dtype = "float32"  # the engine's choice of precision is the language models'; this one is small
        self._loaded: TextEncoder | None = None

    @property
    def identity(self) -> dict[str, Any]:
        folder = self.weights.folder
        files = [path for path in folder.rglob("*") if path.suffix in DECIDING and path.is_file()]
        libraries = ("sentence-transformers", "transformers", "torch")
        return {
            "engine": "text_encoder",
            "version": [VERSION, *map(version, libraries)],
            "weights": self.weights.digest,
            "files": FileDigests().of_all(sorted(files)),
            "dtype": self._dtype,
            "device": self._device.split(":")[0],
        }

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (n, size) of length 1."""
        from llmood.engines.models.text_encoder import TextEncoder

        if self._loaded is None:
            self._loaded = TextEncoder(self.weights.folder, dtype=self._dtype, device=self._device)
        return self._loaded.vectors(texts)

    def close(self) -> None:
        """Free the model."""
        self._loaded = None


def _check_modules(folder: Path) -> None:
    """Refuse what would run code that isn't the library's, or read a pickle."""
    path = folder / "modules.json"
    if not path.is_file():
        raise ConfigError(
            f"{PLACE}: {folder} holds no modules.json", hint="name a sentence-transformers folder"
        )
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        modules = [(str(each["type"]), str(each["path"])) for each in listed]
    except (ValueError, LookupError, TypeError) as error:
        raise ConfigError(f"{PLACE}: {path} is no list of modules: {error}") from None
    foreign = [name for name, _ in modules if not name.startswith(LIBRARY)]
    if foreign:
        raise ConfigError(f"{PLACE}: {folder} is made of {foreign[0]}, which is code of its own")
    if not modules or modules[0][1] != "":
        raise ConfigError(f"{PLACE}: {path} doesn't begin with a transformer in the folder itself")
    for _, place in modules:
        own = folder / place
        if any(own.glob("*.bin")) and not any(own.glob("*.safetensors")):
            raise ConfigError(f"{PLACE}: {own} holds pickled weights", hint="save the model as safetensors")
