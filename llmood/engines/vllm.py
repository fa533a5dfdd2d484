"""The engine on vLLM, CUDA and CPU builds alike: base and adapters in one loaded model, a window of requests each."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from llmood.engines.adapter_support import modules_of, rank_of, why_merged
from llmood.engines.base import Captured, Request, engines
from llmood.engines.columns import logprobs_of, without_pictures
from llmood.engines.decoding import needs_logits
from llmood.engines.local import DEFAULT_CONTEXT, LocalEngine
from llmood.engines.requests import ANSWERS
from llmood.engines.scratch import scratch_folder
from llmood.engines.states import HIDDEN_STATES
from llmood.engines.vllm_answers import after_prompts, answered
from llmood.engines.vllm_build import (
    NO_LOGITS,
    check_build,
    check_importable,
    installed_build,
    is_out_of_memory,
    shows_logits,
)
from llmood.engines.vllm_memory import WINDOW_REQUESTS, kv_cache_bytes, request_room, step_tokens, windows
from llmood.engines.vllm_pictures import SEEING_ROOM, WINDOW_PICTURES, check_causal, shown_rows
from llmood.engines.vllm_states import capture_states
from llmood.errors import EngineError, first_line
from llmood.paths import cache_root
from llmood.records import FAILED, CaptureSpec

if TYPE_CHECKING:
    from llmood.engines.models.vllm_model import VllmModel

# Raise it with every change here or in `models/vllm_model.py` that changes a number: what is stored under an older
# version is made anew.
ENGINE_VERSION = 1


@engines.register("vllm")
class VllmEngine(LocalEngine):
    """Base and tuned model through vLLM, in this process; adapters that it can't switch on are merged first."""

    kind: ClassVar[str] = "vllm"
    captures: ClassVar[frozenset[tuple[str, str]]] = frozenset(
        {
            ("prompt_logprobs", "prompt"),
            ("prompt_logprobs", "response"),
            ("prompt_logprobs", "prompt_response"),
            ("response", "prompt"),
            ("generations", "prompt"),
            ("hidden_states", "prompt"),
            ("hidden_states", "response"),
            ("hidden_states", "prompt_response"),
            ("next_token", "prompt"),
        }
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        package, self._vllm = installed_build()
        super().__init__(*args, **kwargs)
        check_build(package, self.device)
        for role in self.roles:
            check_importable(self.weights(role))
        self.shows_logits = shows_logits(self.device)
        self.merged = {
            role: reason
            for role, adapter in self.adapters.items()
            if (reason := why_merged(adapter, self.weights(role))) is not None
        }
        self._loaded: VllmModel | None = None
        self._serves: tuple[str, int] | None = None  # the holder that is loaded, and its longest request
        self._scratch: Path | None = None
        self._window: int | None = None  # the most requests at once, after memory ran out
        self._restarted = False
        self._eager = False  # from the first hidden states on
        self._causal: set[str] = set()  # the holders that were seen not to look ahead

    @property
    def version(self) -> dict[str, str | int]:
        torch, transformers = version("torch"), version("transformers")
        return {
            "engine": ENGINE_VERSION,
            "vllm": self._vllm,
            "transformers": transformers,
            "torch": torch,
        }

    def describe(self, role: str) -> dict[str, Any]:
        return {**super().describe(role), "merged": self.merged.get(role)}

    def context_length(self, role: str) -> int:
        # A prompt that is only scored still makes one token, which has to have its place.
        own = self.weights(role).context_length
        limits = (own - 1 if own is not None else DEFAULT_CONTEXT, self.config.max_length)
        return min(limit for limit in limits if limit is not None)

    def holder(self, role: str) -> str:
        return role if role in self.merged else super().holder(role)

    def lacks(self, spec: CaptureSpec) -> str | None:
        hidden = needs_logits(spec) and not self.shows_logits
        return super().lacks(spec) or (NO_LOGITS if hidden else None)

    def refuses_pictures(self) -> str | None:
        return self.why_blind()

    def run(
        self, spec: CaptureSpec, requests: Sequence[Request], *, done: Collection[int] = ()
    ) -> Iterator[list[tuple[int, Captured]]]:
        wanted = [index for index in range(len(requests)) if index not in done]
        lengths = [len(request.token_ids) for request in requests]
        shown = any(requests[index].pictures for index in wanted)
        for window in windows(lengths, wanted, WINDOW_PICTURES if shown else WINDOW_REQUESTS):
            yield from self._attempt(spec, requests, window)

    def _attempt(
        self, spec: CaptureSpec, requests: Sequence[Request], window: list[int]
    ) -> Iterator[list[tuple[int, Captured]]]:
        """A window, in smaller parts where memory runs out; once after a restart where the engine breaks."""
        while window:
            part = window[: self._window]
            try:
                found = self._capture(spec, [requests[index] for index in part])
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    self._restart(error)
                    continue
                self._recover()
                if len(part) > 1:
                    self._window = len(part) // 2
                    continue
                found = [
                    Captured(status=FAILED, reason="the device has too little memory for this text alone")
                ]
            yield list(zip(part, found, strict=True))
            window = window[len(part) :]

    def _capture(self, spec: CaptureSpec, requests: Sequence[Request]) -> list[Captured]:
        rows = shown_rows(requests, self.tokenizer(spec.model))
        ready = {index: row for index, row in enumerate(rows) if not isinstance(row, Captured)}
        found = iter(
            self._capture_rows(spec, [requests[i] for i in ready], list(ready.values())) if ready else ()
        )
        return [row if isinstance(row, Captured) else next(found) for row in rows]

    def _capture_rows(
        self, spec: CaptureSpec, requests: Sequence[Request], rows: Sequence[Sequence[int]]
    ) -> list[Captured]:
        new = int(
            dict(spec.params).get("max_new_tokens", 1)
        )  # a prompt that is only scored makes one token too
        if spec.kind == HIDDEN_STATES and not self._eager:
            self._eager = True
            if self.device != "cpu":  # where it is eager anyway
                self._unload()
        model = self._model(spec.model, max(len(row) for row in rows) + new)
        if self.holder(spec.model) not in self._causal and check_causal(model, rows):
            self._causal.add(self.holder(spec.model))
        adapters = [spec.model if spec.model in model.loading.adapters else None] * len(rows)
        if spec.kind == HIDDEN_STATES:
            return capture_states(model, self.states(spec), requests, rows, adapters)
        tokenizer = self.tokenizer(spec.model)
        if spec.kind in ANSWERS:
            context = self.context_length(spec.model)
            return answered(spec, model, requests, rows, adapters, tokenizer, context=context)
        if spec.kind == "next_token":
            return after_prompts(spec, model, rows, adapters, tokenizer, self.shows_logits)
        return [
            Captured(status=FAILED, reason=values)
            if isinstance(values, str)
            else without_pictures(logprobs_of(values), request.spans)
            for values, request in zip(model.token_logprobs(rows, adapters), requests, strict=True)
        ]

    def _model(self, role: str, tokens: int) -> VllmModel:
        """The loaded model that serves a role and has room for so many tokens a request; another one goes first."""
        holder = self.holder(role)
        if self._loaded is not None and self._serves is not None and not self._loaded.closed:
            served, room = self._serves
            if served == holder and tokens <= room:
                return self._loaded
            if served == holder:
                tokens = max(tokens, room)
        self._unload()
        weights = self.weights(role)
        room = request_room(max(tokens, SEEING_ROOM) if weights.sees else tokens, weights.context_length)
        self._loaded = self._load(role, holder, room)
        self._serves = (holder, room)
        refused = self._loaded.add_adapters()
        if refused:
            self.merged |= refused
            return self._model(role, tokens)
        return self._loaded

    def _load(self, role: str, holder: str, room: int) -> VllmModel:
        from llmood.engines.models.vllm_model import Loading, VllmModel, prepare

        prepare(self.device)
        weights = self.weights(role)
        adapters = {
            name: adapter
            for name, adapter in self.adapters.items()
            if holder == "base" and name not in self.merged
        }
        folder = self._merged_folder(role) if role in self.merged else weights.folder
        steps = step_tokens(
            self.config.batch_tokens, room, weights.vocabulary_size, on_cpu=self.device == "cpu"
        )
        loading = Loading(
            folder=folder,
            adapters={name: adapter.folder for name, adapter in adapters.items()},
            modules=tuple(sorted(set().union(*(modules_of(adapter) for adapter in adapters.values())))),
            rank=max((rank_of(adapter) for adapter in adapters.values()), default=1),
            dtype=self.dtype(role),
            device=self.device.split(":")[0],
            max_tokens=room,
            step_tokens=steps,
            kv_cache_bytes=kv_cache_bytes(weights.config, room, self.dtype(role))
            if self.device == "cpu"
            else None,
            memory_share=self.config.gpu_memory_share,
            trust_remote_code=self.config.trust_remote_code,
            eager=self._eager,
            sees=weights.sees,
        )
        return VllmModel(loading)

    def _merged_folder(self, role: str) -> Path:
        from llmood.engines.models.merging import merge

        if self._scratch is None:
            self._scratch = scratch_folder(cache_root())
        into = self._scratch / role.replace(":", "-")
        if not into.is_dir():
            merge(
                self.weights(role).folder,
                self.adapters[role].folder,
                into,
                dtype=self.dtype(role),
                trust_remote_code=self.config.trust_remote_code,
            )
        return into

    def _restart(self, error: RuntimeError) -> None:
        first = first_line(error)
        if self._restarted:
            raise EngineError(
                f"vLLM broke down twice: {first}", hint="what is finished is kept; run it again"
            ) from error
        self._restarted = True
        self._unload()

    def _recover(self) -> None:
        if self._loaded is not None:
            self._loaded.recover()

    def _unload(self) -> None:
        model, self._loaded, self._serves = self._loaded, None, None
        if model is not None:
            model.close()

    def close(self) -> None:
        self._unload()
        if self._scratch is not None:
            shutil.rmtree(self._scratch)
            self._scratch = None
