"""The verbs that look: ls, cache, doctor, report, and the dry run."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
import yaml

from tests.worlds import BANK, World, llmood, no_model_runs, no_report, refused, tree, write_world


@pytest.fixture
def world(tmp_path: Path) -> World:
    return write_world(tmp_path / "world")


@pytest.fixture
def _plain_report(monkeypatch: pytest.MonkeyPatch) -> None:
    no_report(monkeypatch)


@pytest.mark.parametrize(
    ("what", "key", "some"),
    [
        ("tasks", "task", {"clinc150", "banking77", "rt_polarity", "gsm8k"}),
        ("benchmarks", "benchmark", {"clinc150"}),
        ("scorers", "scorer", {"likelihood_ratio.response.mean", "likelihood.base", "perplexity", "length"}),
        ("metrics", "metric", {"auroc", "aupr_ood", "fpr_at_95tpr_ood", "precision_at_1pct"}),
        ("engines", "engine", {"fake", "transformers"}),
    ],
)
def test_ls(what: str, key: str, some: set[str]) -> None:
    rows = llmood("ls", what, "--json").json()
    names = [row[key] for row in rows]
    assert some <= set(names)
    assert len(set(names)) == len(names)
    assert all(
        row["summary" if what == "scorers" else "captures"] for row in rows if what in {"scorers", "engines"}
    )
    lines = llmood("ls", what).out.splitlines()
    assert lines[0].split()[0] == key
    first = [line.split()[0] for line in lines[1:] if not line.startswith(" ")]
    # Variants of a scorer share a line, as far as they are one class; otherwise it is a line a name.
    if what == "scorers":
        first, names = (list(dict.fromkeys(name.partition(".")[0] for name in own)) for own in (first, names))
    assert first == names


def test_ls_finds_what_lies_in_an_include_path(world: World) -> None:
    spec = yaml.safe_load(world.config.read_text())["benchmark"]
    (world.folder / "small-benchmark.yaml").write_text(yaml.safe_dump({**spec, "name": "ours"}))
    assert "bank" in llmood("ls", "tasks", "--include-path", world.folder).out
    assert "ours" in llmood("ls", "benchmarks", "--include-path", world.folder).out
    assert "bank" not in [row["task"] for row in llmood("ls", "tasks", "--json").json()]
    refused(llmood("ls", "tasks", "--include-path", "nowhere"), "--include-path nowhere: no such folder")


@pytest.mark.parametrize("verb", [(), ("ls",), ("cache",)])
def test_without_a_verb_there_is_help(verb: tuple[str, ...]) -> None:
    outcome = llmood(*verb)
    assert outcome.code == 2
    assert "Usage" in outcome.out + outcome.err


def test_version() -> None:
    from importlib.metadata import version

    assert llmood("--version").out == version("llmood") + "\n"


def test_the_dry_run_says_what_would_be_run_and_writes_nothing(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_model_runs(monkeypatch)
    target = tmp_path / "run"
    outcome = llmood("run", world.config, "-o", target, "--dry-run")
    assert (outcome.code, outcome.err) == (0, "")
    for said in (
        BANK[0]["text"],
        "tokens",
        "prompt_logprobs/base/prompt",
        "in store",
        "in all about",
        str(target),
    ):
        assert said in outcome.out
    found = llmood("run", world.config, "-o", target, "--dry-run", "--json").json()
    assert found["run"] == str(target)
    assert [(task["name"], task["samples"]) for task in found["tasks"]] == [
        ("bank", 24),
        ("near", 20),
        ("far", 16),
    ]
    assert found["tasks"][0]["tokens"] == sum(len(row["text"]) + 1 for row in BANK)
    assert {(cost["requests"], cost["cached"]) for cost in found["captures"]} == {(60, 0)}
    assert not target.exists()
    assert not list(tmp_path.rglob("*.parquet"))


@pytest.mark.usefixtures("_plain_report")
def test_the_dry_run_of_a_finished_run(world: World, tmp_path: Path, fresh_cache: Path) -> None:
    target = tmp_path / "run"
    assert llmood("run", world.config, "-o", target).code == 0
    before = tree(target), tree(fresh_cache)
    found = llmood("run", world.config, "-o", target, "--dry-run", "--json").json()
    assert {(cost["requests"], cost["cached"], cost["tokens"]) for cost in found["captures"]} == {(60, 60, 0)}
    assert (tree(target), tree(fresh_cache)) == before
    refused(
        llmood("run", world.config, "-o", target, "--dry-run", "--limit", 3), "another configuration", "-o"
    )


@pytest.mark.usefixtures("_plain_report")
def test_cache(world: World, tmp_path: Path, fresh_cache: Path) -> None:
    assert llmood("cache", "ls", "--json").json() == []
    assert llmood("run", world.config, "-o", tmp_path / "run").code == 0
    rows = llmood("cache", "ls", "--json").json()
    assert [(row["capture"], row["engine"], row["rows"], row["shards"]) for row in rows] == [
        ("prompt_logprobs/prompt", "fake", 60, 1)
    ] * 2
    assert "60" in llmood("cache", "ls").out
    assert llmood("cache", "verify", "--json").json() == {"shards": 2, "broken": []}

    exported = llmood("cache", "export", tmp_path / "run", "--json").json()
    assert [file["rows"] for file in exported] == [60, 60, 60]  # two captures, and the samples
    assert all(Path(file["file"]).is_file() for file in exported)
    assert (tmp_path / "run" / "observations" / "export").is_dir()

    refused(llmood("cache", "prune"), "say what to remove", "--all")
    before = tree(fresh_cache)
    assert "would remove 2 files" in llmood("cache", "prune", "--all", "--dry-run").out
    assert "removed 0 files" in llmood("cache", "prune", "--older-than", 1).out
    assert tree(fresh_cache) == before
    pruned = llmood("cache", "prune", "--all", "--json").json()
    assert (pruned["removed"], len(pruned["files"])) == (True, 2)
    assert pruned["bytes"] > 0
    assert llmood("cache", "ls", "--json").json() == []


@pytest.mark.usefixtures("_plain_report")
def test_old_shards_are_pruned(world: World, tmp_path: Path, fresh_cache: Path) -> None:
    assert llmood("run", world.config, "-o", tmp_path / "run").code == 0
    old = next(fresh_cache.rglob("*.parquet"))
    then = time.time() - 3 * 86_400
    os.utime(old, (then, then))
    assert llmood("cache", "prune", "--older-than", 2, "--json").json()["files"] == [str(old)]


@pytest.mark.usefixtures("_plain_report")
def test_a_damaged_shard_is_found_and_made_anew(world: World, tmp_path: Path, fresh_cache: Path) -> None:
    run = tmp_path / "run"
    assert llmood("run", world.config, "-o", run).code == 0
    scores = tree(run)["scores.parquet"]
    shard = next(fresh_cache.rglob("*.parquet"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    verified = llmood("cache", "verify")
    assert verified.code == 1
    assert str(shard) in verified.out
    assert "prune --broken" in verified.err
    assert [file["file"] for file in llmood("cache", "verify", "--json").json()["broken"]] == [str(shard)]
    outcome = llmood("rescore", run)
    assert (outcome.code, outcome.err.count("\n")) == (1, 1)
    assert "llmood run" in outcome.err
    assert llmood("cache", "prune", "--broken", "--json").json()["files"] == [str(shard)]
    assert llmood("cache", "verify").code == 0
    assert llmood("run", world.config, "-o", run).code == 0
    assert tree(run)["scores.parquet"] == scores


def test_doctor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from llmood.cli import doctor

    monkeypatch.setattr(doctor, "_device", lambda: doctor.Finding("device", "ok", "none asked"))
    monkeypatch.setattr(doctor, "LEAST_DISK_GIB", 0)
    outcome = llmood("doctor", "--json")
    found = {row["what"]: row["state"] for row in outcome.json()}
    assert outcome.code == 0
    assert found["python"] == found["numpy"] == found["store"] == "ok"
    assert found["LLMOOD_DATA"] == "not set"  # the tests take it away
    assert found["hub"] == "not tried"  # no network is asked
    assert set(found.values()) <= {"missing", "not set", "not tried", "ok"}
    assert len(llmood("doctor").out.splitlines()) == len(found) + 1

    monkeypatch.setenv("LLMOOD_DATA", str(tmp_path / "nowhere"))
    wrong = llmood("doctor")
    assert wrong.code == 1
    assert f"{tmp_path / 'nowhere'}: no such folder" in wrong.out
    monkeypatch.setenv("LLMOOD_DATA", str(tmp_path))
    monkeypatch.setenv("LLMOOD_CACHE", "/proc/llmood")
    wrong = llmood("doctor", "--json")
    assert wrong.code == 1
    assert [row["what"] for row in wrong.json() if row["state"] == "wrong"] == ["store"]


@pytest.mark.parametrize(("threads", "words"), [(1, "cpu, 1 thread"), (3, "cpu, 3 threads")])
def test_doctor_counts_threads(monkeypatch: pytest.MonkeyPatch, threads: int, words: str) -> None:
    from llmood.cli import doctor

    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.get_num_threads", lambda: threads)
    assert doctor._device() == ("device", "ok", words)


@pytest.mark.usefixtures("_plain_report")
def test_report_goes_where_it_is_told(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[list[Path], Path]] = []
    monkeypatch.setattr(
        "llmood.report.write_report", lambda runs, path, **_: written.append((list(runs), path))
    )
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, seed in ((one, 0), (two, 1)):
        assert llmood("run", world.config, "-o", folder, "--seed", seed).code == 0
    assert llmood("report", one).out == f"{one / 'report.html'}\n"
    assert llmood("report", one, two, "-o", tmp_path / "pages", "--json").json() == {
        "report": str(tmp_path / "pages" / "report.html"),
        "runs": [str(one), str(two)],
        "gates": [],
    }
    assert written == [([one], one / "report.html"), ([one, two], tmp_path / "pages" / "report.html")]
    refused(llmood("report", one, tmp_path / "nowhere"), "nowhere", "is no run folder")


def test_report_writes_a_page(world: World, tmp_path: Path) -> None:
    assert llmood("run", world.config, "-o", tmp_path / "run").code == 0
    page = tmp_path / "run" / "report.html"
    made = page.read_bytes()
    page.unlink()
    assert llmood("report", tmp_path / "run").code == 0
    assert page.read_bytes() == made
    assert "likelihood_ratio" in page.read_text()
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "complete"


FAKE = (
    "--set",
    "engine={kind: fake}",
    "--set",
    "models.base=fake",
    "--set",
    "models.tuned.model=fake-tuned:gate",
)


@pytest.mark.usefixtures("_plain_report")
def test_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The built-in world, with the fake engine in place of its models."""
    monkeypatch.chdir(tmp_path)
    dry = llmood("demo", *FAKE, "--limit", 5, "--dry-run", "--json")
    assert dry.code == 0
    assert dry.json()["run"] == "runs/demo"
    tasks = [task["name"] for task in dry.json()["tasks"]]
    assert tasks[0] == "demo"
    assert {task["shift"] for task in dry.json()["tasks"]} == {"none", "near", "far", "covariate"}
    assert not (tmp_path / "runs").exists()
    outcome = llmood("demo", *FAKE, "--limit", 5, "--set", "bootstrap.draws=100")
    assert outcome.code == 0
    assert all(task in outcome.out for task in tasks)
    assert "likelihood_ratio" in outcome.out
    assert (tmp_path / "runs" / "demo" / "metrics.json").is_file()
