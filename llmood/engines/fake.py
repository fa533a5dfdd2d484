"""A deterministic engine without a model: for tests, dry runs and trying a configuration.

Log-probabilities are hashes of (model, the last few tokens), so they are causal, differ between models, and never
change. A model's name may end in words that it knows, `fake:bank card payment`: their letters get likelier, so that
a "tuned" fake model can tell its domain from others. Tokens are UTF-8 bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from llmood.config import Adapter
from llmood.engines.attention import ATTENTION, answer_of, attended_layers, captured_attention
from llmood.engines.base import BatchedEngine, Captured, Request, batches_by_length, engines
from llmood.engines.columns import next_token_of, residual_mass
from llmood.engines.decoding import STATISTICS, NextToken
from llmood.engines.exits import exit_of
from llmood.engines.fake_attention import fake_attention
from llmood.engines.fake_states import DEPTH, fake_states
from llmood.engines.labels import label_ids
from llmood.engines.layers import exit_layer
from llmood.engines.states import HIDDEN_STATES, captured_states, states_of
from llmood.errors import ConfigError
from llmood.identity import digest
from llmood.records import CaptureSpec, Message

BEGIN, END, FIRST_BYTE = 0, 1, 2
VERSION = "2"
CONTEXT = 4096
WINDOW = 4  # tokens that a log-probability depends on
SAYINGS = (
    "Confidence: 85%",
    "30",
    "yes",
    "G1: no\nP1: 0.9\nConfidence: 70%",
    "No.",
    "I can't say",
    "120",
    "G1: seven\nP1: 0.4\nConfidence: 0.2",
)
LEXICON = ("yes", "no", "seven", "the red one", "nobody knows", "a small town", "", "twelve")


class FakeTokenizer:
    """UTF-8 bytes behind a begin token."""

    identity = digest(["fake", VERSION])
    has_chat_template = True
    prefix_ids: tuple[int, ...] = (BEGIN,)
    end_ids = frozenset({END})

    def render(self, messages: Sequence[Message]) -> str:
        return "".join(f"[{message.role}] {message.content}\n" for message in messages) + "[assistant] "

    def encode(self, texts: Sequence[str], *, rendered: bool) -> list[tuple[int, ...]]:
        return [(BEGIN, *(byte + FIRST_BYTE for byte in text.encode("utf-8", "replace"))) for text in texts]

    def decode(self, ids: Sequence[int]) -> str:
        return bytes(token - FIRST_BYTE for token in ids if token >= FIRST_BYTE).decode("utf-8", "replace")


class FakeModel:
    """Log-probabilities and answers by hash of a name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.known = tuple(word for word in re.split(r"[\s,]+", name.partition(":")[2].lower()) if word)

    def logprobs(self, ids: Sequence[int]) -> list[float | None]:
        """One a token; the first has none."""
        letters = bytes(max(token - FIRST_BYTE, 0) for token in ids).lower()
        familiar = self._familiar(letters)
        return [None] + [self._one(ids, i) * (0.25 if familiar[i] else 1.0) for i in range(1, len(ids))]

    def exit_logprobs(self, ids: Sequence[int], layer: int) -> list[float | None]:
        """The same read off a layer: the last one is the model, those below know no words."""
        if layer == DEPTH:
            return self.logprobs(ids)
        lower = FakeModel(f"{self.name}|exit {layer}")
        return [None] + [lower._one(ids, place) for place in range(1, len(ids))]

    def moments(self, ids: Sequence[int]) -> dict[str, list[float | None]]:
        """Mean and standard deviation of log p over the vocabulary, as if there were one; they never see the token."""
        before = [ids[max(0, position - WINDOW) : position] for position in range(1, len(ids))]
        mean = [-(0.5 + 4.0 * self._hash("mean", window) / 2**64) for window in before]
        std = [0.5 + 2.0 * self._hash("std", window) / 2**64 for window in before]
        return {"logprob_mean": [None, *mean], "logprob_std": [None, *std]}

    def answer(
        self, ids: Sequence[int], seed: int | None = None, lexicon: Sequence[str] = LEXICON
    ) -> tuple[str, list[int]]:
        """The greedy answer, or the one that is drawn with a seed, and its ids, the end token with them."""
        purpose = "answer" if seed is None else f"draw {seed}"
        text = lexicon[self._hash(purpose, ids) % len(lexicon)]
        return text, [byte + FIRST_BYTE for byte in text.encode()] + [END]

    def next_token(self, ids: Sequence[int], top: int, labels: Sequence[int]) -> NextToken:
        """The distribution after ids, over the end and all bytes."""
        generator = np.random.default_rng(self._hash("next", ids[-WINDOW:]))
        logits = generator.normal(scale=2.0, size=FIRST_BYTE + 256)
        logprobs = logits - np.log(np.exp(logits).sum())
        order = np.argsort(-logprobs)[:top]
        entropy = -float((np.exp(logprobs) * logprobs).sum())
        return NextToken(order.tolist(), logprobs[order].tolist(), entropy, logits[list(labels)].tolist())

    def entropies(self, ids: Sequence[int], start: int) -> list[float]:
        """One for each token from `start` on; it never sees the token."""
        before = [ids[max(0, position - WINDOW) : position] for position in range(start, len(ids))]
        return [4.0 * self._hash("entropy", window) / 2**64 for window in before]

    def alternatives(self, ids: Sequence[int], start: int, top: int) -> dict[str, list[Any]]:
        """The likeliest tokens in the place of each token from `start` on."""
        found = [self.next_token(ids[:position], top, ()) for position in range(start, len(ids))]
        return {
            "top_ids": [list(each.top_ids) for each in found],
            "top_logprobs": [list(each.top_logprobs) for each in found],
            "residual_mass": [residual_mass(each.top_logprobs) for each in found],
        }

    def statistics(self, ids: Sequence[int], start: int) -> dict[str, list[float]]:
        """`STATISTICS` for each token from `start` on, as if there were a vocabulary."""
        before = [ids[max(0, position - WINDOW) : position] for position in range(start, len(ids))]
        return {name: [self._hash(name, window) / 2**64 for window in before] for name in STATISTICS}

    def _one(self, ids: Sequence[int], position: int) -> float:
        share = self._hash("token", ids[max(0, position + 1 - WINDOW) : position + 1]) / 2**64
        return -(0.05 + 4.0 * share)

    def _familiar(self, letters: bytes) -> list[bool]:
        # A letter is familiar when the word so far begins a known word: only what stands before it counts.
        inside, word = [], b""
        for letter in letters:
            word = word + bytes([letter]) if chr(letter).isalnum() else b""
            inside.append(len(word) > 1 and any(known.encode().startswith(word) for known in self.known))
        return inside

    def _hash(self, purpose: str, ids: Sequence[int]) -> int:
        text = f"{self.name}|{purpose}|{','.join(map(str, ids))}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


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
