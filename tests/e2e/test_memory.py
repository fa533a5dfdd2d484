"""A run whose model answers train better than validation says so where a probe learned there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llmood import Run
from llmood.engines.fake_model import LEXICON
from tests.worlds import llmood, write_world


def rows(kind: str, count: int, references: list[str]) -> list[dict[str, Any]]:
    return [{"text": f"{kind} card {place} for travel", "answers": references} for place in range(count)]


def test_a_run_passes_on_what_it_judged_of_train_and_validation(
    tmp_path: Path, fresh_cache: Path, no_report: None
) -> None:
    some = [LEXICON[0], "seven"]
    bank = {
        "train": rows("train", 40, [word for word in LEXICON if word]),
        "validation": rows("validation", 30, ["no answer of this kind"]),
        "test": rows("test", 20, some),
    }
    world = write_world(
        tmp_path / "world",
        bank,
        rows("near", 20, some),
        rows("far", 20, some),
        task={"fields": {"references": "answers"}},
        scorers=["likelihood", "accuracy_probe"],
        correctness="task",
    )
    assert llmood("run", world.config, "-o", tmp_path / "run").code == 0
    assert llmood("rescore", tmp_path / "run").code == 0
    (check,) = [each for each in Run(tmp_path / "run").checks() if each["code"] == "train_remembered"]
    train, judged, others = (check["values"][name] for name in ("train_right", "train", "validation"))
    assert train > judged / 2
    assert others > 10
    assert (
        f"({train} of {judged}) are right in train and 0.0 % (0 of {others}) in validation" in check["detail"]
    )
