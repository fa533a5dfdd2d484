"""Effective mutual information of runs: through the whole path, from words to records."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import llmood
from llmood.cli.gating import run_gates
from llmood.emi_config import EmiConfig
from llmood.errors import ConfigError
from llmood.gates import judge
from llmood.questions.emi_populations import NO_REFERENCES
from llmood.questions.emi_states import emi_captures
from tests.worlds import World, no_report, refused, write_world
from tests.worlds import llmood as call

Records = Mapping[tuple[str, str | None], dict[str, Any]]
HOME, NEAR, FAR, THIRD = "bank", "near", "far", "third"
REFERENCES = {"task": {"fields": {"references": "right"}}, "scorers": ["likelihood"], "emi": True}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    no_report(monkeypatch)


def rows(subject: str, count: int, right: str = "the {i} of {subject}") -> list[dict[str, Any]]:
    return [
        {
            "text": f"{subject} question {i} about {i * i % 11}",
            "right": right.format(i=i % 7, subject=subject),
        }
        for i in range(count)
    ]


def world_of(folder: Path, **config: Any) -> World:
    return write_world(
        folder,
        bank=rows("bank card", 50),
        near=rows("weather town", 40),
        far=rows("zyx qqq", 30),
        **{**REFERENCES, **config},
    )


def records_of(run: llmood.Run) -> Records:
    found = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))
    own = [record for record in found if record["question"] == "effective_mutual_information"]
    return {(record["metric"], record["ood_task"]): record for record in own}


def answers_of(run: llmood.Run) -> dict[str, str]:
    """What was answered to each prompt."""
    prompts = dict(run.samples()[["sample_id", "prompt"]].itertuples(index=False))
    return {
        prompts[name]: text for name, text in run.answers()[["sample_id", "text"]].itertuples(index=False)
    }


def test_records_of_a_run(tmp_path: Path) -> None:
    world = world_of(tmp_path / "world", emi={"entropy": 2.0})
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    found = records_of(run)
    assert found.keys() == {
        ("emi", None),
        *(
            (metric, task)
            for metric in ("emi", "emid", "emid_bound", "emid_full_bound")
            for task in (NEAR, FAR)
        ),
        ("emid_bound_pearson", None),
        ("emid_bound_spearman", None),
    }
    home = found["emi", None]
    # The model has nothing to say to some.
    mute = Counter(text.split()[0] for text, answer in answers_of(run).items() if not answer.strip())
    assert (home["population"], home["n"], home["n_unscored"]) == ("id", 50 - mute["bank"], mute["bank"])
    assert home["params"]["unscored"] == {"empty answer": mute["bank"]}
    assert home["ci_low"] < home["value"] < home["ci_high"]
    for task in (NEAR, FAR):
        lost = found["emid", task]
        assert lost["value"] == pytest.approx(home["value"] - found["emi", task]["value"])
        assert lost["ci_low"] < lost["value"] < lost["ci_high"]
        bound, full = found["emid_bound", task], found["emid_full_bound", task]
        apart = bound["params"]["divergences"]
        inputs, answers = apart["text"] ** 0.5, apart["answers_id"] ** 0.25 + apart["answers_ood"] ** 0.25
        assert bound["value"] == pytest.approx(inputs + answers)
        assert full["value"] == pytest.approx(2.0 * inputs + 4.0 * answers)
        # As many rows of each, and no interval.
        assert (bound["params"]["rows"], bound["ci_low"]) == (30 - mute["zyx"], None)
        assert "resamples" in bound["reason"]
    # Two shifts always lie on a line.
    assert found["emid_bound_pearson", None]["value"] is None
    assert "3 shifts or more, not 2" in found["emid_bound_pearson", None]["reason"]
    (gated,) = judge(
        run_gates([f"emid[question=effective_mutual_information,ood_task={NEAR}] <= 99"]), [lost]
    )
    assert gated.matched == 0
    assert records_of(llmood.rescore(run.folder)) == found
    assert records_of(llmood.rescore(run.folder, overrides=["emi=false"])) == {}


def test_answers_that_are_the_references_have_no_emi(tmp_path: Path) -> None:
    first = llmood.evaluate(world_of(tmp_path / "first").config, output_dir=tmp_path / "run")
    assert records_of(first)["emi", None]["value"] != 0.0
    said = answers_of(first)
    right = {
        name: [{**row, "right": said[row["text"]]} for row in rows(subject, count)]
        for name, subject, count in (
            ("bank", "bank card", 50),
            ("near", "weather town", 40),
            ("far", "zyx qqq", 30),
        )
    }
    again = write_world(tmp_path / "again", **right, **REFERENCES)
    found = records_of(llmood.evaluate(again.config, output_dir=tmp_path / "same"))
    for task in (None, NEAR, FAR):
        assert found["emi", task]["value"] == 0.0
    for task in (NEAR, FAR):
        apart = found["emid_bound", task]["params"]["divergences"]
        assert found["emid", task]["value"] == apart["answers_id"] == apart["answers_ood"] == 0.0
        assert apart["text"] > 0.0


def test_rows_without_a_reference_are_counted(tmp_path: Path) -> None:
    near = rows("weather town", 40)
    for row in near[:10]:
        row["right"] = None
    few = rows("zyx qqq", 12)
    few[0]["right"] = None
    world = write_world(tmp_path / "world", bank=rows("bank card", 50), near=near, far=few, **REFERENCES)
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    found, own = records_of(run), records_of(run)["emi", NEAR]
    mute = {text for text, answer in answers_of(run).items() if not answer.strip()}
    without = {row["text"] for row in near[:10]} - mute
    left = own["params"]["unscored"]
    assert (left["no reference"], own["n_unscored"]) == (len(without), sum(left.values()))
    assert (own["n"], left["empty answer"]) == (40 - own["n_unscored"], own["n_unscored"] - len(without))
    assert found["emid", NEAR]["n_unscored"] == own["n_unscored"] + found["emi", None]["n_unscored"]
    for metric in ("emi", "emid", "emid_bound"):
        short = found[metric, FAR]
        assert short["value"] is None
        assert short["reason"].startswith("fewer than 20 rows have all their vectors (")
        assert "no reference: 1" in short["reason"]


def test_without_references_there_is_a_reason(tmp_path: Path) -> None:
    world = write_world(tmp_path / "world", bank=rows("bank card", 50), scorers=["likelihood"], emi=True)
    found = records_of(llmood.evaluate(world.config, output_dir=tmp_path / "run"))
    assert {record["value"] for record in found.values()} == {None}
    reasons = {record["reason"].removeprefix("the ID task: ") for record in found.values()}
    assert reasons == {NO_REFERENCES}


def test_without_words_the_numbers_are_the_same(tmp_path: Path) -> None:
    world = world_of(tmp_path / "world")
    found = records_of(llmood.evaluate(world.config, output_dir=tmp_path / "run"))
    private = records_of(
        llmood.evaluate(world.config, output_dir=tmp_path / "private", overrides=["text=false"])
    )
    assert private == found


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    world = world_of(tmp_path / "world")
    refused(
        call("run", world.config, "--set", "emi={states: encoder}"), "emi.states: encoder", "models.encoder"
    )
    refused(call("run", world.config, "--set", "emi={entropy: 0}"), "emi.entropy")
    refused(call("run", world.config, "--set", "models={base: fake}"), "emi:", "models.tuned")
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run", overrides=["emi=null"])
    refused(call("rescore", run.folder, "--set", "emi=true"), "emi: needs", "didn't capture")


def test_whose_vectors_are_read() -> None:
    roles = ("base", "tuned", "encoder")
    assert emi_captures(EmiConfig(), roles, pictures=False).role == "encoder"
    assert emi_captures(EmiConfig(), roles, pictures=True).role == "base"
    assert emi_captures(EmiConfig(), ("tuned",), pictures=False).role == "tuned"
    seeing = emi_captures(EmiConfig(states="tuned"), roles, pictures=True)
    assert list(seeing.parts) == ["image", "text"]
    assert len(seeing.needs) == 3
    with pytest.raises(ConfigError, match="reads words alone"):
        emi_captures(EmiConfig(states="encoder"), roles, pictures=True)
