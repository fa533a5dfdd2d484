"""The engine on transformers and peft: right on a CPU in float32, the reference for every other engine."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from llmood.config import Adapter, FullModel
from llmood.engines.base import Captured, Engine, Request, batches_by_length, engines
from llmood.engines.columns import logprobs_of, moments_of, response_of
from llmood.engines.folders import ModelFolder, check_adapter, resolve_adapter, resolve_model
from llmood.engines.tokenizer import FolderTokenizer, tokenizer_files
from llmood.errors import ConfigError, MissingExtraError
from llmood.records import FAILED, CaptureSpec

if TYPE_CHECKING:
    from llmood.engines.models.causal_lm import CausalLM

# Raise it with every change here, in `models/` or in `tokenizer.py` that changes a number: what is stored under an
# older version is made anew.
ENGINE_VERSION = 1
DEFAULT_CONTEXT = 1_000_000  # a model that names no limit (a state-space model) has none of its own
# Measured on two cores (`make bench`): beyond about a thousand tokens, what a layer passes to the next falls out of the
# processor's cache. Decoding has one token a row and step, and wants more rows.
BATCH_TOKENS = {
    ("cpu", "prompt_logprobs"): 1024,
    ("cpu", "prompt_moments"): 1024,
    ("cpu", "response"): 4096,
}
ACCELERATOR_BATCH_TOKENS = 16_384


@engines.register("transformers")
class TransformersEngine(Engine):
    """Base and tuned model through transformers; an adapter is switched on one loaded base."""

    kind: ClassVar[str] = "transformers"
    captures: ClassVar[frozenset[tuple[str, str]]] = frozenset(
        {
            ("prompt_logprobs", "prompt"),
            ("prompt_logprobs", "response"),
            ("prompt_logprobs", "prompt_response"),
            ("prompt_moments", "prompt"),
            ("prompt_moments", "response"),
            ("prompt_moments", "prompt_response"),
            ("response", "prompt"),
        }
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _need("torch", "transformers")
        self._base: ModelFolder | None = None
        self._tuned: ModelFolder | None = None
        self._adapters: dict[str, ModelFolder] = {}  # by role
        if self.models.base is not None:
            self._base = self._resolve(self.models.base, "models.base")
        for role, model in self.models.by_role.items():
            if isinstance(model, Adapter):
                self._attach(role, model)
            elif role == "tuned":
                self._tuned = self._resolve(model, "models.tuned")
        self._tokenizers: dict[str, FolderTokenizer] = {}
        self._loaded: tuple[str, CausalLM] | None = None
        self.device = _device(self.config.device)

    def _resolve(self, model: FullModel, place: str) -> ModelFolder:
        code = self.config.trust_remote_code
        return resolve_model(model, place=place, relative_to=self.folder, code=code)

    def _attach(self, role: str, tuned: Adapter) -> None:
        if self._base is None:
            raise ConfigError("models.base: is missing, and models.tuned is an adapter on it")
        _need("peft")
        place = f"models.{role.replace(':', '.')}.adapter"
        self._adapters[role] = resolve_adapter(tuned, place=place, relative_to=self.folder)
        check_adapter(self._adapters[role], self._base)

    @property
    def roles(self) -> tuple[str, ...]:
        return tuple(self.models.by_role)

    def identity(self, role: str) -> dict[str, Any]:
        adapter = self._adapters.get(role)
        packages = ("transformers", "torch", "peft") if adapter else ("transformers", "torch")
        return {
            "engine": self.kind,
            "version": {"engine": ENGINE_VERSION, **{name: version(name) for name in packages}},
            "weights": self._weights(role).digest,
            "adapter": adapter.digest if adapter else None,
            "dtype": self.dtype(role),
            "device": self.device.split(":")[0],
            "trust_remote_code": self.config.trust_remote_code,
        }

    def describe(self, role: str) -> dict[str, Any]:
        weights = self._weights(role)
        adapter = self._adapters.get(role)
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
            weights = self._weights(role)
            adapter = self._adapters.get(role)
            folder = adapter.folder if adapter and tokenizer_files(adapter.folder) else weights.folder
            self._tokenizers[role] = FolderTokenizer(
                folder,
                weights.folder,
                place=f"models.{role}",
                trust_remote_code=self.config.trust_remote_code,
            )
        return self._tokenizers[role]

    def context_length(self, role: str) -> int:
        limits = (self._weights(role).context_length, self.config.max_length)
        return min((limit for limit in limits if limit is not None), default=DEFAULT_CONTEXT)

    def vocabulary_size(self, role: str) -> int | None:
        return self._weights(role).vocabulary_size

    def dtype(self, role: str) -> str:
        """Float32 on a CPU, whatever the checkpoint; the checkpoint's own on an accelerator."""
        if self.config.dtype != "auto":
            return self.config.dtype
        if self.device == "cpu":
            return "float32"
        config = self._weights(role).config
        stored = str(config.get("dtype") or config.get("torch_dtype") or "float32")
        return "bfloat16" if stored in ("bfloat16", "float16") else "float32"

    def plan(self, spec: CaptureSpec, requests: Sequence[Request]) -> list[list[int]]:
        lengths = [len(request.token_ids) for request in requests]
        if spec.kind != "response":
            return batches_by_length(lengths, self._batch_tokens(spec))
        wanted, limit = _max_new_tokens(spec), self.context_length(spec.model)
        # Where the context cuts an answer short depends on its own prompt alone, so such a prompt has no batch mates.
        roomy = [index for index, length in enumerate(lengths) if length + wanted <= limit]
        batches = batches_by_length([lengths[index] + wanted for index in roomy], self._batch_tokens(spec))
        crowded = [[index] for index, length in enumerate(lengths) if length + wanted > limit]
        return [[roomy[index] for index in batch] for batch in batches] + crowded

    def _batch_tokens(self, spec: CaptureSpec) -> int:
        if self.config.batch_tokens is not None:
            return self.config.batch_tokens
        return BATCH_TOKENS.get((self.device, spec.kind), ACCELERATOR_BATCH_TOKENS)

    def capture(self, spec: CaptureSpec, requests: Sequence[Request]) -> list[Captured]:
        import torch

        model = self._model(spec.model)
        try:
            return self._run(spec, model, [request.token_ids for request in requests])
        except torch.OutOfMemoryError:
            if len(requests) == 1:
                return [
                    Captured(status=FAILED, reason="the device has too little memory for this text alone")
                ]
        half = len(requests) // 2
        return self.capture(spec, requests[:half]) + self.capture(spec, requests[half:])

    def _run(self, spec: CaptureSpec, model: CausalLM, rows: Sequence[Sequence[int]]) -> list[Captured]:
        adapter = spec.model if spec.model in self._adapters else None
        if spec.kind == "response":
            return self._respond(spec, model, rows, adapter)
        if spec.kind == "prompt_moments":
            return [moments_of(values) for values in model.token_moments(rows, adapter=adapter)]
        return [logprobs_of(values) for values in model.token_logprobs(rows, adapter=adapter)]

    def close(self) -> None:
        self._loaded = None
        gc.collect()
        if self.device.startswith("cuda"):
            import torch

            torch.cuda.empty_cache()

    def _respond(
        self, spec: CaptureSpec, model: CausalLM, rows: Sequence[Sequence[int]], adapter: str | None
    ) -> list[Captured]:
        tokenizer = self.tokenizer(spec.model)
        room = self.context_length(spec.model) - max(len(row) for row in rows)
        answers = model.greedy(
            rows,
            max_new_tokens=min(_max_new_tokens(spec), room),
            end_ids=sorted(tokenizer.end_ids),
            adapter=adapter,
        )
        return [response_of(ids, logprobs, tokenizer) for ids, logprobs in answers]

    def _weights(self, role: str) -> ModelFolder:
        weights = self._tuned if role == "tuned" and self._tuned else self._base
        if weights is None or role not in self.roles:
            raise ConfigError(f"models.{role}: is missing")
        return weights

    def _model(self, role: str) -> CausalLM:
        """The loaded model that serves a role; another one that is loaded goes first."""
        from llmood.engines.models.causal_lm import CausalLM

        holder = "tuned" if role == "tuned" and self._tuned else "base"
        if self._loaded is None or self._loaded[0] != holder:
            self.close()
            model = CausalLM(
                self._weights(role).folder,
                {role: each.folder for role, each in self._adapters.items()} if holder == "base" else {},
                dtype=self.dtype(role),
                device=self.device,
                trust_remote_code=self.config.trust_remote_code,
            )
            self._loaded = (holder, model)
        return self._loaded[1]


def _max_new_tokens(spec: CaptureSpec) -> int:
    return int(dict(spec.params)["max_new_tokens"])


def _device(wanted: str) -> str:
    import torch

    if wanted != "auto":
        if wanted.startswith("cuda") and not torch.cuda.is_available():
            raise ConfigError(
                f"engine.device: {wanted}, and no CUDA device is here", hint="see 'llmood doctor'"
            )
        return wanted
    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"


def _need(*packages: str) -> None:
    for package in packages:
        try:
            version(package)
        except PackageNotFoundError:
            raise MissingExtraError(package, "hf") from None
