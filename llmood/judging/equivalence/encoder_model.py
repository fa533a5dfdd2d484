"""The model behind `models.encoder`: a sentence-transformers folder, what it does to a text, and its vectors.

The folder says how a text becomes one vector (`modules.json`): a transformer, a pooling of its states, maybe a
normalisation. That is all that most of them have, and it is read here; a folder that asks for more is refused.
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

VERSION = 1
PLACE = "models.encoder"
LONGEST = 512  # tokens of a text, where the folder names no limit
MODULES = ("Transformer", "Pooling", "Normalize")
POOLINGS = ("mean", "cls")
_OLD_POOLING = "pooling_mode_"  # "pooling_mode_mean_tokens": true
_SETTINGS = ("modules.json", "sentence_bert_config.json", "config_sentence_transformers.json")


class EncoderModel:
    """A sentence encoder in a folder; making one reads its configuration and hashes its weights.

    Raises:
        ConfigError: the folder holds no such model, or asks for what isn't known here.
    """

    def __init__(self, model: FullModel, engine: EngineConfig, *, folder: Path | None) -> None:
        need("torch", "transformers")
        self.weights: ModelFolder = resolve_model(model, place=PLACE, relative_to=folder)
        if not tokenizer_files(self.weights.folder):
            raise ConfigError(f"{PLACE}: {self.weights.folder} holds no tokenizer")
        self.pooling = _pooling(self.weights)
        settings = _settings(self.weights, "sentence_bert_config.json")
        self.lower = bool(settings.get("do_lower_case", False))
        limit = settings.get("max_seq_length") or self.weights.context_length or LONGEST
        self.longest = min(int(limit), self.weights.context_length or int(limit))
        prompts = _settings(self.weights, "config_sentence_transformers.json")
        if prompts.get("default_prompt_name"):
            raise ConfigError(
                f"{PLACE}: {self.weights.folder} puts a prompt before every text; llmood puts none"
            )
        self._device = choose_device(engine.device)
        self._dtype = "float32"  # the engine's choice of precision is the language models'; this one is small
        self._loaded: TextEncoder | None = None

    @property
    def identity(self) -> dict[str, Any]:
        folder = self.weights.folder
        settings = [path for name in _SETTINGS if (path := folder / name).is_file()]
        return {
            "engine": "text_encoder",
            "version": [VERSION, version("transformers"), version("torch")],
            "weights": self.weights.digest,
            "tokenizer": FileDigests().of_all([*tokenizer_files(folder), *settings]),
            "pooling": self.pooling,
            "dtype": self._dtype,
            "device": self._device.split(":")[0],
        }

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (n, size) of length 1."""
        from llmood.engines.models.text_encoder import TextEncoder

        if self._loaded is None:
            self._loaded = TextEncoder(
                self.weights.folder,
                pooling=self.pooling,
                longest=self.longest,
                dtype=self._dtype,
                device=self._device,
            )
        return self._loaded.vectors([text.lower() for text in texts] if self.lower else texts)

    def close(self) -> None:
        """Free the model."""
        self._loaded = None


def _pooling(weights: ModelFolder) -> str:
    """How the states of a text's tokens become one vector."""
    path = weights.folder / "modules.json"
    if not path.is_file():
        raise ConfigError(
            f"{PLACE}: {weights.folder} holds no modules.json", hint="name a sentence-transformers folder"
        )
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        modules = {str(each["type"]).rpartition(".")[2]: str(each["path"]) for each in listed}
    except (ValueError, LookupError, TypeError) as error:
        raise ConfigError(f"{PLACE}: {path} is no list of modules: {error}") from None
    unknown = sorted(set(modules) - set(MODULES))
    if unknown or modules.get("Transformer", "-") != "" or "Pooling" not in modules:
        shown = ", ".join(modules)
        raise ConfigError(
            f"{PLACE}: {weights.folder} is made of {shown}",
            hint="needed: Transformer, in the folder itself, then Pooling, then maybe Normalize",
        )
    settings = weights.read_json(f"{modules['Pooling']}/config.json")
    named = settings.get("pooling_mode")
    modes = (
        [named]
        if named
        else [
            name.removeprefix(_OLD_POOLING).removesuffix("_token").removesuffix("_tokens")
            for name, on in settings.items()
            if name.startswith(_OLD_POOLING) and on
        ]
    )
    if len(modes) != 1 or modes[0] not in POOLINGS:
        raise ConfigError(
            f"{PLACE}: {weights.folder} pools by {', '.join(map(str, modes)) or 'nothing'}",
            hint=f"known: {', '.join(POOLINGS)}",
        )
    return str(modes[0])


def _settings(weights: ModelFolder, name: str) -> dict[str, Any]:
    return weights.read_json(name) if (weights.folder / name).is_file() else {}
