"""What the fake engine has in place of a model: a tokenizer of bytes, and numbers by hash.

Log-probabilities are hashes of (model, the last few tokens), so they are causal, differ between models, and never
change. A model's name may end in words that it knows, `fake:bank card payment`: their letters get likelier, so that
a "tuned" fake model can tell its domain from others. Tokens are UTF-8 bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from llmood.engines.columns import residual_mass
from llmood.engines.decoding import STATISTICS, NextToken
from llmood.engines.fake_states import DEPTH
from llmood.identity import digest
from llmood.records import Message

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
