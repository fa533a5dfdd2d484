"""The clinc150 benchmark on the real pair of models, against figures that were made without llmood."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

import llmood
from llmood.engines.models import causal_lm
from llmood.paths import builtin_root

pytestmark = pytest.mark.slow

SCORERS = [
    "likelihood_ratio",
    "likelihood_ratio.mean",
    "likelihood",
    "likelihood.mean",
    "likelihood.base",
    "likelihood.base.mean",
]
TASKS = {
    "clinc150_oos": "out_of_scope",
    "banking77": "banking77",
    "rt_polarity": "rt_polarity",
    "gsm8k": "gsm8k",
}
HWU64 = {
    "name": "hwu64",
    "sources": [{"files": {"test": "hwu64/test.jsonl.gz"}}],
    "prompt": "{{ text }}",
}


@pytest.fixture(scope="module")
def reference(real_models: Path) -> dict[str, Any]:
    return dict(json.loads((real_models / "reference.json").read_text(encoding="utf-8")))


def overrides(models: Path) -> list[str]:
    return [
        f"models.base={models / 'english-5m'}",
        f"models.tuned.adapter={models / 'english-5m-clinc150-lora'}",
        "engine.dtype=float32",
        "bootstrap.draws=100",
    ]


@pytest.fixture(scope="module")
def run(real_data: Path, real_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[llmood.Run]:
    """configs/clinc150.yaml, with hwu64 (which the benchmark hasn't) as one more OOD task."""
    folder = tmp_path_factory.mktemp("reference")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMOOD_CACHE", str(folder / "store"))
        (folder / "hwu64.yaml").write_text(yaml.safe_dump(HWU64))
        config = yaml.safe_load((builtin_root() / "configs" / "clinc150.yaml").read_text())
        benchmark = yaml.safe_load((builtin_root() / "tasks" / "benchmarks" / "clinc150.yaml").read_text())
        benchmark["ood"].append({"task": str(folder / "hwu64.yaml"), "shift": "near"})
        (folder / "clinc150.yaml").write_text(yaml.safe_dump(config | {"benchmark": benchmark}))
        yield llmood.evaluate(
            folder / "clinc150.yaml", output_dir=folder / "run", overrides=overrides(real_models)
        )


def auroc(run: llmood.Run, scorer: str, task: str) -> float:
    (record,) = [
        record
        for record in run.records()
        if record["question"] == "ood_detection"
        and (record["metric"], record["scorer"], record["ood_task"]) == ("auroc", scorer, task)
        and record["slice"] is None
    ]
    return float(record["value"])


@pytest.mark.parametrize("task", [*TASKS, "hwu64"])
def test_auroc(run: llmood.Run, reference: dict[str, Any], task: str) -> None:
    expected = reference["auroc"][TASKS.get(task, task)]
    found = {scorer: auroc(run, scorer, task) for scorer in [*SCORERS, "length"]}
    assert found == pytest.approx({scorer: expected[scorer] for scorer in found}, abs=0.003)


def measured(run: llmood.Run) -> pd.DataFrame:
    """Without the train rows that the baselines without a model learned from."""
    return run.samples().query("split == 'test'")


def test_baselines_without_a_model_stand_beside_the_ratio(run: llmood.Run) -> None:
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    for name in ("likelihood_ratio", "gzip_knn", "tfidf_knn"):
        assert f"<code>{name}</code>" in page
    auroc = run.metrics().query("metric == 'auroc' and slice.isna()")
    found = auroc.pivot(index="scorer", columns="ood_task", values="value")
    # Words alone find what this small model's ratio does not: that is what the baselines are there to say.
    assert found.loc["tfidf_knn", "clinc150_oos"] > found.loc["likelihood_ratio", "clinc150_oos"] + 0.05
    assert found.loc["gzip_knn", "banking77"] < found.loc["likelihood_ratio", "banking77"]


def test_rows_are_all_there(run: llmood.Run, reference: dict[str, Any]) -> None:
    counts = measured(run)["task"].value_counts().to_dict()
    names = {"clinc150": "clinc150", "hwu64": "hwu64"} | TASKS
    assert counts == {task: reference["nll_per_token"][name]["samples"] for task, name in names.items()}
    assert set(run.scores()["status"]) == {"ok"}
    assert run.status == "complete"


def wide(run: llmood.Run) -> pd.DataFrame:
    scores = run.scores().pivot_table(index="sample_id", columns="scorer", values="score")
    columns = ["task", "prompt", "source_line", "prompt_tokens"]
    return measured(run).set_index("sample_id")[columns].join(scores)


def test_mean_log_likelihood_a_token(run: llmood.Run, reference: dict[str, Any]) -> None:
    table = wide(run)
    for task, name in {"clinc150": "clinc150", "hwu64": "hwu64", **TASKS}.items():
        rows, expected = table[table["task"] == task], reference["nll_per_token"][name]
        tokens = int(rows["prompt_tokens"].sum() - len(rows))  # <s> is predicted by nothing
        assert tokens == expected["tokens"]
        for scorer, model in (("likelihood", "tuned"), ("likelihood.base", "base")):
            assert rows[scorer].sum() / tokens == pytest.approx(expected[model], abs=1e-3), (task, scorer)


def test_tokens_and_sums_of_the_first_row(run: llmood.Run) -> None:
    table = wide(run)
    row = table[(table["task"] == "clinc150") & table["source_line"].str.endswith(":1")].iloc[0]
    assert row["prompt"] == "how would you say fly in italian"
    assert row["likelihood.base"] == pytest.approx(32.0377, abs=1e-3)
    assert row["likelihood"] == pytest.approx(31.6112, abs=1e-3)
    assert row["likelihood_ratio"] == pytest.approx(-32.0377 + 31.6112, abs=1e-3)
    index = pq.read_table(run.folder / "observations" / "index.parquet").to_pandas()
    place = index[
        (index["sample_id"] == row.name) & (index["capture"] == "prompt_logprobs/base/prompt")
    ].iloc[0]
    store = run.folder.parent / "store" / "observations"
    observed = pq.read_table(store / place["shard"]).slice(int(place["row"]), 1).to_pylist()[0]
    assert observed["token_ids"] == [0, 1398, 446, 311, 862, 1934, 301, 337, 3411]
    assert sum(observed["logprobs"][1:]) == pytest.approx(-32.0377, abs=1e-3)


def test_a_second_run_loads_no_model(
    run: llmood.Run, real_models: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setenv("LLMOOD_CACHE", str(run.folder.parent / "store"))
    monkeypatch.setattr(causal_lm.CausalLM, "__init__", refuse)
    again = llmood.evaluate(
        run.folder.parent / "clinc150.yaml", output_dir=tmp_path / "again", overrides=overrides(real_models)
    )
    assert again.status == "complete"
    first, second = (pq.read_table(folder / "scores.parquet") for folder in (run.folder, again.folder))
    assert first.equals(second)
