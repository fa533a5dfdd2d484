"""From a model's name to its folder and its identity; nothing is loaded here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from llmood.config import Adapter, FullModel
from llmood.errors import ConfigError, MissingModelError
from llmood.identity import FileDigests
from llmood.paths import find_model_folder

# Pickled weights are left where they are: safetensors only.
HUB_FILES = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
CODE = "*.py"  # fetched and run only where the configuration asks for it; hashed wherever it is
CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length", "n_ctx")
EXPECTED = {
    "models.nli": "a natural-language-inference model (config.json, safetensors, tokenizer)",
    "models.encoder": "a sentence-transformers folder (modules.json, safetensors, tokenizer), or one of CLIP's kind",
    "models.judge": "an instruction-tuned language model (config.json, safetensors, tokenizer)",
}
PROCESSOR = ("processor_config.json", "preprocessor_config.json")
ADAPTER_WEIGHTS = "adapter_model.safetensors"  # where it is missing, peft would look for a pickle


@dataclass(frozen=True)
class ModelFolder:
    """A local folder of weights, and how it was named."""

    place: str
    name: str
    folder: Path
    commit: str | None = None

    @cached_property
    def weights(self) -> list[Path]:
        return sorted(self.folder.glob("*.safetensors"))

    @cached_property
    def digest(self) -> str:
        """Content of weights, configuration and code."""
        config = [
            path for name in ("config.json", "adapter_config.json") if (path := self.folder / name).is_file()
        ]
        return FileDigests().of_all([*self.weights, *config, *self.folder.glob(CODE)])

    @cached_property
    def config(self) -> dict[str, Any]:
        """`config.json`."""
        return self.read_json("config.json")

    @property
    def context_length(self) -> int | None:
        """The most tokens that its configuration names; None where it names no limit."""
        return self._number(*CONTEXT_KEYS)

    @property
    def vocabulary_size(self) -> int | None:
        """How many token ids it has embeddings for, as far as its configuration says."""
        return self._number("vocab_size")

    @property
    def sees(self) -> bool:
        """Whether it is a model of pictures and text, with the processor that makes its inputs."""
        return isinstance(self.config.get("vision_config"), dict) and bool(processor_files(self.folder))

    def _number(self, *keys: str) -> int | None:
        nested = self.config.get("text_config")
        for source in (self.config, nested if isinstance(nested, dict) else {}):
            for key in keys:
                value = source.get(key)
                if isinstance(value, int):
                    if value < 1:
                        raise ConfigError(f"{self.place}: {self.folder}/config.json: {key} is {value}")
                    return value
        return None

    def read_json(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except OSError:
            raise ConfigError(f"{self.place}: {self.folder} holds no {name}") from None
        except ValueError as error:
            raise ConfigError(f"{self.place}: {path} is not JSON: {error}") from None
        if not isinstance(value, dict):
            raise ConfigError(f"{self.place}: {path} is not a JSON object")
        return value

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every tensor's name and shape, from the files' headers."""
        return {name: shape for path in self.weights for name, shape in _shapes(self.place, path).items()}


def sees(folder: Path) -> bool:
    """Whether a folder's configuration names an eye, and its processor is there."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and "vision_config" in config and bool(processor_files(folder))


def processor_files(folder: Path) -> list[Path]:
    """The files of a folder that decide what is made of a picture."""
    return [folder / name for name in PROCESSOR if (folder / name).is_file()]


def resolve_model(
    model: FullModel, *, place: str, relative_to: Path | None, code: bool = False
) -> ModelFolder:
    """The folder of full weights; with `code`, a hub model's own code is fetched too.

    Raises:
        ConfigError: there is no such folder and no such hub repository here, or it holds no safetensors weights.
    """
    files = [*HUB_FILES, CODE] if code else HUB_FILES
    found = _resolve(model.model, model.revision, files, place=place, relative_to=relative_to)
    if (found.folder / "adapter_config.json").is_file():
        # transformers would load the base that the adapter names, and switch the adapter on for good.
        raise ConfigError(f"{place}: {found.folder} is an adapter", hint="write models.tuned: {adapter: …}")
    found.read_json("config.json")
    _need_weights(found)
    return found


def resolve_adapter(adapter: Adapter, *, place: str, relative_to: Path | None) -> ModelFolder:
    """The folder of a LoRA adapter in peft's form."""
    hint = "run 'llmood finetune CONFIG' first: it makes the adapter there"
    found = _resolve(
        adapter.adapter, adapter.revision, HUB_FILES, place=place, relative_to=relative_to, hint=hint
    )
    kind = found.read_json("adapter_config.json").get("peft_type")
    if kind != "LORA":
        raise ConfigError(f"{place}: {found.folder} is an adapter of type {kind!r}, not 'LORA'")
    _need_weights(found, ADAPTER_WEIGHTS)
    return found


def resolve_tokenizer(name: str, *, place: str, relative_to: Path | None) -> Path:
    """The folder of a tokenizer; of a hub model its weights are not fetched.

    Raises:
        ConfigError: there is no such folder and no such hub repository here.
    """
    files = [pattern for pattern in HUB_FILES if "safetensors" not in pattern]
    return _resolve(name, None, files, place=place, relative_to=relative_to).folder


def _need_weights(model: ModelFolder, name: str | None = None) -> None:
    if not model.weights or (name and not (model.folder / name).is_file()):
        raise ConfigError(
            f"{model.place}: {model.folder} holds no {name or '.safetensors weights'}",
            hint="llmood loads no pickles: save the model with safe_serialization=True",
        )


def is_folder_name(name: str) -> bool:
    """Whether a model's name can only mean a folder, here or nowhere; `a/b` may be a repository of the hub."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name


def _resolve(
    name: str,
    revision: str | None,
    files: list[str],
    *,
    place: str,
    relative_to: Path | None,
    hint: str | None = None,
) -> ModelFolder:
    local = find_model_folder(name, relative_to=relative_to)
    if local is not None:
        return ModelFolder(place, name, local)
    if is_folder_name(name):
        raise MissingModelError(f"{place}: no folder '{name}'", hint=hint or _expected(place))
    return _from_hub(name, revision, files, place, hint)


def _expected(place: str) -> str | None:
    """What is to stand under the key of a model that reads answers."""
    what = EXPECTED.get(place)
    return f"set {place} to {what}, as a path or a hub name" if what else None


def _from_hub(name: str, revision: str | None, files: list[str], place: str, hint: str | None) -> ModelFolder:
    from huggingface_hub import errors, snapshot_download

    hint = hint or _expected(place)
    usual = "give a folder, or a hub name whose files are in the hub cache or reachable"
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=files))
    except (
        errors.LocalEntryNotFoundError,
        errors.HfHubHTTPError,
        errors.HFValidationError,
        OSError,
    ) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        kind = ConfigError if isinstance(error, errors.GatedRepoError) else MissingModelError
        raise kind(
            f"{place}: no folder '{name}' here, and the hub says: {reason}",
            hint=f"{usual}; or {hint}" if hint else usual,
        ) from error
    # The hub cache names a snapshot's folder by its commit.
    return ModelFolder(place, name, folder, commit=folder.name)


def _shapes(place: str, path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a safetensors file's tensors; the tensors stay on disk."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as tensors:
            return {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"{place}: {path} is no safetensors file: {error}") from None
