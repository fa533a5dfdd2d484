"""A damaged run folder is one line that names the file and the remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import llmood
from llmood.errors import StoreError
from llmood.export import export_run
from llmood.manifest import read_manifest, read_records
from llmood.records import Check, MetricRecord, Reject
from llmood.report import render_report
from llmood.report.model_card import render_model_card
from tests.worlds import no_report, write_world

CHECK = {"code": "c", "severity": "info", "title": "t", "detail": "d"}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with monkeypatch.context() as patch:
        no_report(patch)
        llmood.evaluate(write_world(tmp_path / "world").config, output_dir=tmp_path / "run")
    return tmp_path / "run"


def test_the_records_of_a_run(run: Path) -> None:
    for name, kind in (("metrics.json", MetricRecord), ("checks.json", Check)):
        assert read_records(run / name, kind) == json.loads((run / name).read_text())
    (run / "rejects.jsonl").write_text('{"file": "f", "line": 3, "reason": "r"}\n')
    assert read_records(run / "rejects.jsonl", Reject) == [{"file": "f", "line": 3, "reason": "r"}]


def test_a_key_that_came_later_has_its_default(tmp_path: Path) -> None:
    (tmp_path / "checks.json").write_text(json.dumps([CHECK | {"newer": 1}]))
    assert read_records(tmp_path / "checks.json", Check) == [CHECK | {"newer": 1, "task": None, "values": {}}]


@pytest.mark.parametrize("name", ["metrics.json", "checks.json"])
@pytest.mark.parametrize("text", ["garbage", "[{}]", "{}", "[1]", "null", "", "[" * 100_000, b"\xff"])
def test_damaged_records_are_one_line(run: Path, name: str, text: str | bytes) -> None:
    (run / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(StoreError, match=rf"{name}: is .*'llmood run'") as caught:
        render_report([run])
    assert "\n" not in str(caught.value)


def test_damaged_rejects_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "rejects.jsonl").write_text("garbage\n")
    with pytest.raises(StoreError, match=r"rejects\.jsonl: is not JSON"):
        read_records(tmp_path / "rejects.jsonl", Reject)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("tasks", None, "lacks tasks "),
        ("tasks", [], r"lacks tasks\[0\] "),
        ("tasks", [{}], r"lacks tasks\[0\]\.carved "),
        ("benchmark", {}, r"lacks benchmark\.name "),
        ("captures", None, "lacks captures "),
        ("status", None, "lacks status "),
    ],
)
def test_a_damaged_manifest_is_one_line(run: Path, key: str, value: Any, said: str) -> None:
    manifest = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(manifest | {key: value}))
    for use in (
        lambda: render_report([run]),
        lambda: llmood.rescore(run),
        lambda: list(export_run(run, run / "export")),
    ):
        with pytest.raises(StoreError, match=rf"run\.json: is damaged: it {said}.*'llmood run'"):
            use()


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("versions", 3, "versions"),
        ("hardware", [], "hardware"),
        ("models", [], "models"),
        ("models", {"tuned": 3}, r"models\.tuned"),
        ("models", {"tuned": {}}, r"models\.tuned\.identity"),
        ("config", [], "config"),
        ("rescored", 3, "rescored"),
        ("captures", ["nothing"], r"captures\.0"),
        ("command", "llmood run", "command"),
        ("started", 3, "started"),
        ("tasks", [3], r"tasks\.0"),
        ("tasks", [{"shift": "close"}], r"tasks\.0\.shift"),
        ("tasks", [{"evaluated": "x"}], r"tasks\.0\.evaluated"),
        ("tasks", [{"checks": [{}]}], r"tasks\.0\.checks\.0\.code"),
        ("tasks", [{"source": 3}], r"tasks\.0\.source"),
        ("status", 3, "status"),
    ],
)
def test_a_value_of_another_kind_is_one_line(run: Path, key: str, value: Any, said: str) -> None:
    manifest = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(manifest | {key: value}))
    uses = (
        lambda: render_report([run]),
        lambda: render_model_card(run),
        lambda: llmood.compare([run, run]),
        lambda: llmood.rescore(run),
        lambda: list(export_run(run, run / "export")),
    )
    for use in uses:
        with pytest.raises(StoreError, match=rf"run\.json: is damaged: {said}: .*'llmood run'") as caught:
            use()
        assert "\n" not in str(caught.value)


def test_a_seed_that_is_no_number_is_one_line(run: Path) -> None:
    manifest = json.loads((run / "run.json").read_text())
    manifest["config"]["seed"] = "x"
    (run / "run.json").write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match=r"run\.json: config: seed: .*, not 'x'"):
        llmood.compare([run, run])


def test_scores_of_other_samples_are_one_line(run: Path) -> None:
    samples = pq.read_table(run / "samples.parquet")
    for table in (samples.slice(1), samples.slice(0, 0), pa.concat_tables([samples, samples.slice(0, 1)])):
        pq.write_table(table, run / "samples.parquet")
        for use in (lambda: render_report([run]), lambda: llmood.compare([run, run])):
            with pytest.raises(StoreError, match=r"is damaged: the rows of .* are not those of samples"):
                use()


def test_a_manifest_that_is_nested_too_deeply(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("[" * 100_000)
    with pytest.raises(StoreError, match=r"run\.json: is nested too deeply"):
        read_manifest(tmp_path)
