"""The canary: a few samples a second way, and again the same way; stored, and made anew when observations are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from llmood.checks.base import CheckInput
from llmood.checks.canary import canary, noise_floor
from llmood.engines.canary import MOST_TOKENS, examine, worst
from llmood.engines.fake_model import FakeModel
from llmood.engines.observe import Observer
from llmood.engines.store import Store
from llmood.errors import EngineError
from llmood.paths import cache_root
from llmood.records import CaptureSpec, Check
from tests.observing import BASE, RESPONSE, TUNED, Spy, prompts_of

TEXTS = [f"text {index}" for index in range(20)]


class Seen(Spy):
    """A fake engine that shows its models: the second path asks them by name."""

    has_model = True

    def __init__(self, *, apply: bool = True, shift: float = 0.0, second: bool = True, **config: Any) -> None:
        super().__init__(**config)
        self.apply, self.shift, self.second = apply, shift, second
        self.asked: dict[str, list[tuple[int, ...]]] = {}

    def identity(self, role: str) -> dict[str, Any]:
        return super().identity(role) | {"dtype": "float32", "kind": [self.apply, self.shift]}

    def capture(self, spec: CaptureSpec, requests: Any) -> Any:
        if spec == TUNED and not self.apply:
            spec = BASE
        results = super().capture(spec, requests)
        for result in results:
            if spec.kind == "prompt_logprobs" and len(result.values["logprobs"]) > 1:
                result.values["logprobs"][1] += self.shift
        return results

    def second_path(self, rows: Mapping[str, Sequence[Sequence[int]]]) -> Any:
        if not self.second:
            raise EngineError("no such architecture")
        self.asked = {role: [tuple(row) for row in own] for role, own in rows.items()}
        names = {"base": "b", "tuned": "t"}
        return {
            role: [np.array(FakeModel(names[role]).logprobs(row)[1:], np.float32) for row in own]
            for role, own in rows.items()
        }


def observed(engine: Spy, *specs: CaptureSpec, texts: Sequence[str] = TEXTS, watch: int = 4) -> Observer:
    observer = Observer(engine, prompts_of(texts), Store(), private=False, watch=watch)
    for spec in specs:
        observer.run(spec)
    return observer


def examined(engine: Spy, *specs: CaptureSpec, **options: Any) -> dict[str, Any]:
    found = examine(engine, Store(), observed(engine, *specs, **options).watched)
    assert found is not None
    return found


def said(found: dict[str, Any], check: Any = canary) -> list[Check]:
    return list(check(CheckInput(None, [], [], [], {}, None, found)))  # type: ignore[arg-type]


def test_a_right_engine_is_said_to_be_right() -> None:
    found = examined(Seen(), RESPONSE, TUNED, BASE)
    assert found["samples"] == 4
    assert set(found["differences"]) == {"base", "tuned"}
    for apart in found["differences"].values():
        assert apart["largest"] < 1e-6
        assert apart["tokens"] > 10
    assert not found["differences"]["tuned"]["closer_to_base"]
    # Of the float32 that the store keeps, asked for again as it is: no more than the rounding.
    assert found["noise"]["base"]["largest"] < 1e-6
    assert found["noise"]["base"]["sum"] < 1e-5
    assert found["answers"] == {"tuned": {"asked": 4, "same": 4}}
    (check,) = said(found)
    assert (check.code, check.severity) == ("canary", "info")
    assert [each.severity for each in said(found, noise_floor)] == ["info", "info"]


def test_an_adapter_that_is_left_out_is_found() -> None:
    found = examined(Seen(apply=False), TUNED, BASE)
    assert found["differences"]["tuned"]["closer_to_base"]
    (check,) = said(found)
    assert (check.code, check.severity, check.values["role"]) == ("canary", "error", "tuned")
    assert "was not applied" in check.detail


@pytest.mark.parametrize(("shift", "severities"), [(2e-3, ["error", "error"]), (5e-5, ["info"])])
def test_a_path_that_is_perturbed_is_found(shift: float, severities: list[str]) -> None:
    found = examined(Seen(shift=shift), TUNED, BASE)
    assert found["differences"]["base"]["largest"] == pytest.approx(shift, rel=1e-2)
    # Both ways of the engine itself are perturbed alike: its own noise doesn't show it.
    assert found["noise"]["base"]["largest"] < 1e-6
    assert [check.severity for check in said(found)] == severities


def test_half_precision_has_room() -> None:
    found = examined(Seen(shift=0.05), TUNED, BASE) | {"dtype": "bfloat16"}
    assert [check.severity for check in said(found)] == ["info"]


def test_an_answer_is_scored_behind_its_prompt() -> None:
    found = examined(Seen(), RESPONSE)
    (apart,) = found["differences"].values()
    assert apart["tokens"] == sum(len(FakeModel("t").answer(each)[1]) for each in prompts_ids())
    assert apart["largest"] < 1e-6


def prompts_ids() -> list[tuple[int, ...]]:
    engine = Seen()
    observer = observed(engine, RESPONSE)
    return [each.request.token_ids for each in observer.watched]


def test_a_long_text_is_scored_as_far_as_it_costs_little() -> None:
    engine = Seen()
    found = examined(engine, BASE, texts=["a" * 700, "b"], watch=2)
    assert sorted(len(row) for row in engine.asked["base"]) == [2, MOST_TOKENS]
    assert found["differences"]["base"]["tokens"] == MOST_TOKENS - 1 + 1


def test_it_is_stored_until_the_observations_are_others() -> None:
    first = examined(Seen(), TUNED, BASE)
    stored = Seen()
    assert examined(stored, TUNED, BASE) == first
    assert stored.sent == []
    assert stored.asked == {}
    more = Seen()
    examined(more, TUNED, BASE, watch=6)
    assert more.asked


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"samples": 4}', "null", "[" * 100_000])
def test_a_stored_one_that_is_damaged_is_made_anew(damage: str) -> None:
    first = examined(Seen(), TUNED, BASE)
    (path,) = (cache_root() / "canaries").iterdir()
    path.write_text(damage)
    again = Seen()
    assert examined(again, TUNED, BASE) == first
    assert again.asked


def test_a_stored_difference_that_is_no_number_is_made_anew() -> None:
    first = examined(Seen(), TUNED, BASE)
    (path,) = (cache_root() / "canaries").iterdir()
    path.write_text(path.read_text().replace('"largest": ', '"largest": NaN, "was": '))
    assert examined(Seen(), TUNED, BASE) == first


def test_nothing_compared_is_said() -> None:
    found = examined(Seen(), BASE, texts=[""] * 4)
    assert found["differences"] == {}
    (check,) = said(found)
    assert (check.severity, "nothing proves" in check.detail) == ("warning", True)


def test_what_is_no_number_is_as_far_as_can_be() -> None:
    class Broken(Seen):
        def second_path(self, rows: Any) -> Any:
            found = super().second_path(rows)
            found["base"][0][1] = np.nan
            return found

    found = examined(Broken(), TUNED, BASE)
    assert [check.values["role"] for check in said(found)] == ["base"]

    class Sure(Seen):
        """Both ways say that a token can't be."""

        def capture(self, spec: CaptureSpec, requests: Any) -> Any:
            results = super().capture(spec, requests)
            for result in results:
                result.values["logprobs"][1] = -np.inf
            return results

        def second_path(self, rows: Any) -> Any:
            found = super().second_path(rows)
            for each in (row for own in found.values() for row in own):
                each[0] = -np.inf
            return found

    assert [check.severity for check in said(examined(Sure(shift=1e-12), TUNED, BASE))] == ["info"]


def test_no_second_path_is_said() -> None:
    (check,) = said(examined(Seen(second=False), TUNED))
    assert (check.severity, "no such architecture" in check.detail) == ("warning", True)
    plain = Spy()
    plain.has_model = True  # type: ignore[misc]
    (check,) = said(examined(plain, BASE))
    assert "shows no weights" in check.detail


def test_nothing_to_examine() -> None:
    assert examine(Spy(), Store(), observed(Spy(), BASE).watched) is None  # numbers of no model
    assert examine(Seen(), Store(), observed(Seen(), BASE, watch=0).watched) is None
    assert said({}) == said({}, noise_floor) == []


def test_answers_that_change_are_said() -> None:
    class Moody(Seen):
        def capture(self, spec: CaptureSpec, requests: Any) -> Any:
            results = super().capture(spec, requests)
            if len(requests) < 5 and spec.kind == "response":
                results[0].values["token_ids"][0] += 1
            return results

    found = examined(Moody(batch_tokens=10_000), RESPONSE)
    assert found["answers"]["tuned"]["same"] < 4
    assert [check.severity for check in said(found, noise_floor)] == ["warning"]


def test_several_examinations_are_as_bad_as_the_worst() -> None:
    one = examined(Seen(), RESPONSE, TUNED, BASE)
    other = examined(Seen(shift=2e-3), TUNED, BASE)
    both = worst([one, None, other])
    assert both is not None
    assert both["samples"] == 8
    assert both["answers"] == one["answers"]
    for role in ("base", "tuned"):
        assert both["differences"][role]["largest"] == other["differences"][role]["largest"]
        tokens = [each["differences"][role]["tokens"] for each in (one, other, both)]
        assert tokens[2] == tokens[0] + tokens[1]
    assert [check.severity for check in said(both)] == ["warning", "error", "error"]  # one examined nothing
    without = worst([one, examined(Seen(second=False), TUNED)])
    assert without is not None
    assert (without["path"], without["reason"]) == (None, "no such architecture")
    assert worst([None]) is None
    assert both["shards_without"] == 1
    assert without["shards_without"] == 0


def test_a_shard_without_an_examination_is_remarked_on() -> None:
    one = examined(Seen(), TUNED, BASE)
    found = worst([one, None, None])
    assert found is not None
    warning, info = said(found)
    assert (warning.severity, info.severity) == ("warning", "info")
    assert "In 2 of the run's shards no sample was scored a second way" in warning.detail
    assert len(said(worst([one]) or {})) == 1


def test_what_was_switched_off_is_said_where_there_is_a_model() -> None:
    def off(engine: str, *, asked: bool) -> list[Check]:
        models = {"base": {"identity": {"engine": engine}}}
        return list(canary(CheckInput(None, [], [], [], models, None, None, canary_asked=asked)))  # type: ignore[arg-type]

    (check,) = off("transformers", asked=False)
    assert check.severity == "warning"
    assert check.detail.startswith("engine.canary is 0: no sample was scored a second way")
    assert off("transformers", asked=True) == []
    assert off("fake", asked=False) == []
