"""Observations with given hidden states, draws and verdicts, for tests of the scorers that learn from states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from llmood.engines.base import Captured, Request
from llmood.engines.captures import EQUIVALENCE, given_for
from llmood.engines.observations import Observations
from llmood.engines.observe import Observer
from llmood.engines.store import Store
from llmood.judging.equivalence.compare import compare_all
from llmood.progress import Progress
from llmood.records import FAILED, CaptureSpec
from llmood.tables import SAMPLES
from tests.answering import Said
from tests.observing import Spy, prompts_of, samples_of

SPLITS = ("train", "validation", "test")


def planted(
    states: NDArray[np.floating],
    needs: Sequence[CaptureSpec],
    *,
    splits: Sequence[str],
    draws: Sequence[Sequence[str]] | None = None,
    correct: Sequence[bool | None] | None = None,
    labels: Sequence[str | None] | None = None,
) -> Observations:
    """Samples whose states are `states` (n, layers, d) at every position; one with NaN in its states has none.

    Args:
        needs: what is captured of all of them: hidden states of layers 0 … L − 1, draws, and comparisons of these.
        splits: of each sample.
        draws: the words of each sample's draws.
        correct: whether each answer is right; None where it isn't known.
    """
    engine = Spy(batch_tokens=100_000)
    prompts = prompts_of([f"question {number:05}" for number in range(len(states))])
    place = {prompt.token_ids: number for number, prompt in enumerate(prompts)}

    def answer(spec: CaptureSpec, requests: Sequence[Request]) -> list[Captured]:
        rows = [place[request.token_ids] for request in requests]
        if spec.kind == "hidden_states":
            return [_captured(states[row], spec) for row in rows]
        if spec.kind == "response":
            return [Captured(Said("an answer").columns) for _ in rows]
        assert draws is not None
        return [Captured(draws=[Said(text).columns for text in draws[row]]) for row in rows]

    engine.before = answer
    observer = Observer(engine, prompts, Store(), private=False)
    for spec in given_for(needs):
        observer.run(spec)
    samples = samples_of(prompts).to_pylist()
    for number, row in enumerate(samples):
        row |= {"split": splits[number], "label": None if labels is None else labels[number]}
    table = pa.Table.from_pylist(samples, schema=SAMPLES)
    index = observer.index()
    compared = [spec for spec in needs if spec.kind == EQUIVALENCE]
    further, _ = compare_all(
        compared, Observations(table, index, observer.store), observer.store, None, Progress()
    )
    verdicts = None
    if correct is not None:
        known = zip(prompts, correct, strict=True)
        verdicts = {prompt.sample_id: right for prompt, right in known if right is not None}
    return Observations(table, pa.concat_tables([index, further]), observer.store, verdicts)


def _captured(states: NDArray[np.floating], spec: CaptureSpec) -> Captured:
    if np.isnan(states).any():
        return Captured(status=FAILED, reason="the model gave a state that is not a number")
    positions = str(dict(spec.params)["positions"]).split(",")
    columns: dict[str, Any] = {
        "layer": list(range(len(states))),
        "position": positions,
        "token_index": [0] * len(positions),
        "depth": len(states) - 1,
        "dim": states.shape[1],
        "dtype": "float32",
    }
    return Captured(columns, states=np.repeat(states.astype(np.float32)[:, None], len(positions), axis=1))
