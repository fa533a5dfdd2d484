"""An engine over folders of weights: which model serves which role, and all that decides its numbers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmood.config import Adapter, FullModel
from llmood.engines.adapter_fit import check_adapter
from llmood.engines.attention import ATTENTION, attended_layers
from llmood.engines.base import Engine, Pictures, prompted_roles
from llmood.engines.exits import exit_of
from llmood.engines.folders import ModelFolder, processor_files, resolve_adapter, resolve_model
from llmood.engines.kept_pixels import KeptPixels
from llmood.engines.layers import depth_of, exit_layer
from llmood.engines.pictures import PictureTokenizer, why_blind
from llmood.engines.processor import picture_libraries
from llmood.engines.states import HIDDEN_STATES, States, states_of
from llmood.engines.tokenizer import FolderTokenizer, tokenizer_files
from llmood.errors import ConfigError, MissingExtraError
from llmood.identity import FileDigests
from llmood.records import CaptureSpec

DEFAULT_CONTEXT = 1_000_000  # a model that names no limit (a state-space model) has none of its own


class LocalEngine(Engine):
    """Models as folders: full weights, and adapters on the base."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        need("torch", "transformers")
        self._base: ModelFolder | None = None
        self._tuned: ModelFolder | None = None
        self._judge: ModelFolder | None = None
        self.adapters: dict[str, ModelFolder] = {}  # by role
        if self.models.base is not None:
            self._base = self._resolve(self.models.base, "models.base")
        if self.models.judge is not None:
            self._judge = self._resolve(self.models.judge, "models.judge")
        for role, model in self.models.by_role.items():
            if isinstance(model, Adapter):
                self._attach(role, model)
            elif role == "tuned":
                self._tuned = self._resolve(model, "models.tuned")
        self._tokenizers: dict[str, FolderTokenizer] = {}
        self._pixels = KeptPixels()
        self.device = choose_device(self.config.device)

    def _resolve(self, model: FullModel, place: str) -> ModelFolder:
        code = self.config.trust_remote_code
        return resolve_model(model, place=place, relative_to=self.folder, code=code)

    def _attach(self, role: str, tuned: Adapter) -> None:
        if self._base is None:
            raise ConfigError("models.base: is missing, and models.tuned is an adapter on it")
        need("peft")
        place = f"models.{role.replace(':', '.')}.adapter"
        self.adapters[role] = resolve_adapter(tuned, place=place, relative_to=self.folder)
        check_adapter(self.adapters[role], self._base)

    @property
    @abstractmethod
    def version(self) -> dict[str, str | int]:
        """What runs the weights: packages, and a version of our own code, raised when it changes a number."""

    @cached_property
    def roles(self) -> tuple[str, ...]:  # asked for each request
        return tuple(self.models.by_role)

    def identity(self, role: str) -> dict[str, Any]:
        adapter = self.adapters.get(role)
        weights = self.weights(role)
        sees: dict[str, Any] = {}
        if weights.sees:
            processor = FileDigests().of_all(processor_files(weights.folder))
            sees = {"processor": processor, "pictures": picture_libraries()}
        return {
            "engine": self.kind,
            "version": {**self.version, **({"peft": version("peft")} if adapter else {})},
            "weights": weights.digest,
            **sees,
            "adapter": adapter.digest if adapter else None,
            "dtype": self.dtype(role),
            "device": self.device.split(":")[0],
            "trust_remote_code": self.config.trust_remote_code,
        }

    def describe(self, role: str) -> dict[str, Any]:
        weights = self.weights(role)
        adapter = self.adapters.get(role)
        shapes = weights.shapes().values()
        return {
            "name": (adapter or weights).name,
            "base": weights.name if adapter else None,
            "revision": self.models.by_role[role].revision,
            "commit": (adapter or weights).commit,
            "parameters": int(sum(np.prod(shape) for shape in shapes)),
            "adapter_parameters": int(sum(np.prod(s) for s in adapter.shapes().values()))
            if adapter
            else None,
            "context": self.context_length(role),
        }

    def tokenizer(self, role: str) -> FolderTokenizer:
        if role not in self._tokenizers:
            weights = self.weights(role)
            adapter = self.adapters.get(role)
            folder = adapter.folder if adapter and tokenizer_files(adapter.folder) else weights.folder
            kind = partial(PictureTokenizer, kept=self._pixels) if weights.sees else FolderTokenizer
            self._tokenizers[role] = kind(
                folder,
                weights.folder,
                place=f"models.{role}",
                trust_remote_code=self.config.trust_remote_code,
            )
        return self._tokenizers[role]

    def context_length(self, role: str) -> int:
        limits = (self.weights(role).context_length, self.config.max_length)
        return min((limit for limit in limits if limit is not None), default=DEFAULT_CONTEXT)

    def vocabulary_size(self, role: str) -> int | None:
        return self.weights(role).vocabulary_size

    def dtype(self, role: str) -> str:
        """Float32 on a CPU, whatever the checkpoint; the checkpoint's own on an accelerator."""
        if self.config.dtype != "auto":
            return self.config.dtype
        if self.device == "cpu":
            return "float32"
        config = self.weights(role).config
        stored = str(config.get("dtype") or config.get("torch_dtype") or "float32")
        return "bfloat16" if stored in ("bfloat16", "float16") else "float32"

    def weights(self, role: str) -> ModelFolder:
        """The full weights that serve a role: the tuned model's own, or those that its adapter sits on."""
        if role == "judge" and self._judge is not None:
            return self._judge
        weights = self._tuned if role == "tuned" and self._tuned else self._base
        if weights is None or role not in self.roles:
            raise ConfigError(f"models.{role}: is missing")
        return weights

    def check(self, spec: CaptureSpec) -> None:
        if spec.kind == HIDDEN_STATES:
            self.states(spec)
        if spec.kind == ATTENTION:
            attended_layers(spec, self.depth(spec.model))
        if exit_of(spec) is not None:
            exit_layer(spec, self.depth(spec.model))

    def states(self, spec: CaptureSpec) -> States:
        """The layers and positions that a capture means on this run's model."""
        return states_of(spec, self.depth(spec.model))

    def depth(self, role: str) -> int:
        """How many blocks a role's model has."""
        weights = self.weights(role)
        depth = depth_of(weights.config)
        if depth is None:
            raise ConfigError(f"{weights.place}: {weights.folder}/config.json says no number of layers")
        return depth

    def why_blind(self) -> str | None:
        """Which of this run's models is none for pictures, as a message begins; None where all are."""
        for role in prompted_roles(self):
            why = why_blind(self.weights(role), self.tokenizer(role))
            if why is not None:
                return why
        return None

    def second_path(
        self,
        rows: Mapping[str, Sequence[Sequence[int]]],
        pictures: Mapping[str, Sequence[Pictures]] | None = None,
    ) -> Mapping[str, Sequence[NDArray[np.float32]]]:
        from llmood.engines.models.plain import plain_logprobs

        found: dict[str, Sequence[NDArray[np.float32]]] = {}
        for holder in dict.fromkeys(LocalEngine.holder(self, role) for role in rows):
            own = {role: each for role, each in rows.items() if LocalEngine.holder(self, role) == holder}
            found |= plain_logprobs(
                self.weights(next(iter(own))).folder,
                {role: self.adapters[role].folder for role in own if role in self.adapters},
                own,
                pictures or {},
                dtype=self.dtype(holder),
                device=self.device,
                trust_remote_code=self.config.trust_remote_code,
            )
        return found

    def holder(self, role: str) -> str:
        """The role whose weights have to be loaded for this one."""
        if role == "judge":
            return role
        return "tuned" if role == "tuned" and self._tuned else "base"


def choose_device(wanted: str) -> str:
    """The device that `engine.device` means on this machine.

    Raises:
        ConfigError: it names one that isn't here.
    """
    import torch

    if wanted != "auto":
        if wanted.startswith("cuda") and not torch.cuda.is_available():
            raise ConfigError(
                f"engine.device: {wanted}, and no CUDA device is here", hint="see 'llmood doctor'"
            )
        return wanted
    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"


def need(*packages: str, extra: str = "hf") -> None:
    """Refuse to go on without these packages.

    Raises:
        MissingExtraError: one is not installed.
    """
    for package in packages:
        try:
            version(package)
        except PackageNotFoundError:
            raise MissingExtraError(package, extra) from None
