"""configs/clinc150_encoder.yaml with all-MiniLM-L6-v2, against figures that were made without llmood."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import llmood
from llmood.paths import builtin_root
from tests.encoders import published_encoder

pytestmark = pytest.mark.slow

TASKS = {
    "clinc150_oos": "out_of_scope",
    "banking77": "banking77",
    "rt_polarity": "rt_polarity",
    "gsm8k": "gsm8k",
}


@pytest.fixture(scope="module")
def run(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[llmood.Run]:
    folder = tmp_path_factory.mktemp("encoder")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMOOD_CACHE", str(folder / "store"))
        yield llmood.evaluate(
            builtin_root() / "configs" / "clinc150_encoder.yaml",
            output_dir=folder / "run",
            overrides=[f"models.encoder={published_encoder()}", "bootstrap.draws=100", "engine.device=cpu"],
        )


def test_distances_separate_as_they_did_elsewhere(run: llmood.Run, real_models: Path) -> None:
    reference: dict[str, dict[str, Any]] = json.loads(
        (real_models / "reference.json").read_text(encoding="utf-8")
    )["minilm"]
    table = run.metrics().query("question == 'ood_detection' and metric == 'auroc' and slice.isna()")
    found = table.pivot(index="ood_task", columns="scorer", values="value")
    for task, name in TASKS.items():
        own = found.loc[task, list(reference[name])].to_dict()
        assert own == pytest.approx(reference[name], abs=1e-4), task


def test_every_row_is_scored_and_no_text_is_cut(run: llmood.Run) -> None:
    assert run.status == "complete"
    assert set(run.scores()["status"]) == {"ok"}
    assert run.manifest["captures"] == ["embedding/encoder/prompt"]
    assert "texts_cut" not in {check["code"] for check in run.checks()}
    samples = run.samples()
    assert samples["split"].value_counts()["train"] == 14995
    assert samples["prompt_tokens"].max() <= run.manifest["models"]["encoder"]["context"] == 256
