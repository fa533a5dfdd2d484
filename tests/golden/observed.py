"""Recorded answers as observations, and registered scorers' scores of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from llmood.engines.observations import Block, Observations
from llmood.engines.observe import Observer
from llmood.engines.store import Store
from llmood.judging.equivalence.compare import compare_all
from llmood.progress import Progress
from llmood.records import CaptureSpec
from llmood.scorers.base import scorers
from llmood.scoring import score_all
from llmood.tables import CAPTURE_SCHEMAS
from tests.golden.recorded import Question
from tests.observing import Captured, Spy, prompts_of, samples_of

NLI = {"rule": "nli", "mode": "strict", "question": True}


def scores_of_draws(name: str, questions: Sequence[Question]) -> NDArray[np.float64]:
    """A scorer's scores of the draws, compared by what was recorded of each pair."""
    generations = {"n": len(questions[0]["draws"]), "seed": 0}
    scorer = scorers.get(name).make({}, generations=generations, equivalence=NLI)
    engine = Spy(batch_tokens=100_000)
    asked = [f"question {number}" for number in range(len(questions))]
    prompts = prompts_of(asked)
    by_ids = {prompt.token_ids: each for prompt, each in zip(prompts, questions, strict=True)}
    engine.before = lambda spec, requests: [_drawn(by_ids[request.token_ids]) for request in requests]
    observer = Observer(engine, prompts, Store(), private=False)
    observer.run(CaptureSpec.of("generations", "tuned", **generations))
    samples, index, store = samples_of(prompts), observer.index(), observer.store
    specs = [spec for spec in scorer.needs if spec.kind == "equivalence"]
    reader = Reader(asked, questions)
    further, _ = compare_all(specs, Observations(samples, index, store), store, reader, Progress())
    observed = Observations(samples, pa.concat_tables([index, further]), store)
    return score_all(observed, {name: scorer})[0].values


def scores_of_answers(name: str, questions: Sequence[Question]) -> NDArray[np.float64]:
    """A scorer's scores of the log-probabilities of the greedy answers, behind a prompt of two tokens."""
    scorer = scorers.get(name).make()
    (spec,) = scorer.needs
    spans = [{"name": "prompt", "start": 0, "end": 2}, {"name": "response", "start": 2, "end": 99}]
    rows = [
        {
            "key": "k",
            "status": "ok",
            "spans": spans,
            "logprobs": [None, -1.0, *each["greedy"]["logprobs"]],
        }
        for each in questions
    ]
    table = pa.Table.from_pylist(rows, schema=CAPTURE_SCHEMAS[spec.kind])
    samples = pa.table({"sample_id": [str(row) for row in range(len(rows))]})
    return scorer.score(Block(np.arange(len(rows)), samples, {spec: table})).values


class Reader:
    """A model that reads pairs of texts and says what was recorded."""

    identity: Mapping[str, Any] = {"engine": "recorded"}
    contradicts = True
    cut = 0

    def __init__(self, asked: Sequence[str], questions: Sequence[Question]) -> None:
        self._known: dict[tuple[str, str], NDArray[np.float32]] = {}
        for prompt, each in zip(asked, questions, strict=True):
            texts = [f"{prompt} {draw['text']}" for draw in each["draws"]]
            for one, first in enumerate(texts):
                for other, second in enumerate(texts):
                    against, follows = each["contradiction"][one][other], each["entailment"][one][other]
                    verdict = np.array([against, 1 - against - follows, follows], np.float32)
                    self._known[first, second] = verdict

    def ask(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        return np.array([self._known[pair] for pair in pairs], np.float32)

    def close(self) -> None:
        pass


def _drawn(question: Question) -> Captured:
    number = {text: at for at, text in enumerate(dict.fromkeys(draw["text"] for draw in question["draws"]))}
    return Captured(
        draws=[
            {
                "text": draw["text"],
                "token_ids": [100 * number[draw["text"]] + at for at in range(len(draw["logprobs"]))],
                "logprobs": draw["logprobs"],
                "finish": "stop",
            }
            for draw in question["draws"]
        ]
    )
