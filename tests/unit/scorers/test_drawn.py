"""Scorers of several draws, by hand, through observations as a run makes them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from llmood.engines.fake_model import FakeTokenizer
from llmood.engines.observations import Observations
from llmood.engines.observe import Observer
from llmood.engines.store import Store
from llmood.errors import ConfigError
from llmood.judging.equivalence.compare import compare_all
from llmood.progress import Progress
from llmood.records import FAILED, CaptureSpec
from llmood.scorers.base import Scorer, scorers
from llmood.scoring import ScorerColumn, score_all
from tests.observing import VECTORS, Captured, Spy, prompts_of, samples_of, vector_of

Answer = tuple[str, Sequence[float] | None]
"""A draw's words and its tokens' log-probabilities."""
HALF, QUARTER = math.log(0.5), math.log(0.25)
READS = {name: {spec.kind for spec in entry.make().needs} for name, entry in scorers}
# What reads the given answer too is looked at in test_answered.py.
NAMES = [name for name, kinds in READS.items() if "generations" in kinds and "response" not in kinds]


def column_of(
    name: str, samples: Sequence[Sequence[Answer] | None], *, private: bool = False, **arguments: Any
) -> ScorerColumn:
    """One scorer's scores of samples with such draws; None: their engine failed."""
    longest = max((len(own) for own in samples if own is not None), default=1)
    scorer = scorers.get(name).make(arguments, generations={"n": longest, "seed": 0})
    engine = Spy(batch_tokens=100_000)
    prompts = prompts_of([f"question {number}" for number in range(len(samples))])
    by_ids = {prompt.token_ids: own for prompt, own in zip(prompts, samples, strict=True)}
    engine.before = lambda spec, requests: [_captured(by_ids[request.token_ids]) for request in requests]
    observer = Observer(engine, prompts, Store(), private=private)
    observer.run(CaptureSpec.of("generations", "tuned", n=longest, seed=0))
    return score_all(_compared(observer, prompts, scorer), {name: scorer})[0]


def _captured(own: Sequence[Answer] | None) -> Captured:
    if own is None:
        return Captured(status=FAILED, reason="broke")
    return Captured(
        draws=[
            {
                "text": text,
                "token_ids": list(range(len(logprobs or ()))),
                "logprobs": logprobs,
                "finish": "stop",
            }
            for text, logprobs in own
        ]
    )


def _compared(observer: Observer, prompts: Sequence[Any], scorer: Scorer) -> Observations:
    samples, index, store = samples_of(prompts), observer.index(), observer.store
    specs = [spec for spec in scorer.needs if spec.kind == "equivalence"]
    further, _ = compare_all(
        specs,
        Observations(samples, index, store),
        store,
        None,
        Progress(),
        encoder=VECTORS,
        decoder=lambda role: FakeTokenizer().decode,
    )
    return Observations(samples, pa.concat_tables([index, further]), store)


A: Answer = ("red", [HALF])
B: Answer = ("blue", [QUARTER])
C: Answer = ("green", [QUARTER])
HAND: Mapping[str, tuple[float, float, float]] = {
    # All four the same; two and two; four that differ, one of them twice as likely.
    "semantic_entropy.discrete": (0.0, math.log(2), 1.5 * math.log(2)),
    # Shares of the likelihood: {1/2, 1/2} : {1/4, 1/4} are 2/3 and 1/3; 2 · 1/2, 1/4, 1/4 are 2/3, 1/6, 1/6.
    "semantic_entropy": (
        0.0,
        -(2 / 3) * math.log(2 / 3) - (1 / 3) * math.log(1 / 3),
        -(2 / 3) * math.log(2 / 3) - 2 * (1 / 6) * math.log(1 / 6),
    ),
    "semantic_entropy.monte_carlo": (-HALF, -(HALF + QUARTER) / 2, -(HALF + 2 * QUARTER) / 3),
    "semantic_sets": (1.0, 2.0, 3.0),
    "self_consistency": (0.0, 0.5, 0.5),
    "sequence_entropy": (-HALF, -(HALF + QUARTER) / 2, -(HALF + QUARTER) / 2),
    "sequence_entropy.mean": (-HALF, -(HALF + QUARTER) / 2, -(HALF + QUARTER) / 2),
    "lexical_similarity": (0.0, 4 / 6, 5 / 6),
    "degree_matrix": (0.0, 8 / 16, 10 / 16),
    "eigenvalue_laplacian": (1.0, 2.0, 3.0),
}


@pytest.mark.parametrize("name", HAND)
def test_by_hand(name: str) -> None:
    column = column_of(name, [[A, A, A, A], [A, A, B, B], [A, A, B, C]])
    assert np.allclose(column.values, HAND[name], atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_more_meanings_are_more_uncertain(name: str) -> None:
    alike, apart = column_of(name, [[A, A, A, A], [A, B, C, ("white", [QUARTER])]]).values
    assert alike < apart


@pytest.mark.parametrize("name", NAMES)
def test_what_has_no_draws_to_compare_says_why(name: str) -> None:
    empty: Answer = ("  ", [HALF])
    column = column_of(name, [None, [empty, empty, empty], [A, empty, empty], [A, empty, B]])
    assert list(column.status) == ["failed", "unscored", "unscored", "ok"]
    assert list(column.reasons) == ["broke", "every draw is empty", "one answer: nothing to compare", None]


@pytest.mark.parametrize("name", NAMES)
def test_missing_log_probabilities_matter_to_those_that_read_them(name: str) -> None:
    column = column_of(name, [[A, ("blue", None), B]])
    reads = scorers.get(name).make().reads_logprobs  # type: ignore[attr-defined]
    assert column.reasons[0] == ("some draws have no log-probabilities" if reads else None)


@pytest.mark.parametrize("name", NAMES)
def test_where_no_words_are_kept_those_are_scored_that_read_none(name: str) -> None:
    red, blue, empty = ("red", [HALF, HALF]), ("blue", [QUARTER, HALF]), ("", [HALF])
    samples: list[list[Answer]] = [[red, blue, red], [red, empty, blue]]
    column = column_of(name, samples, private=True)
    if scorers.get(name).make().reads_answers:
        assert list(column.reasons) == ["the run keeps no text"] * 2
    else:
        assert list(column.reasons) == [None, None]
        assert column.values.tolist() == column_of(name, samples).values.tolist()


def test_an_empty_draw_is_left_out() -> None:
    with_empty = column_of("semantic_entropy.discrete", [[A, ("", []), B], [A, A, B]]).values
    assert with_empty.tolist() == pytest.approx(
        [math.log(2), -2 / 3 * math.log(2 / 3) - 1 / 3 * math.log(1 / 3)]
    )


def test_the_rule_stands_beside_every_score() -> None:
    assert column_of("semantic_entropy", [[A, B]]).definition == "equivalence: rule=exact"
    assert column_of("sequence_entropy", [[A, B]]).definition is None


@pytest.mark.parametrize("alpha", [1e-3, 0.5])
def test_eigenscore_is_that_of_the_encoder_s_vectors(alpha: float) -> None:
    samples = [[A, A, B, C], [A, ("  ", None), B, ("white", [HALF])], [A, ("", None), ("", None), ("", None)]]
    found = column_of("eigenscore", samples, alpha=alpha)
    for score, words in zip(
        found.values, (["red", "red", "blue", "green"], ["red", "blue", "white"]), strict=False
    ):
        vectors = np.stack([vector_of(word) for word in words]).astype(np.float64)
        # By NumPy: a correlation-like matrix of rows, and the sum of its logarithmic eigenvalues.
        covariance = np.cov(vectors * math.sqrt(vectors.shape[1]))
        sign, logdet = np.linalg.slogdet(covariance + alpha * np.eye(len(words)))
        assert sign == 1
        assert score == pytest.approx(logdet / len(words), rel=1e-9)
    assert found.reasons[2] == "one answer: nothing to compare"


def test_eigenscore_takes_no_alpha_of_0() -> None:
    with pytest.raises(ConfigError, match="eigenscore: alpha is a number above 0, not 0"):
        scorers.get("eigenscore").make({"alpha": 0.0})
