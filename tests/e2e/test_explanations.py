"""`explanations.json`: why the samples that the report shows have their scores."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import llmood as package
from llmood.report import render_report
from tests import worlds
from tests.unit.report.html_reading import Page
from tests.worlds import LETTERS, WEATHER, World, llmood, no_model_runs, tree, write_world

HOSTILE = "<script>alert(1)</script>"
TEST = [{"text": f"my bank card number {i} for travel", "label": f"intent {i % 3}"} for i in range(12)]
TRAIN = [
    {"text": f"{HOSTILE} my bank card number {i} to travel", "label": f"intent {i % 3}"} for i in range(30)
]
SCORERS = ["likelihood_ratio", "knn", "tfidf_knn", "length"]


def make_world(folder: Path) -> World:
    return write_world(
        folder,
        {"train": TRAIN, "test": TEST},
        [row | {"label": "weather"} for row in WEATHER],
        [row | {"label": "letters"} for row in LETTERS],
        task={"fields": {"label": "label"}},
        scorers=SCORERS,
    )


@pytest.fixture
def world(tmp_path: Path, fresh_cache: Path) -> World:
    return make_world(tmp_path / "world")


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> package.Run:
    """A run of the world, without a page. All tests read this one: who changes a run takes `own`."""
    folder = tmp_path_factory.mktemp("explained")
    with pytest.MonkeyPatch.context() as patch:
        worlds.no_report(patch)
        return made(make_world(folder / "world"), folder / "run")


@pytest.fixture
def own(explained: package.Run, tmp_path: Path) -> package.Run:
    """A copy of `explained` for this test alone."""
    return package.Run(shutil.copytree(explained.folder, tmp_path / "own"))


def made(world: World, folder: Path, *options: object) -> package.Run:
    outcome = llmood("run", world.config, "-o", folder, *options)
    assert outcome.code == 0, outcome
    return package.Run(folder)


def explanations(run: package.Run, kind: str = "neighbour") -> list[dict[str, Any]]:
    found = json.loads((run.folder / "explanations.json").read_text(encoding="utf-8"))
    return [each for each in found if each["kind"] == kind]


def shown(run: package.Run, scorer: str, ood: Sequence[str] = ("near", "far")) -> list[str]:
    """The samples that the report shows, told by scores.parquet alone."""
    scores, samples = run.scores(), run.samples()
    table = scores[scores.scorer == scorer].merge(samples[["sample_id", "task"]], on="sample_id")
    bank = table[table.task == "bank"].sort_values("score", ascending=False, kind="stable").head(8)
    missed = [
        table[table.task == name].sort_values("score", kind="stable").head(5) for name in ("near", "far")
    ]
    return [name for part in (bank, *missed) for name in part.sample_id]


def test_each_shown_sample_has_its_nearest_of_train(explained: package.Run) -> None:
    run = explained
    samples = run.samples().set_index("sample_id")
    scores = run.scores().set_index(["scorer", "sample_id"]).score
    found = explanations(run)
    for scorer in ("knn", "tfidf_knn"):
        own = [each for each in found if each["scorer"] == scorer]
        assert sorted(each["sample_id"] for each in own) == sorted(shown(run, "likelihood_ratio"))
        for each in own:
            assert samples.loc[each["of"], "split"] == "train"
            assert each["distance"] == scores[scorer, each["sample_id"]]  # k is 1
    page = Page(render_report([run.folder]))
    nearest = page.text.count("nearest in train by")
    assert nearest == len(found)
    assert page.text.count(f"{HOSTILE} my bank card number") == nearest
    assert "label: intent" in page.text
    assert "script" not in {tag for tag, _ in page.tags}


def test_the_first_scorer_says_who_is_shown(world: World, tmp_path: Path, no_report: None) -> None:
    run = made(world.edit(scorers=["tfidf_knn"]), tmp_path / "run")
    found = explanations(run)
    assert sorted(each["sample_id"] for each in found) == sorted(shown(run, "tfidf_knn"))


def test_the_tokens_add_up_to_the_score(world: World, tmp_path: Path, no_report: None) -> None:
    """Eight tokens are shown at most: all of them, of the short texts."""
    short = [{"text": text, "label": "x"} for text in ("card", "pay", "bank", f"bank card {HOSTILE}")]
    write_world(
        tmp_path / "world",
        {"train": TRAIN, "test": short},
        [row | {"label": "weather"} for row in WEATHER],
        None,
        task={"fields": {"label": "label"}},
        scorers=["likelihood_ratio.mean", "likelihood_ratio", "likelihood_ratio.response"],
    )
    run = made(world, tmp_path / "run")
    scores = run.scores().set_index(["scorer", "sample_id"]).score
    samples = run.samples().set_index("sample_id")
    found = explanations(run, "tokens")
    assert {each["scorer"] for each in found} == {"likelihood_ratio.mean", "likelihood_ratio.response"}
    own = [each for each in found if each["scorer"] == "likelihood_ratio.mean"]
    assert sorted(each["sample_id"] for each in own) == sorted(shown(run, "likelihood_ratio.mean", ("near",)))
    complete = 0
    for each in own:
        places = [token["place"] for token in each["tokens"]]
        assert places == sorted(places)
        assert len(places) <= 8
        prompt = samples.loc[each["sample_id"], "prompt"]
        assert all(token["text"].strip() in prompt for token in each["tokens"])
        if len(places) < 8:
            complete += 1
            total = sum(token["value"] for token in each["tokens"])
            assert total == pytest.approx(scores["likelihood_ratio.mean", each["sample_id"]], rel=1e-6)
    assert complete > 0
    page = Page(render_report([run.folder]))
    assert "most telling tokens by likelihood_ratio.mean + makes it more OOD" in page.text
    assert {attributes.get("class") for tag, attributes in page.tags if tag == "li"} >= {"up s3", "down s3"}
    assert "script" not in {tag for tag, _ in page.tags}


def test_scoring_again_tells_the_tokens_of_other_samples(
    own: package.Run, no_report: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = own
    no_model_runs(monkeypatch)
    assert llmood("rescore", run.folder, "--set", "scorers=[length, tfidf_knn, likelihood_ratio]").code == 0
    found = explanations(run, "tokens")
    assert sorted(each["sample_id"] for each in found) == sorted(shown(run, "tfidf_knn"))
    (run.folder / "observations/pieces.json").unlink()
    assert llmood("rescore", run.folder).code == 0
    assert not explanations(run, "tokens")
    assert explanations(run)


def test_scoring_again_writes_it_again(
    own: package.Run, no_report: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = own
    path = run.folder / "explanations.json"
    before = path.read_bytes()
    path.write_text("[]", encoding="utf-8")
    no_model_runs(monkeypatch)
    assert llmood("rescore", run.folder).code == 0
    assert path.read_bytes() == before
    assert llmood("rescore", run.folder, "--set", "scorers=[length, random]").code == 0
    assert not path.exists()
    assert "nearest in train" not in render_report([run.folder])


def test_without_text_no_words_are_shown(world: World, tmp_path: Path) -> None:
    run = made(world, tmp_path / "run", "--no-text")
    assert {each["scorer"] for each in explanations(run)} == {"knn", "tfidf_knn"}
    assert not explanations(run, "tokens")
    assert not (run.folder / "observations/pieces.json").exists()
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "nearest in train" not in page
    assert "telling" not in Page(page).text
    assert not [name for name, content in tree(run.folder).items() if b"card number" in content]


def test_a_run_without_the_file_is_shown_without(own: package.Run, tmp_path: Path) -> None:
    (own.folder / "explanations.json").unlink()
    assert llmood("report", own.folder, "-o", tmp_path / "page").code == 0
    assert "nearest in train" not in (tmp_path / "page/report.html").read_text(encoding="utf-8")
