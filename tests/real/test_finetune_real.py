"""Tuning the real base model on some of clinc150: figures that were made without llmood say where it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmood.tuning import finetune

pytestmark = pytest.mark.slow


def test_one_epoch_lowers_the_validation_loss(real_data: Path, real_models: Path, tmp_path: Path) -> None:
    (made,) = finetune(
        "clinc150",
        output_dir=tmp_path / "adapter",
        overrides=[
            f"models.base={real_models / 'english-5m'}",
            "engine.device=cpu",
            "finetune.profile=small",
            "finetune.epochs=1",
            "limit=2000",
        ],
    )
    assert made.record["train"]["rows"] == 2000
    # The model card says 3.47 before and 3.29 after five epochs of seven times as many texts.
    assert made.loss_before == pytest.approx(3.47, abs=0.03)
    assert made.loss < made.loss_before - 0.05
