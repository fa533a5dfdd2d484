"""A run cut into shards for several machines, and merged: it is the run that was never cut."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import llmood as package
from llmood.engines.base import Captured, Request
from llmood.engines.fake import FakeEngine
from llmood.errors import ConfigError, StoreError, UnfinishedError
from llmood.records import CaptureSpec
from tests.e2e.test_damaged_files import damages
from tests.nli_models import save_cross_encoder
from tests.worlds import BANK, LETTERS, WEATHER, World, llmood, no_model_runs, refused, tree, write_world

pytestmark = pytest.mark.usefixtures("fresh_cache", "no_report")

SCORERS = [
    "likelihood_ratio",
    "likelihood.response",
    "likelihood_ratio.response_given_prompt.mean",
    "gzip_knn",
]
TRAIN = [{"text": f"an earlier question {i} about a bank card", "label": f"intent{i % 3}"} for i in range(30)]
# What is the same to the byte; `run.json`, the report and the index say where it was made.
SAME = ("samples.parquet", "scores.parquet", "metrics.json", "checks.json", "rejects.jsonl")
FIELDS = {"label": "label", "group": "group"}


def grouped(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"label": "none", **row, "group": f"document {place // 2}"} for place, row in enumerate(rows)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """With rows that scorers learn from, rows that go together, a text in two tasks, and one that can't be read."""
    bank = {"train": grouped(TRAIN), "test": [*grouped(BANK), '{"text": 5}']}
    near = grouped([*WEATHER, BANK[3]])
    return write_world(
        tmp_path / "world",
        bank=bank,
        near=near,
        far=grouped(LETTERS),
        task={"fields": FIELDS},
        scorers=SCORERS,
    )


@pytest.fixture
def small(tmp_path: Path) -> World:
    return write_world(tmp_path / "small", far=None, scorers=["likelihood_ratio", "likelihood.response"])


def observe(world: World, run: Path, count: int, *options: object, only: Sequence[int] | None = None) -> None:
    for index in range(count) if only is None else only:
        outcome = llmood("run", world.config, "-o", run, "--shard", f"{index}/{count}", *options)
        assert outcome.code == 0, outcome


def same(merged: Path, whole: Path) -> None:
    ours, theirs = tree(merged), tree(whole)
    for name in SAME:
        assert ours[name] == theirs[name], name
    for name in ("explanations.json", "observations/pieces.json"):  # none where no scorer explains
        assert ours.get(name) == theirs.get(name), name
    tables = [
        pq.read_table(run / "observations" / "index.parquet").drop_columns(["shard", "row"])
        for run in (merged, whole)
    ]
    assert tables[0].equals(tables[1])
    one, other = (json.loads(tree[name]) for tree, name in ((ours, "run.json"), (theirs, "run.json")))
    differing = {key for key in {*one, *other} if one.get(key) != other.get(key)}
    assert differing <= {"name", "command", "started", "resumed", "shards"}


@pytest.mark.parametrize("count", [1, 3, 14])
@pytest.mark.parametrize("options", [(), ("--no-text",)], ids=["text", "no text"])
def test_the_merged_run_is_the_uncut_one(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, options: tuple[str, ...]
) -> None:
    if options:
        world.edit(scorers=SCORERS[:3])  # none that reads the text
    if count == 14:  # more shards than samples
        world.edit(limit=3)
    observe(world, tmp_path / "run", count, *options)
    with monkeypatch.context() as patch:
        no_model_runs(patch)
        world.folder.rename(tmp_path / "elsewhere")  # neither data nor tasks are read for it
        outcome = llmood("merge", tmp_path / "run")
        (tmp_path / "elsewhere").rename(world.folder)
    monkeypatch.setenv("LLMOOD_CACHE", str(tmp_path / "another"))
    whole = llmood("run", world.config, "-o", tmp_path / "whole", *options)
    assert outcome.code == whole.code == 1  # a row can't be read
    assert outcome.out == whole.out.replace(str(tmp_path / "whole"), str(tmp_path / "run"))
    same(tmp_path / "run", tmp_path / "whole")
    shards = package.Run(tmp_path / "run").manifest["shards"]
    assert [shard["index"] for shard in shards] == list(range(count))
    assert sum(shard["samples"] for shard in shards) == package.Run(tmp_path / "run").samples().shape[0]


@pytest.mark.slow
def test_answers_that_a_model_compared_are_merged_as_often_as_one_likes(
    small: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.edit(scorers=["semantic_entropy", "self_consistency.answer"], generations={"n": 3}, limit=6)
    options = ("--set", f"models.nli={save_cross_encoder(tmp_path / 'nli')}")
    observe(small, tmp_path / "run", 2, *options)
    assert llmood("merge", tmp_path / "run").code == 0
    with monkeypatch.context() as patch:
        patch.setenv("LLMOOD_CACHE", str(tmp_path / "another"))
        assert llmood("run", small.config, "-o", tmp_path / "whole", *options).code == 0
    same(tmp_path / "run", tmp_path / "whole")
    made = package.Run(tmp_path / "run").manifest
    assert made["nli"]["identity"]
    assert sum(counts["asked"] for counts in made["compared"].values()) > 0
    assert llmood("merge", tmp_path / "run").code == 0


def test_each_text_is_sent_once_whatever_the_shards(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, tuple[int, ...]]] = []
    honest = FakeEngine.capture

    def capture(self: FakeEngine, spec: CaptureSpec, requests: Sequence[Request]) -> list[Captured]:
        # An answer alone is another matter: two prompts may have the same.
        sent.extend((spec.id, request.token_ids) for request in requests if spec.target != "response")
        return honest(self, spec, requests)

    monkeypatch.setattr(FakeEngine, "capture", capture)
    for index in range(5):
        monkeypatch.setenv("LLMOOD_CACHE", str(tmp_path / f"store{index}"))
        observe(world, tmp_path / "run", 5, only=[index])
    sharded = sorted(sent)
    sent.clear()
    monkeypatch.setenv("LLMOOD_CACHE", str(tmp_path / "whole-store"))
    assert llmood("run", world.config, "-o", tmp_path / "whole").code == 1
    assert sharded == sorted(sent)
    assert len(set(sent)) == len(sent)


def test_what_a_shard_says(world: World, tmp_path: Path) -> None:
    outcome = llmood("run", world.config, "-o", tmp_path / "run", "--shard", "1/4")
    assert outcome.code == 0  # the row that can't be read is the run's
    assert "status: complete" in outcome.out
    assert "warning: 1 rows can't be read" in outcome.out
    assert f"when all 4 are there: llmood merge {tmp_path / 'run'}" in outcome.out
    found = llmood("run", world.config, "-o", tmp_path / "run", "--shard", "1/4", "--json").json()
    assert (found["shard"], found["status"], found["of"], found["rejects"]) == ("1/4", "complete", 79, 1)
    responses = next(row for row in found["captures"] if row["capture"].startswith("response/"))
    # A quarter of the 60 texts that are measured, of which one stands in two tasks; what a scorer learns from is not
    # answered.
    assert responses == {"capture": responses["capture"], "ok": 16, "unscored": 0, "failed": 0}
    assert set(tree(tmp_path / "run")) == {
        f"shards/1-of-4/{name}"
        for name in (
            *(".lock", "shard.json", "samples.parquet", "rejects.jsonl"),
            *("observations/index.parquet", "observations/pieces.json"),
        )
    }


def test_the_dry_run_of_a_shard(small: World, tmp_path: Path) -> None:
    options = ("-o", tmp_path / "run", "--shard", "0/4", "--dry-run")
    outcome = llmood("run", small.config, *options)
    assert outcome.code == 0
    assert "of these, shard 0/4: 11 of 44 samples read" in outcome.out
    assert not (tmp_path / "run").exists()
    found = llmood("run", small.config, *options, "--json").json()
    assert found["shard"] == {"index": 0, "count": 4, "samples": 11, "of": 44}
    assert {capture["requests"] for capture in found["captures"]} == {11}
    observe(small, tmp_path / "run", 4, only=[0])
    found = llmood("run", small.config, *options, "--json").json()
    # What needs an answer is counted too, once all answers are there; the empty ones ask for nothing.
    assert all(capture["cached"] == capture["requests"] > 0 for capture in found["captures"])
    refused(llmood("run", small.config, "-o", tmp_path / "run", "--shard", "0/3", "--dry-run"), "in 4 shards")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--shard", "4/4"), ("--shard 4/4", "counted from 0", "0/4 to 3/4")),
        (("--shard", "half"), ("--shard half: can't be read", "0/4, the first of four")),
        (("--shard", "0/0"), ("at least one shard",)),
        (("--shard", "0/2", "--gate", "auroc > 0.5"), ("--gate", "'llmood merge' takes --gate")),
        (("--carry",), ("--carry: is for a shard",)),
    ],
)
def test_mistakes_with_a_shard(
    small: World, tmp_path: Path, options: tuple[str, ...], words: Sequence[str]
) -> None:
    for dry in ((), ("--dry-run",)):
        refused(llmood("run", small.config, "-o", tmp_path / "run", *options, *dry), *words)
    assert not (tmp_path / "run").exists()


def test_a_private_shard_keeps_no_text_for_the_merge(world: World, tmp_path: Path) -> None:
    options = ("-o", tmp_path / "run", "--shard", "0/2", "--no-text")
    for dry in ((), ("--dry-run",)):
        refused(llmood("run", world.config, *options, *dry), "gzip_knn reads the prompts' text", "--no-text")
    assert not (tmp_path / "run").exists()


def test_a_folder_is_of_one_run(small: World, tmp_path: Path) -> None:
    run = tmp_path / "run"
    observe(small, run, 2, only=[0])
    before = tree(run)
    for options in (("--shard", "1/2", "--seed", 1), ("--seed", 1), ("--shard", "0/2", "--seed", 1)):
        refused(llmood("run", small.config, "-o", run, *options), "another configuration: seed was 0, now 1")
    refused(llmood("run", small.config, "-o", run, "--shard", "0/3"), "holds a run in 2 shards, not in 3")
    with (small.folder / "near" / "test.jsonl").open("a") as stream:
        stream.write('{"text": "one more"}\n')
    refused(llmood("run", small.config, "-o", run, "--shard", "0/2"), "other weights or data")
    assert {name: content for name, content in tree(run).items() if ".lock" not in name} == {
        name: content for name, content in before.items() if ".lock" not in name
    }


def test_a_shard_is_no_run(small: World, tmp_path: Path) -> None:
    run = tmp_path / "run"
    observe(small, run, 2)
    for folder, words in ((run, "not merged yet"), (run / "shards" / "0-of-2", "is one shard of a run")):
        for verb in (
            ("report", folder),
            ("rescore", folder),
            ("cache", "export", folder),
            ("compare", folder, folder),
        ):
            refused(llmood(*verb), words, "'llmood merge")


def test_a_shard_that_is_missing_or_not_finished(
    small: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    refused(llmood("merge", run), "no shard is there", "--shard 0/4")
    monkeypatch.setattr("sys.argv", ["llmood", "run", "a b.yaml", "--shard", "0/4", "-o", str(run)])
    observe(small, run, 4, only=[0, 2])
    outcome = llmood("merge", run)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == (
        "llmood: shard 1/4 is missing; shard 3/4 is missing "
        f"('llmood run 'a b.yaml' --shard 1/4 -o {run}' makes shard 1/4)\n"
    )
    monkeypatch.setattr("sys.argv", ["llmood", "run", "a b.yaml", "--shard=1/4", "-o", str(run)])
    observe(small, run, 4, only=[1])
    with monkeypatch.context() as patch:
        patch.setattr(FakeEngine, "capture", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        patch.setenv("LLMOOD_CACHE", str(tmp_path / "another"))
        assert llmood("run", small.config, "-o", run, "--shard", "1/4").code == 130
    observe(small, run, 4, only=[3])
    outcome = llmood("merge", run)
    assert (outcome.code, outcome.out) == (1, "")
    assert "shard 1/4 is not finished (interrupted)" in outcome.err
    assert "--shard=1/4" in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (run / "run.json").exists()
    observe(small, run, 4, only=[1])
    assert llmood("merge", run).code == 0


def test_many_missing_shards_are_one_line(small: World, tmp_path: Path) -> None:
    observe(small, tmp_path / "run", 400, only=[7])
    outcome = llmood("merge", tmp_path / "run")
    assert outcome.code == 1
    assert (
        "shard 0/400 is missing; shard 1/400 is missing; shard 2/400 is missing; and 396 more" in outcome.err
    )
    assert outcome.err.count("\n") == 1


def change(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    known = json.loads(path.read_text())
    edit(known)
    path.write_text(json.dumps(known))


def test_shards_of_other_runs_are_named(small: World, tmp_path: Path) -> None:
    run = tmp_path / "run"
    observe(small, run, 3)
    first, second, third = (run / "shards" / f"{index}-of-3" / "shard.json" for index in range(3))
    kept = {path: path.read_bytes() for path in (first, second, third)}

    def other_weights(known: dict[str, Any]) -> None:
        known["models"]["base"]["identity"]["model"] = "another"

    def other_data(known: dict[str, Any]) -> None:
        known["tasks"][1]["source"]["files"]["test"]["digest"] = "0" * 32
        known["shard"]["digest"] = "1" * 32

    change(second, other_weights)
    change(third, other_data)
    outcome = llmood("merge", run)
    assert (outcome.code, outcome.out) == (2, "")
    weights, data = outcome.err.splitlines()
    assert weights.endswith(
        'shard 1/3 is of another run than shard 0/3: models.base.identity.model is "another", not "fake"'
    )
    assert data.startswith(
        f'shard 2/3 is of another run than shard 0/3: tasks.near.source.files.test.digest is "{"0" * 32}", not "'
    )
    assert data.endswith("(and 1 more)")
    for path, content in kept.items():
        path.write_bytes(content)
    change(second, lambda known: known["versions"].update(llmood="9.9"))
    refused(llmood("merge", run), 'shard 1/3 is of another run than shard 0/3: versions.llmood is "9.9"')
    for path in (first, third):
        change(path, lambda known: known["versions"].update(llmood="9.9"))
    refused(llmood("merge", run), "was made by llmood 9.9, and this is llmood")
    assert not (run / "run.json").exists()


def test_folders_of_several_machines(
    small: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_cache: Path
) -> None:
    """Each with a file system and a store of its own."""
    for index in range(3):
        monkeypatch.setenv("LLMOOD_CACHE", str(tmp_path / f"store{index}"))
        observe(small, tmp_path / f"machine{index}", 3, only=[index])
    machines = [tmp_path / f"machine{index}" for index in range(3)]
    monkeypatch.setenv("LLMOOD_CACHE", str(fresh_cache))
    outcome = llmood("merge", *machines, "-o", tmp_path / "run")
    assert (outcome.code, outcome.out) == (1, "")
    assert "shard 0/3: 4 of its 4 files of observations are not in the store here" in outcome.err
    assert "--carry" in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "run").exists()
    # The remedy works: what is there already is not run again, and what is copied is all that is needed.
    for index, machine in enumerate(machines):
        monkeypatch.setenv("LLMOOD_CACHE", str(tmp_path / f"store{index}"))
        with monkeypatch.context() as patch:
            no_model_runs(patch)
            observe(small, machine, 3, "--carry", only=[index])
        shutil.rmtree(tmp_path / f"store{index}")
    monkeypatch.setenv("LLMOOD_CACHE", str(fresh_cache))
    assert llmood("merge", *machines, "-o", tmp_path / "run").code == 0
    assert llmood("cache", "verify").code == 0
    for machine in machines:
        shutil.rmtree(machine)
    assert llmood("rescore", tmp_path / "run").code == 0
    monkeypatch.setenv("LLMOOD_CACHE", str(tmp_path / "another"))
    assert llmood("run", small.config, "-o", tmp_path / "whole").code == 0
    same(tmp_path / "run", tmp_path / "whole")


def test_shards_are_named_by_their_own_folders(small: World, tmp_path: Path) -> None:
    observe(small, tmp_path / "a", 2)
    observe(small, tmp_path / "b", 3, only=[0])
    one, two = (tmp_path / "a" / "shards" / f"{index}-of-2" for index in range(2))
    refused(llmood("merge", two, one), "is one shard, and where the run goes is not said", "-o")
    assert llmood("merge", two, one, "-o", tmp_path / "run").code == 0
    # One that is there twice is taken once.
    assert llmood("merge", tmp_path / "a", one, two).code == 0
    same(tmp_path / "a", tmp_path / "run")
    refused(llmood("merge", tmp_path / "a", tmp_path / "b"), "shards of 2 and of 3: they are not of one run")
    refused(llmood("merge", two, "-o", tmp_path / "run", "--gate", "auroc"), "can't be read")
    assert llmood("merge", tmp_path / "a", "--gate", "auroc[scorer=constant] > 0.9").code == 3


def test_a_merged_run_is_a_run(small: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    observe(small, run, 3)
    assert llmood("merge", run).code == 0
    before = tree(run)
    with monkeypatch.context() as patch:
        no_model_runs(patch)
        patch.setattr("llmood.run.write_report", lambda *_, **__: None)
        assert llmood("rescore", run, "--set", "scorers=[likelihood.base]").code == 0
        assert llmood("rescore", run).code == 0
        assert llmood("report", run).code == 0
        assert llmood("compare", run, "--scorers", "likelihood_ratio,likelihood.response").code == 0
        assert llmood("cache", "export", run, "-o", tmp_path / "export").code == 0
        assert llmood("import", tmp_path / "export", "-o", tmp_path / "imported").code == 0
        # Merging again, or the command that makes it uncut, changes nothing.
        for command in (("merge", run), ("run", small.config, "-o", run)):
            assert llmood(*command).code == 0
            after = tree(run)
            assert {name for name in before if before[name] != after[name]} <= {"run.json"}
    assert package.Run(run).manifest["shards"] is None  # made uncut at last
    scores = tree(tmp_path / "imported")["scores.parquet"]
    assert scores == before["scores.parquet"]


def test_a_run_of_other_content_is_not_replaced(small: World, tmp_path: Path) -> None:
    observe(small, tmp_path / "old", 1)
    assert llmood("merge", tmp_path / "old", "-o", tmp_path / "run").code == 0
    with (small.folder / "near" / "test.jsonl").open("a") as stream:
        stream.write('{"text": "one more"}\n')
    observe(small, tmp_path / "new", 1)
    before = tree(tmp_path / "run")
    outcome = llmood("merge", tmp_path / "new", "-o", tmp_path / "run")
    refused(outcome, "holds a complete run of the same configuration with other weights or data")
    assert tree(tmp_path / "run") == before
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.txt").write_text("mine")
    refused(llmood("merge", tmp_path / "new", "-o", tmp_path / "foreign"), "holds no run")


def test_failed_samples_of_a_shard(small: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, honest = tmp_path / "run", FakeEngine.capture

    def capture(self: FakeEngine, spec: CaptureSpec, requests: Sequence[Request]) -> list[Captured]:
        done = honest(self, spec, requests)
        return [Captured({}, "failed", "out of luck"), *done[1:]] if spec.model == "base" else done

    observe(small, run, 2, only=[0])
    with monkeypatch.context() as patch:
        patch.setattr(FakeEngine, "capture", capture)
        outcome = llmood("run", small.config, "-o", run, "--shard", "1/2")
    assert outcome.code == 1
    assert "status: partial" in outcome.out
    lines = [line.split() for line in outcome.out.splitlines()]
    assert ["prompt_logprobs/base/prompt", "21", "0", "1"] in lines
    # It can be merged, as the uncut run would go on without them.
    outcome = llmood("merge", run)
    assert outcome.code == 1
    assert "out of luck" in outcome.out
    assert (package.Run(run).scores()["status"] == "failed").sum() == 1
    # The same command tries them again.
    observe(small, run, 2, only=[1])
    assert llmood("merge", run).code == 0


@pytest.mark.parametrize(
    "name", ["shard.json", "samples.parquet", "observations/index.parquet", "rejects.jsonl"]
)
def test_a_damaged_shard(world: World, tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    observe(world, run, 2)
    path = run / "shards" / "0-of-2" / name
    for way in damages(path):
        if name == "rejects.jsonl" and way == "empty":
            continue  # a file of no rejects
        outcome = llmood("merge", run)
        assert outcome.code in (1, 2), way
        assert outcome.out == "", way
        assert outcome.err.count("\n") == 1, (way, outcome.err)
        assert not (run / "run.json").exists(), way
    path.unlink()
    outcome = llmood("merge", run)
    assert outcome.code in (1, 2)
    assert outcome.err.count("\n") == 1
    assert not (run / "run.json").exists()


@pytest.mark.parametrize("file", ["samples.parquet", "observations/index.parquet"])
def test_shards_that_were_swapped(small: World, tmp_path: Path, file: str) -> None:
    run = tmp_path / "run"
    observe(small, run, 2)
    one, two = (run / "shards" / f"{index}-of-2" / file for index in range(2))
    shutil.copy(one, two)
    outcome = llmood("merge", run)
    assert outcome.code == 1
    assert "is damaged" in outcome.err
    assert "run that shard again" in outcome.err


def test_an_index_of_another_shard_that_counts_alike(small: World, tmp_path: Path) -> None:
    run = tmp_path / "run"
    observe(small, run, 2)
    one, two = (run / "shards" / f"{index}-of-2" for index in range(2))
    shutil.copy(one / "observations/index.parquet", two / "observations/index.parquet")
    theirs, ours = (json.loads((shard / "shard.json").read_text()) for shard in (one, two))
    (two / "shard.json").write_text(json.dumps({**ours, "observed": theirs["observed"]}))
    outcome = llmood("merge", run)
    assert outcome.code == 1
    assert (
        "1-of-2/observations/index.parquet: is damaged: it names samples that are not this shard's"
        in outcome.err
    )


def test_damage_is_told_of_the_file_that_a_shard_has(small: World, tmp_path: Path) -> None:
    run = tmp_path / "run"
    observe(small, run, 2)
    shard = run / "shards" / "0-of-2"
    made = json.loads((shard / "shard.json").read_text())
    del made["tasks"]
    (shard / "shard.json").write_text(json.dumps(made))
    outcome = llmood("merge", run)
    assert outcome.code == 1
    assert "0-of-2/shard.json: is damaged: it lacks tasks" in outcome.err
    assert f"remove {shard} and run that shard again" in outcome.err
    assert "run.json" not in outcome.err


def test_from_python(small: World, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shard = package.evaluate(small.config, output_dir=run, shard=(1, 2))
    assert shard.status == "complete"
    assert repr(shard) == f"ShardRun('{run}/shards/1-of-2', complete)"
    assert len(shard.samples()) == shard.manifest["shard"]["samples"] == 22
    assert shard.config.seed == 0
    for read in (shard.scores, shard.metrics, shard.checks):
        with pytest.raises(ConfigError, match="this is one shard of a run: 'llmood merge'"):
            read()
    with pytest.raises(UnfinishedError, match=r"shard 0/2 is missing.*llmood\.evaluate\(…, shard=\(0, 2\)\)"):
        package.merge(run)
    package.evaluate(small.config, output_dir=run, shard=(0, 2))
    merged = package.merge(run, progress=None, command=["mine"])
    assert merged.status == "complete"
    assert merged.manifest["command"] == ["mine"]
    assert merged.manifest["name"] == "small"
    with pytest.raises(ConfigError, match="counted from 0"):
        package.evaluate(small.config, output_dir=run, shard=(2, 2))
    assert llmood("cache", "prune", "--all").code == 0
    with pytest.raises(StoreError, match="shard 0/2: 4 of its 4 files"):
        package.merge(run)
