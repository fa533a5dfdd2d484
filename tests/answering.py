"""Observed answers and draws with given words and log-probabilities, for tests of the scorers that read both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from llmood.engines.captures import EQUIVALENCE, given_for
from llmood.engines.fake_model import END, FIRST_BYTE, FakeTokenizer
from llmood.engines.observations import Observations
from llmood.engines.observe import Observer
from llmood.engines.store import Store
from llmood.identity import digest
from llmood.judging.equivalence.compare import compare_all
from llmood.progress import Progress
from llmood.records import FAILED, CaptureSpec
from llmood.scorers.base import scorers
from llmood.scoring import ScorerColumn, score_all
from tests.observing import VECTORS, Captured, Spy, prompts_of, samples_of

Floats = Sequence[float] | None


@dataclass(frozen=True)
class Said:
    """An answer: a token a byte, and the end."""

    text: str
    logprobs: Floats = ()
    entropy: Floats = None

    @property
    def columns(self) -> dict[str, Any]:
        ids = [*(byte + FIRST_BYTE for byte in self.text.encode()), END]
        spread = [-0.1] * len(ids) if self.logprobs == () else self.logprobs
        return {
            "text": self.text,
            "token_ids": ids,
            "logprobs": None if spread is None else list(spread),
            "entropy": None if self.entropy is None else list(self.entropy),
            "finish": "stop",
        }


@dataclass
class Inference:
    """A stand-in for an inference model: verdicts by premise and hypothesis, neutral where it knows none."""

    known: dict[tuple[str, str], Sequence[float]] = field(default_factory=dict)
    contradicts: bool = True
    cut: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def identity(self) -> dict[str, Any]:
        return {"engine": "test", "known": str(sorted(self.known.items()))}

    def ask(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        self.asked += pairs
        return np.array([self.known.get(pair, (0.0, 1.0, 0.0)) for pair in pairs], dtype=np.float32)

    def close(self) -> None:
        """It holds nothing."""


Sample = tuple[Said | None, Sequence[Said] | None]
"""The answer and the draws; None: the engine failed."""


def observed(
    samples: Sequence[Sample], needs: Sequence[CaptureSpec], nli: Any = None, judge: Any = None
) -> Observations:
    """What an engine said, and what was compared of it."""
    engine = Spy(batch_tokens=100_000)
    prompts = prompts_of([f"question {number} {digest(repr(own))}" for number, own in enumerate(samples)])
    by_ids = {prompt.token_ids: own for prompt, own in zip(prompts, samples, strict=True)}

    def captured(spec: CaptureSpec, sample: Sample) -> Captured:
        answer, draws = sample
        if spec.kind == "response":
            return Captured(status=FAILED, reason="broke") if answer is None else Captured(answer.columns)
        if draws is None:
            return Captured(status=FAILED, reason="broke")
        return Captured(draws=[each.columns for each in draws])

    engine.before = lambda spec, requests: [captured(spec, by_ids[each.token_ids]) for each in requests]
    observer = Observer(engine, prompts, Store(), private=False)
    for spec in given_for(needs):
        observer.run(spec)
    table, index, store = samples_of(prompts), observer.index(), observer.store
    compared = [spec for spec in needs if spec.kind == EQUIVALENCE]
    further, _ = compare_all(
        compared,
        Observations(table, index, store),
        store,
        nli,
        Progress(),
        judge=judge,
        encoder=VECTORS,
        decoder=lambda role: FakeTokenizer().decode,
    )
    return Observations(table, pa.concat_tables([index, further]), store)


def scored(
    name: str, samples: Sequence[Sample], *, nli: Any = None, equivalence: dict[str, Any] | None = None
) -> ScorerColumn:
    """One scorer's scores of samples that were answered so."""
    longest = max((len(draws) for _, draws in samples if draws is not None), default=1)
    rule = equivalence or ({"rule": "nli", "mode": "strict", "question": False} if nli else {"rule": "exact"})
    settings = {
        "generations": {"n": longest, "seed": 0},
        "response": {"max_new_tokens": 9},
        "equivalence": rule,
    }
    scorer = scorers.get(name).make(**settings)
    return score_all(observed(samples, scorer.needs, nli), {name: scorer})[0]
