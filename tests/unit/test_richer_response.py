"""One response a run, with all that its scorers ask to have recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import llmood
from llmood.config_file import load_config
from llmood.engines.captures import richest_response, serves
from llmood.engines.fake import FakeEngine
from llmood.errors import ConfigError
from llmood.plan import Plan
from llmood.planning import make_plan
from llmood.records import CaptureSpec
from llmood.scorers.base import scorers
from tests.worlds import no_model_runs, write_world

ALL = ["token_entropy", "self_certainty", "rauq", "likelihood.response", "claim_conditioned"]


def plan_of(folder: Path, names: list[str], **config: Any) -> Plan:
    parsed, where, _ = load_config(write_world(folder, scorers=names, **config).config)
    return make_plan(parsed, folder=where)


def responses(plan: Plan) -> list[str]:
    return [spec.id for spec in plan.captures if spec.kind == "response"]


@pytest.mark.parametrize(
    ("names", "extras"),
    [
        (["likelihood.response"], ""),
        (["rauq"], ""),
        (["token_entropy", "token_entropy.max"], "entropy=True,"),
        (ALL, "entropy=True,"),
    ],
)
def test_a_run_has_one_response(tmp_path: Path, names: list[str], extras: str) -> None:
    plan = plan_of(tmp_path, names, response={"max_new_tokens": 9})
    statistics = ",statistics=True,top=10" if "self_certainty" in names else ""
    assert responses(plan) == [f"response/tuned/prompt?{extras}max_new_tokens=9{statistics}"]
    assert set(plan.splits) == set(plan.captures)


def test_the_likeliest_tokens_in_place_of_an_entropy_that_nobody_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = FakeEngine.lacks

    def lacks(self: FakeEngine, spec: CaptureSpec) -> str | None:
        params = dict(spec.params)
        return "hidden" if params.get("entropy") or params.get("statistics") else plain(self, spec)

    monkeypatch.setattr(FakeEngine, "lacks", lacks)
    plan = plan_of(tmp_path, ["token_entropy", "likelihood.response"])
    assert responses(plan) == ["response/tuned/prompt?max_new_tokens=64,top=20"]
    with pytest.raises(ConfigError, match=r"scorers: renyi needs response/.*: hidden"):
        plan_of(tmp_path / "other", ["renyi"])


def test_the_union_keeps_the_largest() -> None:
    class Asking:
        fitted_on = None
        fit_needs: tuple[CaptureSpec, ...] = ()
        background_needs: tuple[CaptureSpec, ...] = ()

        def __init__(self, **params: Any) -> None:
            self.needs = (CaptureSpec.of("response", "tuned", max_new_tokens=64, **params),)

    found = richest_response([Asking(top=5), Asking(top=10, entropy=True), Asking()], {"max_new_tokens": 7})
    assert found == {"max_new_tokens": 7, "top": 10, "entropy": True}


@pytest.mark.parametrize(
    ("recorded", "wanted", "enough"),
    [
        ({"max_new_tokens": 9, "entropy": True}, {"max_new_tokens": 9}, True),
        ({"max_new_tokens": 9}, {"max_new_tokens": 9, "entropy": True}, True),  # its column tells
        ({"max_new_tokens": 9, "top": 20}, {"max_new_tokens": 9, "top": 5}, True),
        ({"max_new_tokens": 9, "top": 2}, {"max_new_tokens": 9, "top": 5}, False),
        ({"max_new_tokens": 9}, {"max_new_tokens": 9, "statistics": True}, False),
        ({"max_new_tokens": 9}, {"max_new_tokens": 8}, False),
        ({}, {}, True),
    ],
)
def test_a_response_serves_who_asks_for_less(
    recorded: dict[str, Any], wanted: dict[str, Any], *, enough: bool
) -> None:
    there = CaptureSpec.from_id(CaptureSpec.of("response", "tuned", **recorded).id)
    assert serves(there, CaptureSpec.of("response", "tuned", **wanted)) == enough
    assert not serves(there, CaptureSpec.of("response", "base", **wanted))


def test_a_run_is_scored_by_it_and_again_without_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = write_world(tmp_path, scorers=ALL)
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    first = run.scores()
    scored = first[first["status"] == "ok"]
    assert {name: (scored["scorer"] == name).sum() > 5 for name in ALL} == dict.fromkeys(ALL, True)
    definition = scorers.get("token_entropy").make().definition
    assert set(first.loc[first["scorer"] == "token_entropy", "definition"]) == {definition}
    no_model_runs(monkeypatch)
    again = llmood.rescore(
        tmp_path / "run", overrides=["scorers=[fisher_rao,token_entropy,token_entropy.max,claim_conditioned]"]
    )
    second = again.scores()

    def of(frame: Any) -> list[Any]:
        return list(frame[frame["scorer"] == "token_entropy"]["score"].fillna(-1))

    assert of(first) == of(second)
    assert (second[second["scorer"] == "fisher_rao"]["status"] == "ok").sum() > 5


def test_scoring_again_names_what_was_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = write_world(tmp_path, scorers=["likelihood.response"])
    llmood.evaluate(world.config, output_dir=tmp_path / "run")
    no_model_runs(monkeypatch)
    # Some engines give the entropy unasked.
    scores = llmood.rescore(tmp_path / "run", overrides=["scorers=[token_entropy]"]).scores()
    assert (scores[scores["scorer"] == "token_entropy"]["status"] == "ok").sum() > 5
    for name, lacking in (("renyi", "response/tuned/prompt.*statistics=True"), ("rauq", "attention/tuned")):
        with pytest.raises(ConfigError, match=f"scorers: {name} needs {lacking}"):
            llmood.rescore(tmp_path / "run", overrides=[f"scorers=[{name}]"])
