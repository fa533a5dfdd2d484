"""The engine on transformers and peft: right on a CPU in float32, the reference for every other engine."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property, partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar

from llmood.engines.attention import ATTENTION, answer_of, attended_layers, captured_attention
from llmood.engines.base import EMBEDDING, BatchedEngine, Captured, Request, batches_by_length, engines
from llmood.engines.columns import (
    answers_of,
    embedding_of,
    logprobs_of,
    moments_of,
    next_token_of,
    without_pictures,
)
from llmood.engines.decoding import Decoding
from llmood.engines.exits import exit_of
from llmood.engines.labels import label_ids
from llmood.engines.layers import exit_layer
from llmood.engines.local import LocalEngine
from llmood.engines.models.memory import give_back_freed_memory
from llmood.engines.requests import ANSWERS
from llmood.engines.shown_batches import Reading, Shown, begin_shown
from llmood.engines.states import HIDDEN_STATES, captured_states
from llmood.errors import ConfigError
from llmood.records import FAILED, CaptureSpec

if TYPE_CHECKING:
    from llmood.engines.models.causal_lm import CausalLM

# Raise it with every change here, in `models/` or in `tokenizer.py` that changes a number: what is stored under an
# older version is made anew.
ENGINE_VERSION = 3
# Measured on two cores (`make bench`): beyond about a thousand tokens, what a layer passes to the next falls out of the
# processor's cache. In half precision that is twice as many, and products want more rows. Decoding has one token a row
# and step, and wants more rows still.
CPU_BATCH_TOKENS = {"float32": 1024, "bfloat16": 2048, "float16": 2048}
CPU_RESPONSE_TOKENS = 4096
ACCELERATOR_BATCH_TOKENS = 16_384
ATTENTION_BATCH_TOKENS = 4096  # maps of a block exist whole for a moment, and grow with a text's square


@engines.register("transformers")
class TransformersEngine(LocalEngine, BatchedEngine):
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
            ("hidden_states", "prompt"),
            ("hidden_states", "response"),
            ("hidden_states", "prompt_response"),
            ("attention", "prompt_response"),
            ("generations", "prompt"),
            ("next_token", "prompt"),
            (EMBEDDING, "prompt"),
        }
    )

    reads_exits: ClassVar[bool] = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._loaded: tuple[str, CausalLM] | None = None
        self._exiting: set[str] = set()  # the roles whose weights will be asked for early exits

    def check(self, spec: CaptureSpec) -> None:
        super().check(spec)
        if spec.kind == EMBEDDING and not self.weights(spec.model).sees:
            raise ConfigError(
                f"scorers: {spec.id} is what a model's eye sees, and models.{spec.model} has none",
                hint="name a model that takes pictures, or another position than eye",
            )
        if exit_of(spec) is not None:
            self._exiting.add(self.holder(spec.model))

    @cached_property  # every capture asks, and to look up what is installed takes milliseconds
    def version(self) -> dict[str, str | int]:
        return {"engine": ENGINE_VERSION, "transformers": version("transformers"), "torch": version("torch")}

    def plan(self, spec: CaptureSpec, requests: Sequence[Request]) -> list[list[int]]:
        lengths = [len(request.token_ids) for request in requests]
        if spec.kind not in ANSWERS:
            return batches_by_length(lengths, self._batch_tokens(spec))
        wanted, limit = _max_new_tokens(spec), self.context_length(spec.model)
        # Where the context cuts an answer short depends on its own prompt alone, so such a prompt has no batch mates.
        roomy = [index for index, length in enumerate(lengths) if length + wanted <= limit]
        draws = int(dict(spec.params).get("n", 1))  # each has its own row
        tokens = [draws * (lengths[index] + wanted) for index in roomy]
        batches = batches_by_length(tokens, self._batch_tokens(spec))
        crowded = [[index] for index, length in enumerate(lengths) if length + wanted > limit]
        return [[roomy[index] for index in batch] for batch in batches] + crowded

    def _batch_tokens(self, spec: CaptureSpec) -> int:
        if self.config.batch_tokens is not None:
            return self.config.batch_tokens
        if self.device != "cpu":
            return ATTENTION_BATCH_TOKENS if spec.kind == ATTENTION else ACCELERATOR_BATCH_TOKENS
        return CPU_RESPONSE_TOKENS if spec.kind in ANSWERS else CPU_BATCH_TOKENS[self.dtype(spec.model)]

    def run(
        self, spec: CaptureSpec, requests: Sequence[Request], *, done: Collection[int] = ()
    ) -> Iterator[list[tuple[int, Captured]]]:
        if self.device == "cpu" or spec.kind in ANSWERS:
            yield from super().run(spec, requests, done=done)
            return
        # An accelerator is given the next batch before this one is read: it doesn't wait for the host.
        begun: list[tuple[list[int], Reading]] = []
        for batch in self.plan(spec, requests):
            missing = [index for index in batch if index not in done]
            if missing:
                begun.append((missing, self._begin(spec, [requests[index] for index in missing])))
            if len(begun) > 1:
                yield _read(*begun.pop(0))
        for each in begun:
            yield _read(*each)

    def capture(self, spec: CaptureSpec, requests: Sequence[Request]) -> list[Captured]:
        return self._begin(spec, requests)()

    def _begin(self, spec: CaptureSpec, requests: Sequence[Request]) -> Reading:
        """Have the device run a batch; what comes back reads it. One too large for its memory is run in halves."""
        import torch

        model = self._model(spec.model)
        try:
            run = partial(self._run, spec, model)
            if any(request.pictures for request in requests):
                return begin_shown(requests, self.tokenizer(spec.model), run)
            return run(requests, None)
        except torch.OutOfMemoryError:
            if len(requests) == 1:
                failed = Captured(
                    status=FAILED, reason="the device has too little memory for this text alone"
                )
                return lambda: [failed]
        half = len(requests) // 2
        first, second = self._begin(spec, requests[:half]), self._begin(spec, requests[half:])
        return lambda: first() + second()

    def refuses_pictures(self) -> str | None:
        return self.why_blind()

    def _run(self, spec: CaptureSpec, model: CausalLM, requests: Sequence[Request], pixels: Shown) -> Reading:
        """Begin a batch that is shown pictures of one shape, or none."""
        if spec.kind == HIDDEN_STATES:
            return self._begin_states(spec, model, requests, pixels)
        if spec.kind == ATTENTION:
            return self._begin_attention(spec, model, requests, pixels)
        rows = [request.token_ids for request in requests]
        adapter = spec.model if spec.model in self.adapters else None
        if spec.kind == EMBEDDING:
            seen = model.seen(pixels or (), adapter=adapter)
            return lambda: [embedding_of(each, len(row)) for each, row in zip(seen(), rows, strict=True)]
        if spec.kind in ANSWERS:
            answers = self._answer(spec, model, requests, adapter, pixels)
            return lambda: answers
        if spec.kind == "next_token":
            return self._next(spec, model, rows, adapter, pixels)
        column_of = logprobs_of
        if exit_of(spec) is not None:
            depth = self.depth(spec.model)
            layer = exit_layer(spec, depth)
            finish = model.exit_logprobs(rows, layer, depth=depth, adapter=adapter, pixels=pixels)
        elif spec.kind == "prompt_moments":
            finish, column_of = model.token_moments(rows, adapter=adapter, pixels=pixels), moments_of
        else:
            finish = model.token_logprobs(rows, adapter=adapter, pixels=pixels)
        return lambda: [
            without_pictures(column_of(values), request.spans)
            for values, request in zip(finish(), requests, strict=True)
        ]

    def _begin_states(
        self, spec: CaptureSpec, model: CausalLM, requests: Sequence[Request], pixels: Shown
    ) -> Reading:
        states = self.states(spec)
        spans = [request.spans for request in requests]
        finish = model.states(
            [request.token_ids for request in requests],
            states.layers,
            [states.ranges(each) for each in spans],
            depth=states.depth,
            adapter=spec.model if spec.model in self.adapters else None,
            pixels=pixels,
        )
        return lambda: [
            captured_states(values, states, own) for values, own in zip(finish(), spans, strict=True)
        ]

    def _begin_attention(
        self, spec: CaptureSpec, model: CausalLM, requests: Sequence[Request], pixels: Shown
    ) -> Reading:
        depth = self.depth(spec.model)
        layers = attended_layers(spec, depth)
        finish = model.attention(
            [request.token_ids for request in requests],
            layers,
            [answer_of(request.spans) for request in requests],
            depth=depth,
            adapter=spec.model if spec.model in self.adapters else None,
            pixels=pixels,
        )
        return lambda: [captured_attention(values, layers) for values in finish()]

    def close(self) -> None:
        self._loaded = None
        gc.collect()
        if self.device.startswith("cuda"):
            import torch

            torch.cuda.empty_cache()
        give_back_freed_memory()

    def _answer(
        self,
        spec: CaptureSpec,
        model: CausalLM,
        requests: Sequence[Request],
        adapter: str | None,
        pixels: Shown,
    ) -> list[Captured]:
        tokenizer = self.tokenizer(spec.model)
        decoding = Decoding.of(spec, tokenizer.end_ids)
        room = self.context_length(spec.model) - max(len(request.token_ids) for request in requests)
        answers = model.answers(
            [request.token_ids for request in requests],
            decoding,
            seeds=[request.seed or 0 for request in requests],
            max_new_tokens=min(_max_new_tokens(spec), room),
            adapter=adapter,
            pixels=pixels,
        )
        return [answers_of(spec, each, decoding, tokenizer) for each in answers]

    def _next(
        self,
        spec: CaptureSpec,
        model: CausalLM,
        rows: Sequence[Sequence[int]],
        adapter: str | None,
        pixels: Shown,
    ) -> Reading:
        labels = label_ids(spec, self.tokenizer(spec.model))
        top = int(dict(spec.params).get("top", 0))
        read = model.next_tokens(rows, alternatives=top, label_ids=labels, adapter=adapter, pixels=pixels)
        return lambda: [next_token_of(each, labels) for each in read()]

    def _model(self, role: str) -> CausalLM:
        """The loaded model that serves a role; another one that is loaded goes first."""
        from llmood.engines.models.causal_lm import CausalLM

        holder = self.holder(role)
        if self._loaded is None or self._loaded[0] != holder:
            self.close()
            model = CausalLM(
                self.weights(role).folder,
                {role: each.folder for role, each in self.adapters.items()} if holder == "base" else {},
                dtype=self.dtype(role),
                device=self.device,
                trust_remote_code=self.config.trust_remote_code,
            )
            self._loaded = (holder, model)
            if holder in self._exiting:
                # Before it reads anything: a model whose norm isn't found has to cost nothing.
                model.find_norm(self.depth(role))
        return self._loaded[1]


def _read(indices: Sequence[int], reading: Reading) -> list[tuple[int, Captured]]:
    return list(zip(indices, reading(), strict=True))


def _max_new_tokens(spec: CaptureSpec) -> int:
    return int(dict(spec.params)["max_new_tokens"])
