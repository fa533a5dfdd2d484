"""What a run will cost, said before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import llmood
from llmood.config_file import load_config
from llmood.forecast import Forecast, forecast, forecast_comparing
from llmood.planning import make_plan
from tests.worlds import BANK, LETTERS, WEATHER, World, no_report, write_world

EVERYTHING = len(BANK) + len(WEATHER) + len(LETTERS)


def forecast_of(world: World, **keys: Any) -> dict[str, Forecast]:
    parsed, folder, _ = load_config(world.edit(**keys).config)
    return {cost.capture.partition("?")[0]: cost for cost in forecast(make_plan(parsed, folder=folder))}


@pytest.fixture(autouse=True)
def plain_report(monkeypatch: pytest.MonkeyPatch) -> None:
    no_report(monkeypatch)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return write_world(tmp_path / "world", scorers=["likelihood_ratio", "likelihood.response"])


def run(world: World, name: str = "run") -> None:
    llmood.evaluate(world.config, output_dir=world.folder / name)


def test_an_empty_store(world: World, tmp_path: Path) -> None:
    costs = forecast_of(world)
    assert set(costs) == {
        "prompt_logprobs/base/prompt",
        "prompt_logprobs/tuned/prompt",
        "prompt_logprobs/tuned/response",
        "response/tuned/prompt",
    }
    prompt = costs["prompt_logprobs/base/prompt"]
    characters = sum(len(row["text"]) + 1 for row in (*BANK, *WEATHER, *LETTERS))
    assert (prompt.requests, prompt.cached, prompt.tokens) == (EVERYTHING, 0, characters)
    assert prompt.seconds > 0
    assert not prompt.measured
    # Answers are at most so long, and what reads them can't be known before they are there.
    assert costs["response/tuned/prompt"].tokens == characters + EVERYTHING * 64
    assert costs["prompt_logprobs/tuned/response"].cached is None
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_full_store(world: World) -> None:
    run(world)
    costs = forecast_of(world)
    for name in ("prompt_logprobs/base/prompt", "prompt_logprobs/tuned/prompt", "response/tuned/prompt"):
        assert (costs[name].cached, costs[name].tokens, costs[name].seconds) == (EVERYTHING, 0, 0.0)
        assert costs[name].measured
    # The answers are there, so what reads them is known: an empty one asks nothing.
    reads = costs["prompt_logprobs/tuned/response"]
    assert reads.cached == reads.requests
    assert 0 < reads.requests < EVERYTHING
    assert reads.tokens == 0


def test_what_reads_stored_answers_is_counted_before_it_is_run(world: World) -> None:
    world.edit(scorers=["likelihood.response"])
    run(world)
    asked = forecast_of(world, scorers=["likelihood.response", "p_true", "verbalised_confidence"])
    stated = asked["response/tuned/derived:confidence@1"]
    assert stated.cached == 0
    assert stated.requests < EVERYTHING  # without those whose answer is empty
    assert stated.tokens > stated.requests * 24
    run(world, "more")
    after = forecast_of(world)
    assert len(after) > 3
    for cost in after.values():
        assert (cost.cached, cost.tokens) == (cost.requests, 0)


def test_what_is_new_is_counted_alone(world: World) -> None:
    run(world)
    with (world.folder / "near" / "test.jsonl").open("a") as stream:
        stream.write('{"text": "0123456789"}\n')
    cost = forecast_of(world)["prompt_logprobs/base/prompt"]
    assert (cost.requests, cost.cached, cost.tokens) == (EVERYTHING + 1, EVERYTHING, 11)


def test_the_same_text_is_run_once(world: World) -> None:
    (world.folder / "near" / "test.jsonl").write_text('{"text": "twice"}\n' * 5)
    cost = forecast_of(world)["prompt_logprobs/base/prompt"]
    assert cost.requests == EVERYTHING - len(WEATHER) + 1


def test_what_is_over_the_context_is_not_run(world: World) -> None:
    cost = forecast_of(world, engine={"kind": "fake", "max_length": 2})["prompt_logprobs/base/prompt"]
    assert (cost.requests, cost.tokens) == (0, 0)


def test_without_text_answers_are_decoded_again(world: World) -> None:
    world.edit(text=False)
    run(world)
    costs = forecast_of(world)
    assert costs["response/tuned/prompt"].cached == 0
    assert costs["response/tuned/prompt"].tokens > 0
    assert costs["prompt_logprobs/base/prompt"].cached == EVERYTHING


def test_all_draws_of_a_prompt_are_one_request_and_all_have_to_be_there(world: World) -> None:
    keys = {"scorers": ["sequence_entropy"], "generations": {"n": 3}, "response": {"max_new_tokens": 20}}
    name = "generations/tuned/prompt"
    empty = forecast_of(world, **keys)[name]
    characters = sum(len(row["text"]) + 1 for row in (*BANK, *WEATHER, *LETTERS))
    assert (empty.requests, empty.cached, empty.tokens) == (
        EVERYTHING,
        0,
        characters + EVERYTHING * 3 * 20,
    )
    run(world.edit(**keys))
    full = forecast_of(world, **keys)[name]
    assert (full.requests, full.cached, full.tokens) == (EVERYTHING, EVERYTHING, 0)


def test_what_comparing_takes_at_most(world: World) -> None:
    scorers = ["semantic_entropy", "degree_matrix", "self_consistency.answer", "luq"]
    world.edit(scorers=scorers, generations={"n": 3}, equivalence={"rule": "judge"})
    parsed, folder, _ = load_config(world.config)
    found = forecast_comparing(make_plan(parsed, folder=folder))
    most = {cost.capture.rpartition("pairs=")[2].partition(",")[0]: cost.most for cost in found}
    assert most == {
        "openers": EVERYTHING * 6,
        "all": EVERYTHING * 6,
        "answer": EVERYTHING * 6,
        "sentences": None,
    }
    assert {cost.reads for cost in found} == {"pairs"}
    run(world)
    took = llmood.Run(world.folder / "run").manifest["compared"]
    for cost in found:
        assert cost.most is None or took[cost.capture]["asked"] <= cost.most
    assert any(took[cost.capture]["asked"] for cost in found if cost.most is not None)
    by_words = load_config(world.edit(equivalence={"rule": "exact"}).config)[0]
    assert forecast_comparing(make_plan(by_words, folder=folder)) == []
