"""The model behind `models.encoder`: a sentence-transformers folder, or one of CLIP's kind; loaded when first asked.

How a text becomes one vector is the folder's to say and sentence-transformers' to do. What would run code of the folder
or read pickles is refused before.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from llmood.config import EngineConfig, FullModel
from llmood.engines.folders import ModelFolder, resolve_model
from llmood.engines.local import choose_device, need
from llmood.engines.processor import picture_libraries
from llmood.engines.tokenizer import tokenizer_files
from llmood.errors import ConfigError, first_line
from llmood.identity import FileDigests

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from llmood.engines.models.picture_encoder import PictureEncoder
    from llmood.engines.models.text_encoder import TextEncoder

VERSION = 2
MODULES = "modules.json"
PLACE = "models.encoder"
LIBRARY = "sentence_transformers."
DECIDING = (".json", ".safetensors", ".txt", ".model")
SETTINGS = "sentence_*_config.json"  # the library's own; its name tells the kind of model too


class EncoderModel:
    """A sentence encoder in a folder; making one reads its configuration and hashes its files.

    Attributes:
        sees: whether it is an encoder of pictures and of words, in one space (CLIP, SigLIP).

    Raises:
        ConfigError: the folder holds no such model, or one that isn't made of the library's own parts.
    """

    def __init__(self, model: FullModel, engine: EngineConfig, *, folder: Path | None) -> None:
        need("torch", "transformers")
        self.weights: ModelFolder = resolve_model(model, place=PLACE, relative_to=folder)
        if not tokenizer_files(self.weights.folder):
            raise ConfigError(f"{PLACE}: {self.weights.folder} holds no tokenizer")
        self.sees = self.weights.sees and not (self.weights.folder / MODULES).is_file()
        if not self.sees:
            need("sentence_transformers")
            _check_modules(self.weights.folder)
        self.device = choose_device(engine.device)
        self._dtype = "float32"  # the engine's choice of precision is the language models'; this one is small
        self._loaded: TextEncoder | PictureEncoder | None = None

    @property
    def identity(self) -> dict[str, Any]:
        folder = self.weights.folder
        files = [path for path in folder.rglob("*") if path.suffix in DECIDING and path.is_file()]
        own = () if self.sees else ("sentence-transformers",)
        sees = {"pictures": picture_libraries()} if self.sees else {}
        libraries = (*own, "transformers", "torch")
        return {
            "engine": "picture_encoder" if self.sees else "text_encoder",
            "version": [VERSION, *map(version, libraries)],
            "weights": self.weights.digest,
            "files": FileDigests().of_all(sorted(files)),
            **sees,
            "max_length": self.max_length,
            "dtype": self._dtype,
            "device": self.device.split(":")[0],
        }

    @cached_property
    def max_length(self) -> int:
        """The tokens that it reads of a text, what begins and ends one included; it cuts off the rest.

        Raises:
            ConfigError: no file says how many.
        """
        folder = self.weights.folder
        if self.sees:
            return self._text_length
        said = [self.weights.read_json(path.name) for path in sorted(folder.glob(SETTINGS))]
        limits = [each["max_seq_length"] for each in said if each.get("max_seq_length")]
        if not limits:
            own = folder / "tokenizer_config.json"
            tokenizer = self.weights.read_json(own.name) if own.is_file() else {}
            limits = [tokenizer.get("model_max_length"), self.weights.config.get("max_position_embeddings")]
        known = [int(limit) for limit in limits if isinstance(limit, int | float) and limit > 0]
        if not known:
            raise ConfigError(
                f"{PLACE}: {folder} doesn't say how long a text may be",
                hint="add 'max_seq_length' to its sentence_bert_config.json",
            )
        return min(known)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (n, size) of length 1."""
        if self.sees:
            return self._seeing.vectors(texts)
        from llmood.engines.models.text_encoder import TextEncoder

        if self._loaded is None:
            self._loaded = TextEncoder(self.weights.folder, dtype=self._dtype, device=self.device)
        return self._loaded.vectors(texts)

    def pixels(self, image: Image.Image) -> torch.Tensor:
        """What an encoder that sees is shown of a picture."""
        return self._seeing.pixels(image)

    def embed_pictures(self, pixels: Sequence[torch.Tensor]) -> NDArray[np.float32]:
        """Vectors (n, size) of length 1, in the space of the texts'."""
        return self._seeing.seen(pixels)

    @property
    def _seeing(self) -> PictureEncoder:
        from llmood.engines.models.picture_encoder import PictureEncoder

        if not isinstance(self._loaded, PictureEncoder):
            self._loaded = PictureEncoder(
                self.weights.folder, max_length=self.max_length, dtype=self._dtype, device=self.device
            )
        return self._loaded

    @property
    def _text_length(self) -> int:
        """The positions that an encoder of both has for a text, or fewer where its tokenizer says so."""
        from transformers import AutoConfig

        folder = self.weights.folder
        try:
            text = AutoConfig.from_pretrained(folder, local_files_only=True).get_text_config()
        except (OSError, ValueError, KeyError) as error:
            first = first_line(error)
            raise ConfigError(f"{PLACE}: {folder}/config.json can't be read: {first}") from error
        positions = getattr(text, "max_position_embeddings", None)
        if not isinstance(positions, int):
            raise ConfigError(f"{PLACE}: {folder}/config.json doesn't say how long a text may be")
        own = folder / "tokenizer_config.json"
        said = self.weights.read_json(own.name).get("model_max_length") if own.is_file() else None
        return min(positions, int(said)) if isinstance(said, int | float) and said > 0 else positions

    def close(self) -> None:
        """Free the model."""
        self._loaded = None


def _check_modules(folder: Path) -> None:
    """Refuse what would run code that isn't the library's, or read a pickle."""
    path = folder / MODULES
    if not path.is_file():
        raise ConfigError(
            f"{PLACE}: {folder} holds no {MODULES}",
            hint="name a sentence-transformers folder, or one of CLIP's or SigLIP's kind with its processor",
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
    outside = [place for _, place in modules if Path(place).is_absolute() or ".." in Path(place).parts]
    if outside:
        raise ConfigError(f"{PLACE}: {path} names {outside[0]}, which is not in the folder")
    for own in sorted({weights.parent for weights in folder.rglob("*.bin")}):
        # The library reads a pickle wherever there is no file of this very name.
        if not (own / "model.safetensors").is_file():
            raise ConfigError(f"{PLACE}: {own} holds pickled weights", hint="save the model as safetensors")
