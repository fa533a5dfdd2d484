"""Observers over the fake engine, for tests: prompts from texts, and an engine that says what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from llmood.config import EngineConfig, Models
from llmood.engines.base import EMBEDDING, ENCODER, Captured, Request
from llmood.engines.captures import EQUIVALENCE, given_for, shows_shots
from llmood.engines.fake import FakeEngine
from llmood.engines.fake_model import FakeTokenizer
from llmood.engines.observations import Observations
from llmood.engines.observe import Observer
from llmood.engines.prompts import Prompt
from llmood.engines.store import Store
from llmood.identity import digest
from llmood.judging.equivalence.compare import compare_all
from llmood.progress import Progress
from llmood.records import CaptureSpec, Message
from llmood.tables import SAMPLES

BASE = CaptureSpec.of("prompt_logprobs", "base")
TUNED = CaptureSpec.of("prompt_logprobs", "tuned")
RESPONSE = CaptureSpec.of("response", "tuned", max_new_tokens=20)
AFTER = [CaptureSpec.of("prompt_logprobs", "tuned", target) for target in ("response", "prompt_response")]
ALL = [RESPONSE, TUNED, *AFTER, BASE, CaptureSpec.of("prompt_logprobs", "base", "prompt_response")]


def vector_of(text: str, size: int = 8) -> NDArray[np.float32]:
    """A vector of length 1 by hash of a text."""
    found = np.frombuffer(bytes.fromhex(digest(text)), dtype=np.uint8)[:size] - 127.5
    return np.asarray(found / np.linalg.norm(found), dtype=np.float32)


class VectorEncoder:
    """What compares draws by their vectors."""

    identity: ClassVar[dict[str, Any]] = {"engine": "test"}

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([vector_of(text) for text in texts])

    def close(self) -> None:
        """It holds nothing."""


VECTORS: Any = VectorEncoder()


class Spy(FakeEngine):
    """A fake engine that remembers its batches, and has an encoder; `before` may answer or raise in its place."""

    captures = FakeEngine.captures | {(EMBEDDING, "prompt")}

    def __init__(self, **config: Any) -> None:
        super().__init__(
            EngineConfig(**({"batch_tokens": 40} | config)),
            Models.model_validate({"base": "b", "tuned": "t"}),
        )
        self.sent: list[tuple[CaptureSpec, list[tuple[int, ...]]]] = []
        self.before: Callable[[CaptureSpec, Sequence[Request]], list[Captured] | None] = lambda *_: None

    def capture(self, spec: CaptureSpec, requests: Sequence[Request]) -> list[Captured]:
        answer = self.before(spec, requests)
        self.sent.append((spec, [request.token_ids for request in requests]))
        if answer is None and spec.kind == EMBEDDING:
            return [
                Captured({"vector": vector_of(str(each.text)), "tokens": len(each.token_ids)})
                for each in requests
            ]
        return answer or super().capture(spec, requests)

    @property
    def roles(self) -> tuple[str, ...]:
        return (*super().roles, ENCODER)

    def _name(self, role: str) -> str:
        return ENCODER if role == ENCODER else super()._name(role)

    @property
    def loads(self) -> list[str]:
        """The roles in the order in which they ran; one that runs on is loaded once."""
        roles = [spec.model for spec, _ in self.sent]
        return [role for index, role in enumerate(roles) if index == 0 or role != roles[index - 1]]

    def batches(self, spec: CaptureSpec) -> list[list[tuple[int, ...]]]:
        return [rows for sent, rows in self.sent if sent == spec]


def prompts_of(texts: Sequence[str]) -> list[Prompt]:
    ids = FakeTokenizer().encode(texts, rendered=False)
    return [
        Prompt(f"s{index:03}", row, messages=(Message("user", text),))
        for index, (row, text) in enumerate(zip(ids, texts, strict=True))
    ]


def samples_of(prompts: Sequence[Prompt]) -> pa.Table:
    rows = [
        {
            "sample_id": prompt.sample_id,
            "prompt_tokens": len(prompt.token_ids),
            "prompt_hash": digest(prompt.token_ids),
            "prompt": FakeTokenizer().decode(prompt.token_ids),
            "split": "test",
        }
        for prompt in prompts
    ]
    return pa.Table.from_pylist(rows, schema=SAMPLES)


def answered_train() -> list[Prompt]:
    """Rows of `train`, whose answers prompts show."""
    named = prompts_of([f"train question {place}" for place in range(20)])
    return [replace(prompt, sample_id=f"train{prompt.sample_id}", split="train") for prompt in named]


def judge(_: str, answer: str) -> bool:
    """Two of the fake engine's answers are wrong, whatever was asked."""
    return answer not in ("yes", "no")


def observe(
    texts: Sequence[str],
    specs: Sequence[CaptureSpec],
    engine: FakeEngine | None = None,
    *,
    private: bool = False,
) -> tuple[Observer, Observations]:
    """Capture specs of texts and join them."""
    prompts = prompts_of(texts)
    shown = answered_train() if shows_shots(specs) else []
    observer = Observer(
        engine or Spy(),
        [*prompts, *shown],
        Store(),
        private=private,
        judge=judge,
    )
    compared = [spec for spec in specs if spec.kind == EQUIVALENCE]
    for spec in given_for(specs):
        observer.run(spec)
    samples, index, store = samples_of(prompts), observer.index(), observer.store
    further, _ = compare_all(
        compared,
        Observations(samples, index, store),
        store,
        None,
        Progress(),
        encoder=VECTORS,
        decoder=lambda role: FakeTokenizer().decode,
    )
    return observer, Observations(samples, pa.concat_tables([index, further]), store)


def observe_train(
    texts: Sequence[str], labels: Sequence[str | None], specs: Sequence[CaptureSpec] = ()
) -> Observations:
    """Labelled rows of the split `train`, with captures of them; every third answer is wrong."""
    observer, observed = observe(texts, specs)
    rows = observed.samples.to_pylist()
    rows = [row | {"split": "train", "label": label} for row, label in zip(rows, labels, strict=True)]
    verdicts = {row["sample_id"]: place % 3 > 0 for place, row in enumerate(rows)}
    return Observations(pa.Table.from_pylist(rows, schema=SAMPLES), observed._index, observer.store, verdicts)
