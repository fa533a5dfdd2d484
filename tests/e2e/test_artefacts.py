"""Fitted scorers in a run's folder: what is written, what it is good for, and what it is refused for."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import llmood as package
from llmood.errors import ConfigError
from llmood.scorers.artefacts import load_scorer
from tests import worlds
from tests.e2e.test_errors import rows
from tests.worlds import World, llmood, no_model_runs, tree, write_world

SCORERS = [
    *(
        "likelihood",
        "knn",
        "mahalanobis.base",
        "accuracy_probe",
        "gzip_knn",
        "tfidf_knn",
        "ngram_ratio",
        "sage",
    ),
    {"ensemble": {"of": ["likelihood.mean", "length"]}},
    {"rank_average": {"of": ["likelihood_ratio", "gzip_knn"]}},
]
LEARN = ["accuracy_probe", "ensemble", "gzip_knn", "knn", "mahalanobis.base", "ngram_ratio", "rank_average"]
LEARN += ["sage", "tfidf_knn"]
WORDS = {"gzip_knn", "ngram_ratio", "rank_average", "tfidf_knn"}


def labelled(kind: str, count: int) -> list[dict[str, Any]]:
    return [row | {"kind": f"kind {place % 2}"} for place, row in enumerate(rows(kind, count))]


def make_world(folder: Path) -> World:
    splits = {"train": 60, "validation": 40, "test": 50}
    bank = {name: labelled(name, count) for name, count in splits.items()}
    return write_world(
        folder,
        bank,
        labelled("near", 30),
        labelled("far", 30),
        task={"fields": {"references": "answers", "label": "kind"}},
        scorers=SCORERS,
    )


@pytest.fixture
def world(tmp_path: Path, no_report: None) -> World:
    return make_world(tmp_path / "world")


@pytest.fixture(scope="module")
def fitted_run(tmp_path_factory: pytest.TempPathFactory) -> package.Run:
    """A run of the world, with all that it fitted. All tests read this one: who changes a run takes a copy."""
    folder = tmp_path_factory.mktemp("fitted")
    with pytest.MonkeyPatch.context() as patch:
        worlds.no_report(patch)
        return run(make_world(folder / "world"), folder / "run")


def run(world: World, folder: Path, *options: object) -> package.Run:
    outcome = llmood("run", world.config, "-o", folder, *options)
    assert outcome.code == 0, outcome
    return package.Run(folder)


def artefacts(run: package.Run) -> list[str]:
    return sorted(path.name for path in (run.folder / "scorers").glob("*"))


def test_each_gives_the_runs_numbers(fitted_run: package.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    made = fitted_run
    assert artefacts(made) == sorted(LEARN)
    scores = made.scores()
    no_model_runs(monkeypatch)
    for name in LEARN:
        fitted = package.load_scorer(made.folder / "scorers" / name)
        assert fitted.name == name
        again = made.scored_with(fitted)
        own = scores[scores.scorer == name].reset_index(drop=True)
        np.testing.assert_array_equal(again.score.to_numpy(), own.score.to_numpy())
        for column in ("sample_id", "scorer", "status", "reason", "fitted_on", "definition"):
            assert again[column].tolist() == own[column].tolist(), (name, column)
        assert own.score.notna().sum() > 60


def test_scoring_again_writes_them_again(
    fitted_run: package.Run, tmp_path: Path, no_report: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = package.Run(shutil.copytree(fitted_run.folder, tmp_path / "run"))
    before = tree(made.folder / "scorers")
    assert len([name for name in before if name.endswith("scorer.json")]) == len(LEARN)
    (made.folder / "scorers/knn/state.safetensors").write_bytes(b"damaged")
    no_model_runs(monkeypatch)
    assert llmood("rescore", made.folder).code == 0
    assert tree(made.folder / "scorers") == before
    assert llmood("rescore", made.folder, "--set", "scorers=[knn, likelihood]").code == 0
    assert artefacts(made) == ["knn"]
    assert llmood("rescore", made.folder, "--set", "scorers=[likelihood]").code == 0
    assert not (made.folder / "scorers").exists()


def test_what_holds_words_is_written_only_where_the_run_keeps_text(
    fitted_run: package.Run, world: World, tmp_path: Path
) -> None:
    open_, private = fitted_run, run(world, tmp_path / "private", "--no-text")
    assert set(artefacts(private)) == set(LEARN) - WORDS
    with_text, without = tree(open_.folder / "scorers"), tree(private.folder / "scorers")
    for name in without:
        assert without[name] == with_text[name], name
    with pytest.raises(ConfigError, match=r"gzip_knn: reads the prompts' text, and .* kept none"):
        private.scored_with(open_.folder / "scorers/gzip_knn")


def test_it_scores_another_run_of_the_same_model(
    fitted_run: package.Run, world: World, tmp_path: Path
) -> None:
    made = fitted_run
    other = run(world, tmp_path / "other", "--seed", 5, "--limit", 20, "--set", "scorers=[knn]")
    found = other.scored_with(made.folder / "scorers/knn").set_index("sample_id").score
    theirs = made.scores()
    theirs = theirs[theirs.scorer == "knn"].set_index("sample_id").score
    assert 0 < len(found) < len(theirs)
    assert (theirs[found.index] == found).all()
    own = other.scores()
    assert (own[own.scorer == "knn"].set_index("sample_id").score != found).any()  # fitted on fewer rows


def test_another_model_or_other_layers_are_refused(world: World, tmp_path: Path) -> None:
    made = run(world, tmp_path / "run", "--set", "scorers=[knn, knn.base, accuracy_probe]")
    folder = made.folder / "scorers"
    model = run(
        world, tmp_path / "model", "--set", "models.tuned=fake-tuned:weather", "--set", "scorers=[knn]"
    )
    with pytest.raises(ConfigError, match=r"^knn: was fitted with another model as 'tuned'"):
        model.scored_with(folder / "knn")
    layers = run(
        world,
        tmp_path / "layers",
        "--set",
        "hidden_states.layers=0,1",
        "--set",
        "scorers=[{knn: {layer: 1}}]",
    )
    with pytest.raises(ConfigError, match=r"^knn: reads hidden_states.*, and there is only hidden_states"):
        layers.scored_with(folder / "knn")
    none = run(world, tmp_path / "none", "--set", "scorers=[likelihood]")
    with pytest.raises(ConfigError, match=r"^knn.base: reads hidden_states.*, and there is none"):
        none.scored_with(folder / "knn.base")
    origin = load_scorer(folder / "accuracy_probe").origin
    assert set(origin.models) == {"tuned"}
    assert origin.samples["rows"] == made.samples()["split"].isin(["train", "validation"]).sum() > 60
    assert origin.seed == 0


def test_a_link_in_their_place_is_not_followed(world: World, tmp_path: Path) -> None:
    made = run(world, tmp_path / "run", "--set", "scorers=[knn]")
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "mine").mkdir(parents=True)
    (elsewhere / "mine" / "scorer.json").write_text("{}", encoding="utf-8")
    (made.folder / "scorers").rename(tmp_path / "moved")
    (made.folder / "scorers").symlink_to(elsewhere)
    outcome = llmood("rescore", made.folder)
    assert outcome.code == 1
    assert "scorers: is a link" in outcome.err
    assert [path.name for path in elsewhere.rglob("*")] == ["mine", "scorer.json"]
