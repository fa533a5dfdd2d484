"""Comparing draws: observations of clusters and matrices, with reasons where there are none, made once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from llmood.engines.observations import Observations
from llmood.engines.observe import Observer
from llmood.engines.store import Store
from llmood.judging.equivalence.compare import ALL_PAIRS, Count, compare_answers
from llmood.judging.equivalence.rules import AnswerPair, ExactRule
from llmood.progress import Progress
from llmood.records import FAILED, CaptureSpec
from tests.observing import Captured, Request, Spy, prompts_of, samples_of

DRAWN = CaptureSpec.of("generations", "tuned", n=4, temperature=1.0, top_p=1.0, max_new_tokens=20, seed=0)


def comparison(pairs: str = "openers") -> CaptureSpec:
    return CaptureSpec.of("equivalence", "tuned", **dict(DRAWN.params), rule="exact", pairs=pairs)


def drawing(answers: Sequence[Sequence[str] | None]) -> Observations:
    """Observed draws of so many prompts; None: their engine failed."""
    engine = Spy(batch_tokens=100_000)
    prompts = prompts_of([f"question {number}" for number in range(len(answers))])
    by_ids = {prompt.token_ids: own for prompt, own in zip(prompts, answers, strict=True)}

    def answer(spec: CaptureSpec, requests: Sequence[Request]) -> list[Captured]:
        found = []
        for request in requests:
            own = by_ids[request.token_ids]
            if own is None:
                found.append(Captured(status=FAILED, reason="broke"))
                continue
            draws = [{"text": text, "token_ids": [], "logprobs": [], "finish": "stop"} for text in own]
            found.append(Captured(draws=draws))
        return found

    engine.before = answer
    observer = Observer(engine, prompts, Store(), private=False)
    observer.run(DRAWN)
    return Observations(samples_of(prompts), observer.index(), observer.store)


class Asked(ExactRule):
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.pairs: list[AnswerPair] = []

    def same(self, pairs: Sequence[AnswerPair]) -> Sequence[bool]:
        self.pairs += pairs
        return super().same(pairs)


def compared(
    observed: Observations, spec: CaptureSpec, rule: ExactRule | None = None
) -> tuple[list[dict[str, Any]], Count]:
    """Each sample's observation in the samples' order, and what it took."""
    store = Store()
    index, count = compare_answers(spec, rule or ExactRule(), observed, store, Progress())
    joined = Observations(observed.samples, index, store)
    rows: list[dict[str, Any]] = [{}] * observed.samples.num_rows
    for block in joined.blocks([spec]):
        for position, row in zip(block.positions, block[spec].to_pylist(), strict=True):
            rows[position] = row
    return rows, count


def test_draws_that_say_the_same_are_in_one_cluster_and_empty_ones_in_none() -> None:
    observed = drawing([["Red.", "the red", "", "blue"], ["x", "x", "x", "x"]])
    rows, count = compared(observed, comparison())
    assert [row["cluster"] for row in rows] == [[0, 0, None, 1], [0, 0, 0, 0]]
    # Two different texts against the first of three; four that are one text ask nothing.
    assert (count.samples, count.pairs, count.compared) == (2, 24, 2)


def test_a_sample_without_answers_to_compare_says_why() -> None:
    rows, _ = compared(drawing([None, ["", " ", "", ""], ["a", "b", "a", "b"]]), comparison())
    assert [(row["status"], row["reason"]) for row in rows] == [
        ("failed", "broke"),
        ("unscored", "every draw is empty"),
        ("ok", None),
    ]


def test_all_pairs_make_matrices_of_draws() -> None:
    (row,), _ = compared(drawing([["a", "b", "a", ""]]), comparison(ALL_PAIRS))
    same = np.array([[1, 0, 1, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]])
    assert np.array_equal(np.array(row["entailment"]).reshape(4, 4), same)
    other = np.array([[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]])
    assert np.array_equal(np.array(row["contradiction"]).reshape(4, 4), other)


def test_what_was_compared_is_not_compared_again() -> None:
    observed, rule = drawing([["a", "b", "c", "c"], ["a", "b", "c", "c"]]), Asked()
    first, _ = compared(observed, comparison(), rule)
    asked = len(rule.pairs)
    again, count = compared(observed, comparison(), rule)
    assert (again, count.compared, len(rule.pairs)) == (first, 0, asked)


def test_the_question_is_the_last_turn() -> None:
    observed, rule = drawing([["a", "b", "b", "b"]]), Asked()
    messages = '[{"role": "user", "content": [{"type": "text", "text": "What?"}]}]'
    samples = observed.samples.set_column(
        observed.samples.schema.get_field_index("messages"), "messages", pa.array([messages], pa.string())
    )
    compare_answers(
        comparison(),
        rule,
        Observations(samples, observed._index, Store()),
        Store(),
        Progress(),
    )
    assert rule.pairs == [AnswerPair("What?", "a", "b")]
