"""A run's observations as files that need no store."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import llmood
from llmood.engines.fake_model import FakeModel, FakeTokenizer
from llmood.engines.store import Store
from llmood.errors import ConfigError, StoreError
from llmood.export import export_rows, export_run
from llmood.importing import import_file
from llmood.tables import INDEX, read_table, write_table
from tests.worlds import no_report, write_world


@pytest.fixture(autouse=True)
def plain_report(monkeypatch: pytest.MonkeyPatch) -> None:
    no_report(monkeypatch)
    monkeypatch.setattr("llmood.run.write_report", lambda runs, path, status=None: path.write_text(""))


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
        "samples.parquet",
    }
    ids = sorted(run.samples()["sample_id"])
    assert written.pop(tmp_path / "export" / "samples.parquet") == len(ids)
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


def test_what_stands_beside_the_tables(run: llmood.Run, tmp_path: Path) -> None:
    written = [path.name for path, _ in export_run(run.folder, tmp_path)]
    extract = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert sorted(extract["exported"]["files"].values()) == sorted(set(written) - {"samples.parquet"})
    assert set(extract["exported"]["files"]) == set(run.manifest["captures"])
    for key in ("benchmark", "tasks", "models", "status", "config"):
        assert extract[key] == run.manifest[key]
    assert pq.read_table(tmp_path / "samples.parquet").equals(pq.read_table(run.folder / "samples.parquet"))
    assert (tmp_path / "rejects.jsonl").read_text() == (run.folder / "rejects.jsonl").read_text()


def test_an_export_that_broke_off_is_none(run: llmood.Run, tmp_path: Path) -> None:
    next(iter(export_run(run.folder, tmp_path)))
    assert not (tmp_path / "run.json").exists()


def test_rows_hold_every_number_to_the_last_bit(run: llmood.Run, tmp_path: Path) -> None:
    count, left = export_rows(run.folder, tmp_path / "rows.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    assert (count, left) == (len(rows), [])
    assert [row["prompt"] for row in rows] == run.samples()["prompt"].tolist()
    model = FakeModel("fake-tuned:bank card travel")
    for row in rows:
        (ids,) = FakeTokenizer().encode([row["prompt"]], rendered=False)
        assert tuple(row["prompt_tokens"]) == ids
        expected = [None, *np.array(model.logprobs(ids)[1:], dtype=np.float32)]
        assert [value and np.float32(value) for value in row["prompt_logprobs"]["tuned"]] == expected
        text, answer = model.answer(ids)
        assert (row["response"], row["response_tokens"]) == (text, answer)
        assert ("tuned" in row.get("response_alone_logprobs", {})) == bool(text)


def test_what_rows_cannot_hold_is_said(run: llmood.Run, tmp_path: Path) -> None:
    index = read_table(run.folder / "observations" / "index.parquet", INDEX).to_pylist()
    first = next(row for row in index if row["capture"] == "prompt_logprobs/tuned/prompt")
    shard = Store().read(first["shard"]).to_pylist()
    shard[first["row"]]["logprobs"][1] = -math.inf
    located = Store().context("prompt_logprobs", {"engine": {"engine": "x"}}).append(shard)
    for row in index:
        if row["capture"] == first["capture"] and row["shard"] == first["shard"]:
            row["shard"] = next(iter(located.values())).shard
    write_table(run.folder / "observations" / "index.parquet", pa.Table.from_pylist(index, schema=INDEX))
    with pytest.raises(ConfigError, match=r"log-probability of −∞.*without --jsonl"):
        export_rows(run.folder, tmp_path / "rows.jsonl")
    assert not (tmp_path / "rows.jsonl").exists()
    # As Parquet it is there, and comes back.
    list(export_run(run.folder, tmp_path / "export"))
    back = import_file(tmp_path / "export", output_dir=tmp_path / "back")
    assert math.inf in set(back.scores().query("scorer == 'likelihood_ratio'")["score"])


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
