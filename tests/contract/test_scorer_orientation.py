"""Higher means more OOD, and the likelihoods are the sums that their names say."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from _pytest.mark import ParameterSet

from llmood.engines.observations import Block, Observations
from llmood.scorers.base import ScorerEntry, scorers
from llmood.scorers.baselines import BASELINES
from llmood.scoring import score_all
from llmood.tables import CAPTURE_SCHEMAS
from tests.observing import ALL, Spy, observe, observe_train

FAMILY = ("likelihood", "likelihood_ratio", "perplexity")
TOKENS = ("min_k", "min_k_plus_plus", "zlib_ratio")
EXITS = ("early_exit_ratio",)
TEXT = ("gzip_knn", "tfidf_knn", "ngram_ratio")
# Of answers, by hand: tests/unit/scorers/test_drawn.py and its neighbours.
ANSWERS = {
    name.split(".")[0]
    for name, entry in scorers
    if any(
        spec.kind in ("generations", "equivalence", "response", "attention", "next_token")
        for spec in entry.make().needs
    )
}
# Of other scorers: tests/unit/scorers/test_combined.py.
COMBINED = ("ensemble", "rank_average")
# Of hidden states: tests/unit/scorers/test_probe.py and its neighbours.
STATES = {
    name.split(".")[0]
    for name, entry in scorers
    if any(spec.kind in ("hidden_states", "embedding") for spec in entry.make().needs)
}
TRAIN = ["what is the balance of my account", "transfer money to my account", "how much is on my account"]
TEXTS = [f"{'word ' * (number % 7)}text {number}" for number in range(25)] + ["", "x" * 2000]


@pytest.fixture
def observations() -> Observations:
    """With a text of one token, one over the context, and empty answers among them."""
    every = {spec for _, entry in scorers for spec in entry.make().needs}
    return observe(TEXTS, ALL + sorted(every - set(ALL)), Spy(max_length=1000))[1]


def entries(families: tuple[str, ...]) -> list[ParameterSet]:
    return [pytest.param(entry, id=name) for name, entry in scorers if name.split(".")[0] in families]


def table_of(logprobs: list[float | None], start: int, kind: str = "prompt_logprobs") -> pa.Table:
    row = {
        "key": "k",
        "status": "ok",
        "token_ids": list(range(len(logprobs))),
        "logprobs": logprobs,
        "logprob_mean": [None, *[-3.0] * (len(logprobs) - 1)],
        "logprob_std": [None, *[1.0] * (len(logprobs) - 1)],
        "spans": [
            {"name": "prompt", "start": 0, "end": start},
            {"name": "response", "start": start, "end": 4},
        ],
    }
    return pa.Table.from_pylist([row], schema=CAPTURE_SCHEMAS[kind])


def test_every_scorer_is_looked_at() -> None:
    assert {name.split(".")[0] for name in scorers.names()} == {
        *FAMILY,
        *TOKENS,
        *EXITS,
        *TEXT,
        *ANSWERS,
        *COMBINED,
        *STATES,
        *BASELINES,
    }


@pytest.mark.parametrize("entry", entries(TOKENS))
def test_a_likelier_text_scores_lower(entry: ScorerEntry) -> None:
    scorer = entry.make()
    samples = pa.table({"sample_id": ["a"], "prompt": ["four words of text"]})
    values = []
    for logprob in (-1.0, -2.0, -5.0):
        row = [None, *[logprob] * 3]
        captures = {spec: table_of(row, 2, spec.kind) for spec in scorer.needs}
        values.append(float(scorer.score(Block(np.array([0]), samples, captures)).values[0]))
    assert values == sorted(set(values))


@pytest.mark.parametrize("entry", entries(EXITS))
def test_a_text_that_upper_layers_made_likelier_scores_higher(entry: ScorerEntry) -> None:
    scorer = entry.make()
    samples = pa.table({"sample_id": ["a"]})

    def score(whole: float, early: float) -> float:
        captures = {
            spec: table_of([None, *[early if spec.params else whole] * 3], 2) for spec in scorer.needs
        }
        return float(scorer.score(Block(np.array([0]), samples, captures)).values[0])

    # Worked by hand: tokens 1 to 3 of the whole, 2 and 3 of the response.
    tokens = 1 if entry.id.endswith(".mean") else 2 if ".response" in entry.id else 3
    assert score(-1.0, -3.0) == pytest.approx(2.0 * tokens)
    assert score(-2.0, -2.0) == 0.0


@pytest.mark.parametrize("entry", entries(TEXT))
def test_what_train_never_said_scores_higher(entry: ScorerEntry) -> None:
    scorer = entry.make().fit(observe_train(TRAIN, [None] * len(TRAIN)))
    texts = [TRAIN[0], "vierzig Füchse springen über zwölf Dachse"]
    samples = pa.table({"sample_id": ["a", "b"], "prompt": texts})
    near, far = scorer.score(Block(np.arange(2), samples, {})).values
    assert near < far


@pytest.mark.parametrize("entry", entries(FAMILY))
def test_a_text_that_tuning_made_likelier_scores_lower(entry: ScorerEntry) -> None:
    scorer = entry.make()
    samples = pa.table({"sample_id": ["a"], "prompt_tokens": [4]})
    plain, likelier = [None, -3.0, -3.0, -3.0], [None, -1.0, -1.0, -1.0]

    def score(base: list[float | None], tuned: list[float | None]) -> float:
        captures = {spec: table_of(base if spec.model == "base" else tuned, 2) for spec in scorer.needs}
        return float(scorer.score(Block(np.array([0]), samples, captures)).values[0])

    moved = "base" if entry.id.split(".")[1:2] == ["base"] else "tuned"
    if moved == "tuned":
        assert score(plain, likelier) < score(plain, plain)
    else:
        assert score(likelier, plain) < score(plain, plain)
    # Worked by hand: tokens 1 to 3 of the whole, 2 and 3 of the response.
    tokens = 2 if ".response" in entry.id else 3
    total = tokens * (-3.0 + 1.0 if entry.id.startswith("likelihood_ratio") else 1.0)
    averaged = entry.id.startswith("perplexity") or entry.id.endswith(".mean")
    both = (
        score(likelier, likelier) if not entry.id.startswith("likelihood_ratio") else score(plain, likelier)
    )
    assert both == pytest.approx(total / tokens if averaged else total)


def test_question_and_answer_less_question_is_answer_given_question(observations: Observations) -> None:
    for family in ("likelihood_ratio", "likelihood", "likelihood.base"):
        names = [family, f"{family}.prompt_response", f"{family}.response_given_prompt"]
        columns = score_all(observations, {name: scorers.get(name).make() for name in names})
        question, both, given = (column.values for column in columns)
        # A prompt of one token predicts nothing, so its own score is missing; elsewhere the three agree.
        rows = ~np.isnan(question) & ~np.isnan(both)
        assert rows.sum() > 10
        np.testing.assert_allclose((both - question)[rows], given[rows], atol=1e-9)


def test_random_is_uniform_by_sample_and_seed(observations: Observations) -> None:
    factory = scorers.get("random").factory
    one, two = (score_all(observations, {"random": factory(seed=seed)})[0].values for seed in (0, 1))
    assert len(set(one)) == len(TEXTS)
    assert not np.any(one == two)
    assert one.min() >= 0
    assert one.max() < 1
