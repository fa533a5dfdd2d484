"""One checklist for every registered scorer."""

from __future__ import annotations

import copy
import inspect
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from llmood.config import EngineConfig, Models
from llmood.engines.base import engines
from llmood.engines.observations import Block, Observations
from llmood.errors import UnknownNameError
from llmood.records import SPLITS, CaptureSpec
from llmood.scorers.base import Scorer, ScorerEntry, scorers
from llmood.scoring import score_all
from llmood.tables import CAPTURE_SCHEMAS
from tests.observing import ALL, Spy, observe

ENTRIES = [pytest.param(entry, id=name) for name, entry in scorers]
FAMILY = ("likelihood", "likelihood_ratio", "perplexity")

# DESIGN, "Scorer ids": users' configurations and gates name these.
FIXED = """
likelihood_ratio likelihood_ratio.mean likelihood_ratio.response likelihood_ratio.response.mean
likelihood_ratio.prompt_response likelihood_ratio.prompt_response.mean
likelihood_ratio.response_given_prompt likelihood_ratio.response_given_prompt.mean
likelihood likelihood.mean likelihood.response likelihood.response.mean likelihood.prompt_response
likelihood.prompt_response.mean likelihood.response_given_prompt likelihood.response_given_prompt.mean
likelihood.base likelihood.base.mean likelihood.base.response likelihood.base.response.mean
likelihood.base.prompt_response likelihood.base.prompt_response.mean
likelihood.base.response_given_prompt likelihood.base.response_given_prompt.mean
perplexity perplexity.base perplexity.response perplexity.base.response_given_prompt
length random constant
""".split()

TEXTS = [f"{'word ' * (number % 7)}text {number}" for number in range(25)] + ["", "x" * 200, "twin", "twin"]


@pytest.fixture
def observations() -> Observations:
    """With a text of one token, one over the context, twins, and empty answers among them."""
    return observe(TEXTS, ALL + _missing(ALL), Spy(max_length=100))[1]


def _missing(known: list[CaptureSpec]) -> list[CaptureSpec]:
    every = {spec for _, entry in scorers for spec in entry.make().needs}
    return sorted(every - set(known))


def blocks_of(observations: Observations, scorer: Scorer, size: int) -> list[Block]:
    return list(observations.blocks(sorted(set(scorer.needs)), size=size))


def scored(blocks: Sequence[Block], scorer: Scorer) -> dict[int, tuple[float, str | None]]:
    found: dict[int, tuple[float, str | None]] = {}
    for block in blocks:
        scores = scorer.score(block)
        found |= {
            int(position): (float(value), reason)
            for position, value, reason in zip(block.positions, scores.values, scores.reasons, strict=True)
        }
    return found


def same(one: Mapping[int, Any], other: Mapping[int, Any]) -> bool:
    return repr(sorted(one.items())) == repr(sorted(other.items()))  # to the last bit, NaN beside NaN


# ------------------------------------------------------------------------------------------------------------ names


def test_the_fixed_ids_are_there() -> None:
    assert set(FIXED) <= set(scorers.names())


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_names_parts_stand_in_order(entry: ScorerEntry) -> None:
    parts = entry.id.split(".")[1:]
    order = ["base", "response|prompt_response|response_given_prompt", "mean"]
    if entry.id.split(".")[0] in FAMILY:
        places = [
            next(index for index, names in enumerate(order) if part in names.split("|")) for part in parts
        ]
        assert places == sorted(set(places))


def test_a_wrong_order_is_no_scorer() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean .*'likelihood_ratio\.response\.mean'"):
        scorers.get("likelihood_ratio.mean.response")


@pytest.mark.parametrize("entry", ENTRIES)
def test_it_says_what_it_is(entry: ScorerEntry) -> None:
    assert entry.summary.endswith((".", "?")), entry.summary
    assert entry.factory.__module__.startswith("llmood.scorers.")


def test_registering_scorers_loads_no_model_library() -> None:
    heavy = ("torch", "transformers", "vllm", "sklearn", "pandas", "datasets")
    program = (
        "import sys; from llmood.scorers.base import scorers; scorers.names(); "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ------------------------------------------------------------------------------------------------------ construction


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_constructor_only_stores(entry: ScorerEntry) -> None:
    scorer = entry.make()
    if type(scorer).__init__ is object.__init__:
        assert vars(scorer) == {}
        return
    parameters = inspect.signature(type(scorer)).parameters
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters.values())
    given = {name: parameter.default for name, parameter in parameters.items()} | dict(entry.arguments)
    assert inspect.Parameter.empty not in given.values()  # each has a default
    for name, value in given.items():
        assert getattr(scorer, name) is value
    # Nothing is learned or derived yet; a subclass may fix an argument of its parent's.
    assert not [name for name in vars(scorer) if name.endswith("_")]


@pytest.mark.parametrize("entry", ENTRIES)
def test_needs_are_frozen_and_can_be_captured(entry: ScorerEntry) -> None:
    scorer = entry.make()
    assert isinstance(scorer.needs, tuple)
    assert scorer.needs == entry.make().needs
    config, models = EngineConfig(), Models.model_validate({"base": "b", "tuned": "t"})
    engine = engines.get("fake")(config, models)
    for spec in scorer.needs:
        assert spec.kind in CAPTURE_SCHEMAS
        assert engine.supports(spec), spec.id
        assert CaptureSpec.from_id(spec.id).id == spec.id
        assert set(scorer.columns.get(spec.kind, [])) <= set(CAPTURE_SCHEMAS[spec.kind].names)
        with pytest.raises(FrozenInstanceError):
            spec.kind = "other"  # type: ignore[misc]


@pytest.mark.parametrize("entry", ENTRIES)
def test_fitting_is_declared(entry: ScorerEntry) -> None:
    scorer = entry.make()
    assert scorer.fitted_on in (None, *SPLITS)
    assert scorer.fitted_on != "test"
    assert hasattr(scorer, "fit") == (scorer.fitted_on is not None)


# ----------------------------------------------------------------------------------------------------------- scoring


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_sample_gets_a_float_or_a_reason(entry: ScorerEntry, observations: Observations) -> None:
    scorer = entry.make()
    for block in blocks_of(observations, scorer, 7):
        scores = scorer.score(block)
        assert isinstance(scores.values, np.ndarray)
        assert scores.values.dtype == np.float64
        assert scores.values.shape == (len(block),)
        for value, reason in zip(scores.values, scores.reasons, strict=True):
            assert np.isnan(value) == (reason is not None), (value, reason)
            assert reason is None or reason.strip()
    values = [value for value, _ in scored(blocks_of(observations, scorer, 100), scorer).values()]
    assert np.isfinite(values).sum() >= 5  # the test has something to look at


@pytest.mark.parametrize("entry", ENTRIES)
def test_it_scores_row_by_row(entry: ScorerEntry, observations: Observations) -> None:
    scorer = entry.make()
    (whole,) = blocks_of(observations, scorer, 100)
    expected = scored([whole], scorer)
    for size in (1, 3):
        assert same(scored(blocks_of(observations, scorer, size), scorer), expected)
    order = np.random.default_rng(0).permutation(len(whole))
    permuted = Block(
        whole.positions[order],
        whole.samples.take(pa.array(order)),
        {spec: table.take(pa.array(order)) for spec, table in whole.captures.items()},
    )
    assert same(scored([permuted], scorer), expected)


@pytest.mark.parametrize("entry", ENTRIES)
def test_it_is_deterministic_and_keeps_no_memory(entry: ScorerEntry, observations: Observations) -> None:
    scorer, fresh = entry.make(), entry.make()
    blocks = blocks_of(observations, scorer, 10)
    before = copy.deepcopy(vars(scorer))
    first = scored(blocks, scorer)
    assert same(scored(list(reversed(blocks)), scorer), first)
    assert same(scored(blocks, fresh), first)
    assert vars(scorer) == before


@pytest.mark.parametrize("entry", ENTRIES)
def test_it_reads_only_the_columns_that_it_names(entry: ScorerEntry, observations: Observations) -> None:
    scorer = entry.make()
    everything = scored(blocks_of(observations, scorer, 100), scorer)
    (column,) = score_all(observations, {entry.id: scorer})
    assert same(
        everything,
        {row: (float(v), r) for row, (v, r) in enumerate(zip(column.values, column.reasons, strict=True))},
    )


@pytest.mark.parametrize("entry", ENTRIES)
def test_what_was_not_observed_is_not_scored(entry: ScorerEntry, observations: Observations) -> None:
    scorer = entry.make()
    (column,) = score_all(observations, {entry.id: scorer})
    over = TEXTS.index("x" * 200)
    if scorer.needs:
        assert column.status[over] == "unscored"
        assert "over the context of 100" in column.reasons[over]
    assert set(column.status) <= {"ok", "unscored"}
    assert np.array_equal(np.isnan(column.values), column.status != "ok")
