"""Scorers of the response's own tokens, by hand, through observations as a run makes them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from llmood.engines.observations import Observations
from llmood.engines.observe import Observer
from llmood.engines.store import Store
from llmood.errors import ConfigError
from llmood.measures.token_entropy import entropy_bounds
from llmood.records import FAILED, CaptureSpec
from llmood.scorers.base import scorers
from llmood.scoring import ScorerColumn, score_all
from tests.observing import Captured, Spy, prompts_of, samples_of

Row = Mapping[str, Any]
LN2 = math.log(2)


def column_of(
    name: str,
    answers: Sequence[Row | None],
    attention: Sequence[Row] = (),
    *,
    private: bool = False,
    **arguments: Any,
) -> ScorerColumn:
    """One scorer's scores of samples with such answers; None: their engine failed."""
    scorer = scorers.get(name).make(arguments)
    engine = Spy(batch_tokens=100_000)
    prompts = prompts_of([f"question {number}" for number in range(len(answers))])
    by_prompt = {prompt.token_ids: own for prompt, own in zip(prompts, answers, strict=True)}

    def before(spec: CaptureSpec, requests: Sequence[Any]) -> list[Captured]:
        if spec.kind == "response":
            return [_captured(by_prompt[request.token_ids]) for request in requests]
        known = {
            (*prompt.token_ids, *dict(row or {}).get("token_ids", ())): own
            for prompt, row, own in zip(prompts, answers, attention, strict=True)
        }
        return [Captured(known[request.token_ids]) for request in requests]

    engine.before = before
    observer = Observer(engine, prompts, Store(), private=private)
    for spec in scorer.needs:
        observer.run(spec)
    observed = Observations(samples_of(prompts), observer.index(), observer.store)
    return score_all(observed, {name: scorer})[0]


def _captured(own: Row | None) -> Captured:
    return Captured(status=FAILED, reason="broke") if own is None else Captured(own)


def answer(text: str = "words", **columns: Any) -> Row:
    """An answer of as many tokens as its columns have numbers."""
    length = len(next(iter(columns.values()))) if columns else 1
    row = {
        "text": text,
        "finish": "stop",
        "token_ids": list(range(2, 2 + length)),
        "logprobs": [-1.0] * length,
    }
    return row | columns


def test_the_answer_s_log_probabilities_are_summed_or_averaged() -> None:
    rows = [answer(logprobs=[-0.5, -1.5]), answer(logprobs=[-3.0]), answer(logprobs=[-1.0, None])]
    assert column_of("sequence_probability", rows).values[:2].tolist() == [2.0, 3.0]
    mean = column_of("sequence_probability.mean", rows)
    assert mean.values[:2].tolist() == [1.0, 3.0]
    assert mean.reasons.tolist() == [None, None, "the answer has no log-probabilities"]


def test_entropies_are_averaged_or_their_largest_is_taken() -> None:
    rows = [answer(entropy=[0.5, 1.0, 0.0]), answer(entropy=[2.0])]
    assert column_of("token_entropy", rows).values.tolist() == [0.5, 2.0]
    assert column_of("token_entropy.max", rows).values.tolist() == [1.0, 2.0]


def test_a_part_of_an_answer_has_no_entropy() -> None:
    half = -LN2
    rows = [
        answer(entropy=[0.5, None, 0.5]),
        answer(top_logprobs=[[half, half], []], residual_mass=[0.0, 1.0]),
        answer(entropy=[0.5]),
    ]
    for name in ("token_entropy", "token_entropy.max"):
        assert column_of(name, rows).status.tolist() == ["unscored", "unscored", "ok"]


def test_without_entropies_the_least_that_the_likeliest_tokens_allow() -> None:
    # Two tokens of 1/2 each leave nothing: log 2. One of 1/2 leaves 1/2, at least one more token of as much: log 2 too.
    # One of 1/2 and one of 1/4 leave 1/4, at least one more of 1/4: 1.5 log 2.
    half, quarter = -LN2, -2 * LN2
    rows = [
        answer(top_logprobs=[[half, half], [half, quarter]], residual_mass=[0.0, 0.25]),
        answer(top_logprobs=[[half], [half, quarter]], residual_mass=[0.5, 0.25]),
        answer(top_logprobs=[[half, half]], residual_mass=[0.0], entropy=[0.1]),  # exact wins
    ]
    column = column_of("token_entropy", rows)
    np.testing.assert_allclose(column.values, [1.25 * LN2, 1.25 * LN2, 0.1], rtol=1e-6)
    assert "least that the likeliest tokens allow" in str(column.definition)
    np.testing.assert_allclose(column_of("token_entropy.max", rows).values[:2], [1.5 * LN2] * 2, rtol=1e-6)


def test_a_bound_is_below_the_entropy_and_meets_it_where_all_is_known() -> None:
    logits = np.random.default_rng(2).normal(size=(6, 40)) * 2
    logprobs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    ordered = -np.sort(-logprobs, axis=1)
    exact = -(np.exp(logprobs) * logprobs).sum(axis=1)
    rows, expected = [], []
    for known in (1, 5, 40):
        left = np.clip(1 - np.exp(ordered[:, :known]).sum(axis=1), 0, None)
        rows.append(answer(top_logprobs=ordered[:, :known].tolist(), residual_mass=left.tolist()))
        expected.append(entropy_bounds(ordered[:, :known], left, 40).lower.mean())
    scores = column_of("token_entropy", rows).values
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert scores[0] < scores[1] < scores[2]
    assert scores[2] == pytest.approx(exact.mean(), abs=1e-5)


def test_without_either_there_is_no_entropy() -> None:
    column = column_of("token_entropy", [answer(), answer(entropy=[1.0])])
    assert column.status.tolist() == ["unscored", "ok"]
    assert column.reasons[0] == "the engine gave neither entropies nor the likeliest tokens"


@pytest.mark.parametrize("name", ["self_certainty", "renyi", "fisher_rao"])
def test_the_farther_from_uniform_the_surer(name: str) -> None:
    rows = [
        answer(**{name: [0.5, 0.25]}),
        answer(**{name: [0.0]}),
        answer(**{name: [math.inf, 1.0]}),
        answer(),
    ]
    column = column_of(name, rows)
    assert column.values.tolist()[:2] == [-0.375, 0.0]
    assert column.status.tolist() == ["ok", "ok", "unscored", "unscored"]
    assert "not a finite number" in column.reasons[2]


@pytest.mark.parametrize(
    "name", ["token_entropy", "token_entropy.max", "self_certainty", "renyi", "fisher_rao"]
)
def test_what_cannot_be_scored_says_why_and_the_rest_is_scored(name: str) -> None:
    statistic = "entropy" if name.startswith("token") else name
    rows = [None, answer(" \n", **{statistic: [1.0]}), answer(**{statistic: [1.0, 1.0]})]
    column = column_of(name, rows)
    assert column.status.tolist() == ["failed", "unscored", "ok"]
    assert column.reasons.tolist() == ["broke", "empty answer", None]


def test_where_no_text_is_kept_an_end_token_alone_is_empty() -> None:
    cut = dict(answer(entropy=[1.0])) | {"finish": "length"}
    rows = [answer("", entropy=[1.0]), answer(entropy=[1.0, 2.0]), cut]
    column = column_of("token_entropy", rows, private=True)
    assert column.reasons.tolist() == ["empty answer", None, None]


PAID = {
    "layer": [1, 1, 2, 2],
    "head": [0, 1, 0, 1],
    "statistic": "previous",
    # Layer 1 has a better head 1, layer 2 a better head 0.
    "values": [[0.1, 0.1], [0.5, 0.5], [0.25, 1.0], [0.0, 0.0]],
}


def test_rauq_by_hand() -> None:
    row = answer(logprobs=[math.log(0.5)] * 3)
    # With α = 1/2, c₁ = 1/2, and layer 1 has c₂ = ¼ + ½·½·½ = 3/8, c₃ = ¼ + ½·½·3/8 = 11/32; layer 2 has
    # c₂ = ¼ + ½·¼·½ = 5/16, c₃ = ¼ + ½·1·5/16 = 13/32. The surer layer is the first.
    layers = [
        -(math.log(0.5) + math.log(a) + math.log(b)) / 3 for a, b in ((3 / 8, 11 / 32), (5 / 16, 13 / 32))
    ]
    column = column_of("rauq", [row], [PAID], alpha=0.5)
    np.testing.assert_allclose(column.values, [max(layers)], rtol=1e-6)
    alone = column_of("rauq", [row], [PAID], alpha=1.0)  # each token by itself
    np.testing.assert_allclose(alone.values, [LN2], rtol=1e-6)


def test_rauq_of_one_token_and_of_tokens_without_a_number() -> None:
    one = answer(logprobs=[-0.7])
    unknown = answer(logprobs=[-0.7, None, -1.0])
    column = column_of("rauq", [one, unknown], [PAID | {"values": [[]] * 4}, PAID])
    assert column.values[0] == pytest.approx(0.7)
    assert column.reasons.tolist() == [None, "some tokens have no log-probability"]


@pytest.mark.parametrize("alpha", [-0.1, 1.5])
def test_a_share_outside_its_range_is_refused(alpha: float) -> None:
    with pytest.raises(ConfigError, match="alpha must lie in"):
        scorers.get("rauq").make({"alpha": alpha})
