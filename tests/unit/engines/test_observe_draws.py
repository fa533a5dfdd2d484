"""Several answers to one prompt: a row each in the store, found again, joined by draw."""

from __future__ import annotations

import pytest

from llmood.engines.observations import Observations
from llmood.engines.observe import Observer
from llmood.engines.prompts import Prompt
from llmood.engines.store import Store
from llmood.records import CaptureSpec
from tests.observing import Spy, prompts_of, samples_of

DRAWS = CaptureSpec.of("generations", "tuned", n=4, temperature=1.0, top_p=1.0, max_new_tokens=20, seed=7)
TEXTS = ["one", "two", "three"]


def observed(engine: Spy, prompts: list[Prompt], *, private: bool = False) -> Observer:
    observer = Observer(engine, prompts, Store(), private=private)
    observer.run(DRAWS)
    return observer


def draws_by_sample(observer: Observer, prompts: list[Prompt]) -> dict[str, list[dict[str, object]]]:
    observations = Observations(samples_of(prompts), observer.index(), Store())
    (block,) = observations.blocks([DRAWS])
    table, offsets = block.many(DRAWS)
    names = block.samples["sample_id"].to_pylist()
    rows = table.to_pylist()
    return {name: rows[offsets[i] : offsets[i + 1]] for i, name in enumerate(names)}


def test_each_draw_is_a_row_of_its_sample() -> None:
    prompts = prompts_of(TEXTS)
    found = draws_by_sample(observed(Spy(), prompts), prompts)
    assert set(found) == {"s000", "s001", "s002"}
    for draws in found.values():
        assert [each["draw"] for each in draws] == [0, 1, 2, 3]
        seeds = [each["seed"] for each in draws]
        assert seeds == list(range(seeds[0], seeds[0] + 4))  # type: ignore[call-overload, operator]
        assert all(each["temperature"] == 1.0 for each in draws)
    assert len({draws[0]["seed"] for draws in found.values()}) == 3


def test_the_same_text_is_drawn_for_by_itself() -> None:
    ids = prompts_of(["one"])[0].token_ids
    prompts = [Prompt(f"s{index}", ids) for index in range(8)]
    engine = Spy()
    found = draws_by_sample(observed(engine, prompts), prompts)
    assert sum(len(rows) for _, rows in engine.sent) == 8
    assert len({tuple(each["text"] for each in draws) for draws in found.values()}) > 1


def test_what_is_stored_is_not_drawn_again() -> None:
    prompts = prompts_of(TEXTS)
    first = draws_by_sample(observed(Spy(), prompts), prompts)
    engine = Spy()
    assert draws_by_sample(observed(engine, prompts), prompts) == first
    assert engine.sent == []
    more = [*prompts, Prompt("s9", prompts_of(["nine"])[0].token_ids)]
    observed(engine, more)
    assert [len(rows) for _, rows in engine.sent] == [1]


def test_private_draws_have_no_text() -> None:
    prompts = prompts_of(TEXTS)
    for draws in draws_by_sample(observed(Spy(), prompts, private=True), prompts).values():
        assert all(each["text"] is None and each["token_ids"] is None and each["logprobs"] for each in draws)


def test_private_alternatives_have_no_ids() -> None:
    # The token itself is among them.
    spec = CaptureSpec.of("next_token", "tuned", top=3)
    for private in (False, True):
        prompts = prompts_of(TEXTS)
        observer = Observer(Spy(), prompts, Store(), private=private)
        observer.run(spec)
        (block,) = Observations(samples_of(prompts), observer.index(), Store()).blocks([spec])
        assert [ids is None for ids in block[spec]["top_ids"].to_pylist()] == [private] * 3
        assert all(len(each) == 3 for each in block[spec]["top_logprobs"].to_pylist())
        assert all(entropy > 0 for entropy in block[spec]["entropy"].to_pylist())


def test_draws_that_end_elsewhere_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Spy()
    before = Observer(engine, [], Store(), private=False).context(DRAWS)
    monkeypatch.setattr("llmood.engines.fake_model.FakeTokenizer.end_ids", frozenset({1, 7}))
    after = Observer(engine, [], Store(), private=False).context(DRAWS)
    assert before.key("a") != after.key("a")


def test_a_prompt_without_room_has_one_row_that_says_so() -> None:
    prompts = prompts_of(["a" * 50])
    engine = Spy(max_length=20)
    (draws,) = draws_by_sample(observed(engine, prompts), prompts).values()
    assert [each["status"] for each in draws] == ["unscored"]
    assert "over the context" in str(draws[0]["reason"])
    assert engine.sent == []


@pytest.mark.parametrize("other", ["s001", "zzz"])
def test_seeds_come_from_the_run_and_the_sample(other: str) -> None:
    ids = prompts_of(["one"])[0].token_ids
    prompts = [Prompt("s000", ids), Prompt(other, ids)]
    found = draws_by_sample(observed(Spy(), prompts), prompts)
    alone = draws_by_sample(observed(Spy(), prompts[:1]), prompts[:1])
    assert found["s000"] == alone["s000"]
    assert found[other] != alone["s000"]
