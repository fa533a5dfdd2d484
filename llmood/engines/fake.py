"""A deterministic engine without a model: for tests, dry runs and trying a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from llmood.config import Adapter
from llmood.engines.attention import ATTENTION, answer_of, attended_layers, captured_attention
from llmood.engines.base import BatchedEngine, Captured, Request, batches_by_length, engines
from llmood.engines.columns import next_token_of
from llmood.engines.exits import exit_of
from llmood.engines.fake_attention import fake_attention
from llmood.engines.fake_model import CONTEXT, END, LEXICON, SAYINGS, VERSION, FakeModel, FakeTokenizer
from llmood.engines.fake_states import DEPTH, fake_states
from llmood.engines.labels import label_ids
from llmood.engines.layers import exit_layer
from llmood.engines.states import HIDDEN_STATES, captured_states, states_of
from llmood.errors import ConfigError
from llmood.records import CaptureSpec


@engines.register("fake")
class FakeEngine(BatchedEngine):
    """Base and tuned model by hash of their names."""

    kind: ClassVar[str] = "fake"
    has_model: ClassVar[bool] = False
    captures: ClassVar[frozenset[tuple[str, str]]] = frozenset(
        {
            ("prompt_logprobs", "prompt"),
            ("prompt_logprobs", "response"),
            ("prompt_logprobs", "prompt_response"),
            ("prompt_moments", "prompt"),
            ("prompt_moments", "response"),
            ("prompt_moments", "prompt_response"),
            ("response", "prompt"),
            ("generations", "prompt"),
            ("hidden_states", "prompt"),
            ("hidden_states", "response"),
            ("hidden_states", "prompt_response"),
            ("next_token", "prompt"),
            ("attention", "prompt_response"),
        }
    )

    reads_exits: ClassVar[bool] = True

    @property
    def roles(self) -> tuple[str, ...]:
        return tuple(self.models.by_role)

    def identity(self, role: str) -> dict[str, Any]:
        return {"engine": self.kind, "version": VERSION, "model": self._name(role)}

    def describe(self, role: str) -> dict[str, Any]:
        return {"name": self._name(role), "parameters": 0}

    def tokenizer(self, role: str) -> FakeTokenizer:
        return FakeTokenizer()

    def context_length(self, role: str) -> int:
        return min(self.config.max_length or CONTEXT, CONTEXT)

    def depth(self, role: str) -> int:
        return DEPTH

    def check(self, spec: CaptureSpec) -> None:
        if spec.kind == HIDDEN_STATES:
            states_of(spec, DEPTH)
        if spec.kind == ATTENTION:
            attended_layers(spec, DEPTH)
        if exit_of(spec) is not None:
            exit_layer(spec, DEPTH)

    def plan(self, spec: CaptureSpec, requests: Sequence[Request]) -> list[list[int]]:
        return batches_by_length(
            [len(request.token_ids) for request in requests], self.config.batch_tokens or CONTEXT
        )

    def capture(self, spec: CaptureSpec, requests: Sequence[Request]) -> list[Captured]:
        model = FakeModel(self._name(spec.model))
        if spec.kind == "response":
            return [self._respond(model, spec, request) for request in requests]
        if spec.kind == "generations":
            return [self._draw(model, spec, request) for request in requests]
        if spec.kind == "next_token":
            labels = label_ids(spec, FakeTokenizer())
            top = int(dict(spec.params).get("top", 0))
            return [next_token_of(model.next_token(each.token_ids, top, labels), labels) for each in requests]
        if spec.kind == "prompt_moments":
            return [Captured(model.moments(request.token_ids)) for request in requests]
        if spec.kind == HIDDEN_STATES:
            states = states_of(spec, DEPTH)
            return [
                captured_states(
                    fake_states(model.name, each.token_ids, states, each.spans), states, each.spans
                )
                for each in requests
            ]
        if spec.kind == ATTENTION:
            layers = attended_layers(spec, DEPTH)
            return [
                captured_attention(
                    fake_attention(model.name, each.token_ids, layers, answer_of(each.spans)), layers
                )
                for each in requests
            ]
        layer = exit_layer(spec, DEPTH)
        return [Captured({"logprobs": model.exit_logprobs(each.token_ids, layer)}) for each in requests]

    def _respond(
        self, model: FakeModel, spec: CaptureSpec, request: Request, seed: int | None = None
    ) -> Captured:
        # Asked about an answer, it says what models say then, and what they shouldn't.
        _, ids = model.answer(request.token_ids, seed, SAYINGS if spec.is_derived else LEXICON)
        room = min(
            int(dict(spec.params)["max_new_tokens"]), self.context_length(spec.model) - len(request.token_ids)
        )
        kept = ids[:room]
        whole, start = [*request.token_ids, *kept], len(request.token_ids)
        finish = "stop" if kept and kept[-1] == END else "length"
        row = {
            "text": FakeTokenizer().decode(kept),
            "token_ids": kept,
            "logprobs": model.logprobs(whole)[start:],
            "entropy": model.entropies(whole, start),
            "finish": finish,
        }
        if top := int(dict(spec.params).get("top", 0)):
            row |= model.alternatives(whole, start, top)
        if dict(spec.params).get("statistics"):
            row |= model.statistics(whole, start)
        return Captured(row)

    def _draw(self, model: FakeModel, spec: CaptureSpec, request: Request) -> Captured:
        params = dict(spec.params)
        settings = {"temperature": params["temperature"], "top_p": params["top_p"]}
        seeds = [(request.seed or 0) + draw for draw in range(int(params["n"]))]
        answers = [self._respond(model, spec, request, seed).values for seed in seeds]
        return Captured(
            draws=[{**each, **settings, "seed": seed} for each, seed in zip(answers, seeds, strict=True)]
        )

    def _name(self, role: str) -> str:
        model = self.models.by_role.get(role)
        if model is None:
            raise ConfigError(f"models.{role}: is missing")
        return str(model.adapter if isinstance(model, Adapter) else model.model)
