"""A run folder read from Python."""

from __future__ import annotations

from pathlib import Path

import pytest

import llmood
from llmood.errors import ConfigError
from llmood.progress import Advance, Progress
from tests.worlds import no_report, write_world


@pytest.fixture(autouse=True)
def plain_report(monkeypatch: pytest.MonkeyPatch) -> None:
    no_report(monkeypatch)


def test_frames(tmp_path: Path) -> None:
    run = llmood.evaluate(write_world(tmp_path / "world").config, output_dir=tmp_path / "run")
    joined = run.scores().merge(run.samples(), on="sample_id")
    assert len(joined) == len(run.scores())
    assert set(joined.groupby("population")["task"].unique().explode()) == {"bank", "near", "far"}
    metrics = run.metrics().query("metric == 'auroc' and scorer == 'likelihood_ratio'")
    assert list(metrics["ood_task"]) == ["near", "far"]
    assert metrics["value"].between(0, 1).all()
    assert run.config.seed == 0
    assert run.rejects() == []


def test_a_run_that_is_read_again_is_the_same(tmp_path: Path) -> None:
    run = llmood.evaluate(write_world(tmp_path / "world").config, output_dir=tmp_path / "run")
    again = llmood.Run(tmp_path / "run")
    assert again.records() == run.records()
    assert again.status == run.status == "complete"


def test_what_is_not_there_yet(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no run folder"):
        llmood.Run(tmp_path)
    run = llmood.evaluate(write_world(tmp_path / "world").config, output_dir=tmp_path / "run")
    for name in ("metrics.json", "checks.json", "scores.parquet", "samples.parquet", "rejects.jsonl"):
        (run.folder / name).unlink()
    for read in (run.metrics, run.checks, run.scores, run.samples, run.rejects):
        with pytest.raises(ConfigError, match="is not there yet"):
            read()


def test_progress_adds_up(tmp_path: Path) -> None:
    from collections.abc import Iterator
    from contextlib import contextmanager

    class Counting(Progress):
        def __init__(self) -> None:
            self.seen: dict[str, list[int]] = {}

        @contextmanager
        def track(self, label: str, total: int, *, done: int = 0, unit: str = "samples") -> Iterator[Advance]:
            counts = self.seen.setdefault(label, [total, done])
            yield counts.append

    progress = Counting()
    llmood.evaluate(write_world(tmp_path / "world").config, output_dir=tmp_path / "run", progress=progress)
    assert {"prompt_logprobs/base/prompt", "prompt_logprobs/tuned/prompt"} < set(progress.seen)
    for total, *advanced in progress.seen.values():
        assert sum(advanced) == total > 0


def test_long_steps_are_named(tmp_path: Path) -> None:
    class Listening(Progress):
        def __init__(self) -> None:
            self.said: list[str] = []

        def say(self, line: str) -> None:
            self.said.append(line)

    heard = Listening()
    llmood.evaluate(write_world(tmp_path / "world").config, output_dir=tmp_path / "run", progress=heard)
    assert [line for line in heard.said if line in ("reading tasks", "scoring", "writing the report")] == [
        "reading tasks",
        "scoring",
        "writing the report",
    ]
    again = Listening()
    llmood.rescore(tmp_path / "run", progress=again)
    assert again.said == ["scoring", "writing the report"]


def test_an_error_while_scoring_again_leaves_the_old_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = llmood.evaluate(write_world(tmp_path / "world").config, output_dir=tmp_path / "run")
    before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("llmood.measuring.ood_detection", interrupted)
    with pytest.raises(KeyboardInterrupt):
        llmood.rescore(run.folder, overrides=["scorers=[likelihood.base]"])
    assert {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()} == before


def test_rescoring_notes_what_it_changed(tmp_path: Path) -> None:
    world = write_world(tmp_path / "world")
    llmood.evaluate(world.config, output_dir=tmp_path / "run")
    scored = llmood.rescore(tmp_path / "run", overrides=["bootstrap.draws=150", "seed=4"])
    assert scored.manifest["rescored"]["bootstrap"]["draws"] == 150
    assert scored.manifest["config"]["bootstrap"]["draws"] == 100
    assert (scored.config.bootstrap.draws, scored.scored_config.bootstrap.draws) == (100, 150)
    plain = llmood.rescore(tmp_path / "run")
    assert plain.manifest["rescored"] is None
    assert plain.scored_config == plain.config
    llmood.rescore(tmp_path / "run", overrides=["seed=4"])
    assert llmood.evaluate(world.config, output_dir=tmp_path / "run").manifest["rescored"] is None


def test_the_engine_is_closed_whatever_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from llmood.engines.fake import FakeEngine

    closed: list[bool] = []
    monkeypatch.setattr(FakeEngine, "close", lambda _: closed.append(True))
    world = write_world(tmp_path / "world")
    llmood.evaluate(world.config, output_dir=tmp_path / "run")
    assert closed == [True]

    def breaks(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(FakeEngine, "capture", breaks)
    with pytest.raises(RuntimeError, match="a bug"):
        llmood.evaluate(world.config, output_dir=tmp_path / "broken", overrides=["models.tuned=fake-2"])
    assert closed == [True, True]
    assert llmood.Run(tmp_path / "broken").manifest["error"] == "RuntimeError: a bug"


def test_a_folder_that_another_run_took_while_this_one_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import llmood.run as module

    world = write_world(tmp_path / "world")
    honest = module.make_plan
    other: list[llmood.Run] = []

    def slow_plan(*arguments: object, **keys: object) -> object:
        plan = honest(*arguments, **keys)  # type: ignore[arg-type]
        if not other:
            other.append(None)  # type: ignore[arg-type]
            other[0] = llmood.evaluate(world.config, output_dir=tmp_path / "run", overrides=["seed=1"])
        return plan

    monkeypatch.setattr(module, "make_plan", slow_plan)
    with pytest.raises(ConfigError, match="another configuration"):
        llmood.evaluate(world.config, output_dir=tmp_path / "run")
    assert llmood.Run(tmp_path / "run").manifest == other[0].manifest


def test_a_complete_run_is_not_replaced_by_other_weights_or_data(tmp_path: Path) -> None:
    world = write_world(tmp_path / "world")
    llmood.evaluate(world.config, output_dir=tmp_path / "run")
    kept = (tmp_path / "run" / "scores.parquet").read_bytes()
    with (world.folder / "near" / "test.jsonl").open("a") as stream:
        stream.write('{"text": "one more"}\n')
    with pytest.raises(ConfigError, match="the same configuration with other weights or data"):
        llmood.evaluate(world.config, output_dir=tmp_path / "run")
    assert (tmp_path / "run" / "scores.parquet").read_bytes() == kept
    assert llmood.Run(tmp_path / "run").status == "complete"


def test_a_kill_between_the_files_of_a_scoring_leaves_no_complete_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    llmood.evaluate(write_world(tmp_path / "world").config, output_dir=tmp_path / "run")

    def killed(*_: object) -> None:
        raise SystemExit(9)

    with monkeypatch.context() as patched:
        patched.setattr("llmood.results.write_json", killed)
        with pytest.raises(SystemExit):
            llmood.rescore(tmp_path / "run", overrides=["scorers=[likelihood.base]"])
    assert llmood.Run(tmp_path / "run").status == "running"
    assert llmood.rescore(tmp_path / "run").status == "complete"
