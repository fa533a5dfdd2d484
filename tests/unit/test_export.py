"""A run's observations as files that need no store."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

import llmood
from llmood.engines.fake import FakeModel, FakeTokenizer
from llmood.engines.store import Store
from llmood.errors import ConfigError, StoreError
from llmood.export import export_run
from tests.worlds import no_report, write_world


@pytest.fixture(autouse=True)
def plain_report(monkeypatch: pytest.MonkeyPatch) -> None:
    no_report(monkeypatch)


@pytest.fixture
def run(tmp_path: Path) -> llmood.Run:
    world = write_world(tmp_path / "world", scorers=["likelihood_ratio", "likelihood.response"])
    return llmood.evaluate(world.config, output_dir=tmp_path / "run")


def test_one_file_a_capture_and_one_row_a_sample(run: llmood.Run, tmp_path: Path) -> None:
    written = dict(export_run(run.folder, tmp_path / "export"))
    assert {path.name for path in written} == {
        "prompt_logprobs-base-prompt.parquet",
        "prompt_logprobs-tuned-prompt.parquet",
        "prompt_logprobs-tuned-response.parquet",
        "response-tuned-prompt-max_new_tokens=64.parquet",
    }
    ids = sorted(run.samples()["sample_id"])
    for path, rows in written.items():
        table = pq.read_table(path)
        assert table.num_rows == rows == len(ids)
        assert table.column_names[:5] == ["key", "sample_id", "model", "target", "draw"]
        assert sorted(table["sample_id"].to_pylist()) == ids
        assert set(table["draw"].to_pylist()) == {-1}
        _, model, target = path.stem.split("-")[:3]
        assert set(table["model"].to_pylist()) == {model}
        assert set(table["target"].to_pylist()) == {target}


def test_every_row_is_its_samples_own(run: llmood.Run, tmp_path: Path) -> None:
    list(export_run(run.folder, tmp_path))
    prompts = run.samples().set_index("sample_id")["prompt"]
    model = FakeModel("fake-tuned:bank card travel")
    for row in pq.read_table(tmp_path / "prompt_logprobs-tuned-prompt.parquet").to_pylist():
        (ids,) = FakeTokenizer().encode([prompts[row["sample_id"]]], rendered=False)
        assert tuple(row["token_ids"]) == ids
        assert row["logprobs"][0] is None
        assert row["logprobs"][1:] == pytest.approx(model.logprobs(ids)[1:], abs=1e-6)


def test_what_could_not_be_made_says_why(run: llmood.Run, tmp_path: Path) -> None:
    list(export_run(run.folder, tmp_path))
    table = pq.read_table(tmp_path / "prompt_logprobs-tuned-response.parquet").to_pylist()
    empty = [row for row in table if row["status"] != "ok"]
    assert empty
    assert all((row["reason"], row["logprobs"]) == ("empty answer", None) for row in empty)


def test_a_pruned_store(run: llmood.Run, tmp_path: Path) -> None:
    store = Store()
    store.remove(store.shards())
    with pytest.raises(StoreError, match="missing from the store"):
        list(export_run(run.folder, tmp_path / "export"))
    assert not list(tmp_path.rglob("export/*"))


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no run folder"):
        list(export_run(tmp_path, tmp_path))
