"""Hidden states through a whole run: captured, scored, scored again, exported, imported, cut and merged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import llmood
from llmood.engines.observations import Block
from llmood.engines.states import HIDDEN_STATES
from llmood.engines.store import Store
from llmood.errors import ConfigError, DataError
from llmood.export import export_run
from llmood.forecast import forecast
from llmood.importing import import_file
from llmood.planning import make_plan
from llmood.records import CaptureSpec, Scores
from llmood.scorers.base import Scorer, register, scorers, with_reasons
from llmood.scorers.on_adapter import OnAdapter
from tests.worlds import World, no_model_runs, no_report, refused, write_world
from tests.worlds import llmood as llmood_


class FirstState(Scorer):
    """A number of a hidden state, for tests."""

    def __init__(self, *, layers: str = "0.5,-1") -> None:
        self.layers = layers

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        return (
            CaptureSpec.of(HIDDEN_STATES, "tuned", layers=self.layers, positions="last_prompt,mean_prompt"),
        )

    def score(self, block: Block) -> Scores:
        (spec,) = self.needs
        values = block.states(spec, -1, "mean_prompt")[:, 0].astype(np.float64)
        table = block[spec]
        return with_reasons(values, table["status"].to_pylist(), table["reason"].to_pylist(), "undefined")


@pytest.fixture(autouse=True)
def first_state(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    no_report(monkeypatch)
    scorers.names()  # everything else is registered first
    register("first_state")(FirstState)
    yield
    del scorers._items["first_state"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return write_world(tmp_path / "world", scorers=["first_state", "likelihood"])


def scores(run: llmood.Run, scorer: str = "first_state") -> list[float]:
    found = run.scores().set_index(["scorer", "sample_id"])["score"]
    values: list[float] = found.loc[scorer].sort_index().tolist()
    return values


def test_a_run_is_scored_again_without_a_model(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    assert run.status == "complete"
    before = scores(run)
    assert len(set(before)) > 10
    assert not np.isnan(before).any()
    no_model_runs(monkeypatch)
    assert scores(llmood.rescore(run.folder)) == before
    with pytest.raises(ConfigError, match=r"needs hidden_states/tuned/prompt\?layers=1,positions="):
        llmood.rescore(run.folder, overrides=['scorers=[{"first_state": {"layers": "1"}}]'])


def test_a_layer_that_there_is_not_ends_the_plan(world: World, tmp_path: Path) -> None:
    world.edit(scorers=[{"first_state": {"layers": "0,7"}}])
    with pytest.raises(ConfigError, match="there is no layer 7: the model has 4 blocks"):
        llmood.evaluate(world.config, output_dir=tmp_path / "run")
    assert not (tmp_path / "run" / "observations").exists()


ONE = {"hidden_states": {"layers": "0,2"}}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"scorers": [{"knn": {"layer": 1}}], **ONE}, "scorers: knn reads layer 1, and the run keeps 0, 2"),
        (
            {"scorers": ["knn.base"], **ONE},
            r"scorers: knn.base reads layer -1 \(4 of 4\), and the run keeps 0, 2",
        ),
        (
            {"scorers": [{"knn": {"layer": 1.0}}], **ONE},
            r"reads layer 1.0 \(4 of 4\), and the run keeps 0, 2",
        ),
        (
            {"scorers": [{"mahalanobis": {"layer": 5}}]},
            "mahalanobis: there is no layer 5: the model has 4 blocks",
        ),
        ({"scorers": [{"layer_prediction": {"below": -7}}]}, "layer_prediction: there is no layer -7"),
        *(
            (
                {"scorers": [{"early_exit_ratio": {"exit": last}}]},
                f"scorers: early_exit_ratio: exit: layer {last} is the model's last",
            )
            for last in (4, -1, 1.0)
        ),
        (
            {"scorers": [{"early_exit_ratio.base": {"exit": 99}}]},
            "scorers: early_exit_ratio.base: exit: there is no layer 99: the model has 4 blocks",
        ),
        ({"scorers": [{"rank_average": {"of": ["knn", "cosine"]}}], **ONE}, "rank_average reads layer -1"),
    ],
)
def test_a_layer_that_is_not_kept_ends_the_plan(
    world: World, tmp_path: Path, config: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_model_runs(monkeypatch)
    world.edit(**config)
    refused(llmood_("run", world.config, "-o", tmp_path / "run"))
    with pytest.raises(ConfigError, match=said) as error:
        llmood.evaluate(world.config, output_dir=tmp_path / "run")
    if ONE.items() <= config.items():
        assert error.value.hint.startswith(f"add {1 if 'layer 1,' in said else 4} to hidden_states.layers")
    assert not (tmp_path / "run" / "observations").exists()


def test_on_another_adapter_the_same_layers_are_read() -> None:
    knn = scorers.get("knn").make({"layer": 2})
    ((own, layer),) = OnAdapter(scorer=knn, role="tuned:1").layers_read
    assert (own.model, layer) == ("tuned:1", 2)


def test_a_forecast_knows_what_is_there(world: World, tmp_path: Path) -> None:
    config = llmood.evaluate(world.config, output_dir=tmp_path / "run").config
    plan = make_plan(config, folder=world.config.parent)
    (states,) = (each for each in forecast(plan) if each.capture.startswith(HIDDEN_STATES))
    assert states.cached == states.requests > 0
    assert states.tokens == 0


def test_an_export_is_read_back(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    monkeypatch.setattr("llmood.export.states.FILE_BYTES", 10 * 2 * 2 * 8 * 4)  # of ten samples
    written = dict(export_run(run.folder, tmp_path / "export"))
    files = {path: rows for path, rows in written.items() if path.suffix == ".safetensors"}
    assert len(files) == -(-len(run.samples()) // 10)
    assert sum(files.values()) == len(run.samples())
    no_model_runs(monkeypatch)
    back = import_file(
        tmp_path / "export", output_dir=tmp_path / "back", overrides=["scorers=[first_state, likelihood]"]
    )
    assert scores(back) == scores(run)
    assert scores(back, "likelihood") == scores(run, "likelihood")
    assert list(Store().broken()) == []
    again = import_file(
        tmp_path / "export", output_dir=tmp_path / "back", overrides=["scorers=[first_state, likelihood]"]
    )
    assert scores(again) == scores(run)


@pytest.mark.parametrize("damage", ["gone", "flipped"])
def test_an_export_whose_states_are_damaged(world: World, tmp_path: Path, damage: str) -> None:
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    list(export_run(run.folder, tmp_path / "export"))
    (path,) = (tmp_path / "export").glob("*.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    if damage == "gone":
        path.unlink()
    with pytest.raises(
        DataError, match=rf"the states in '{path.name}' are missing or damaged \('llmood cache"
    ):
        import_file(tmp_path / "export", output_dir=tmp_path / "back")


def test_shards_that_carry_their_states_are_merged(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = llmood.evaluate(world.config, output_dir=tmp_path / "whole")
    for index in range(2):
        monkeypatch.setenv("LLMOOD_CACHE", str(tmp_path / f"machine{index}"))
        llmood.evaluate(world.config, output_dir=tmp_path / "run", shard=(index, 2), carry=True)
    monkeypatch.setenv("LLMOOD_CACHE", str(tmp_path / "here"))
    merged = llmood.merge(tmp_path / "run")
    assert scores(merged) == scores(whole)
    assert list(Store().broken()) == []


def test_of_several_adapters_each_has_its_own(tmp_path: Path) -> None:
    world = write_world(
        tmp_path / "world",
        scorers=["first_state"],
        models={"base": "b", "tuned": [{"adapter": "one"}, {"adapter": "two"}]},
    )
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    names = [name for name in run.scores()["scorer"].unique() if name.startswith("first_state")]
    assert len(names) == 2
    first, second = (scores(run, name) for name in names)
    assert first != second
