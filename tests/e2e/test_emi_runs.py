"""Effective mutual information with real weights: of questions about pictures, and of an encoder's vectors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import llmood
from tests.encoders import save_encoder
from tests.pictures import demo_module
from tests.task_files import write_task
from tests.tiny_pictures import save_picture_adapter, save_pictured
from tests.worlds import llmood as call
from tests.worlds import no_report, refused, write_world

ROWS = 24
FIELDS = {"images": "image", "references": "answer"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, fresh_cache: None) -> None:
    no_report(monkeypatch)


def write_pictures(folder: Path, name: str, split: str) -> None:
    """A task of the demo's questions, its pictures beside it."""
    scenes, draw = demo_module("scenes"), demo_module("draw")
    (folder / name / "pictures").mkdir(parents=True)
    rows = []
    for number, row in enumerate(scenes.make_splits()[split][:ROWS]):
        draw.draw(row.picture).save(folder / name / "pictures" / f"{number}.png")
        rows.append({"text": row.question, "image": f"pictures/{number}.png", "answer": row.answer})
    write_task(folder / name, {"test": rows}, name=name, fields=FIELDS)


def configured(folder: Path, models: Mapping[str, Any], **keys: Any) -> Path:
    config = {
        "benchmark": {
            "name": "seen",
            "id": str(folder / "shapes" / "t.yaml"),
            "ood": [{"task": str(folder / "flags" / "t.yaml"), "shift": "far"}],
        },
        "models": dict(models),
        "engine": {"kind": "transformers", "device": "cpu"},
        "scorers": ["likelihood"],
        "response": {"max_new_tokens": 4},
        "bootstrap": {"draws": 100},
        "emi": True,
        **keys,
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def records_of(run: llmood.Run) -> dict[tuple[str, str | None], dict[str, Any]]:
    own = [record for record in run.records() if record["question"] == "effective_mutual_information"]
    return {(record["metric"], record["ood_task"]): record for record in own}


def test_questions_about_pictures(tmp_path: Path) -> None:
    write_pictures(tmp_path, "shapes", "id_test")
    write_pictures(tmp_path, "flags", "flags_test")
    base = save_pictured(tmp_path / "base")
    models = {
        "base": str(base),
        "tuned": {"adapter": str(save_picture_adapter(tmp_path / "adapter", base))},
    }
    config = configured(tmp_path, models)
    run = llmood.evaluate(config, output_dir=tmp_path / "run")
    found = records_of(run)
    home = found["emi", None]
    assert home["params"]["parts"] == ["image", "text"]
    assert home["params"]["states"] == "base"
    assert home["n"] + home["n_unscored"] == ROWS
    captures = {name for name in run.manifest["captures"] if name.startswith("hidden_states")}
    assert captures == {
        "hidden_states/base/prompt?layers=0,positions=mean_image,mean_text",
        "hidden_states/base/derived:answer_words@1?layers=0,positions=mean_prompt",
        "hidden_states/base/derived:reference_words@1?layers=0,positions=mean_prompt",
    }
    apart = found["emid_bound", "flags"]["params"]["divergences"]
    assert apart.keys() == {"image", "text", "answers_id", "answers_ood"}
    # Flags are other pictures, and what is asked about them other words.
    assert min(apart["image"], apart["text"]) > 0.0
    drop = found["emi", None]["value"] - found["emi", "flags"]["value"]
    assert found["emid", "flags"]["value"] == pytest.approx(drop, abs=1e-9)
    refused(call("run", config, "--set", "emi={states: encoder}"), "emi.states: encoder", "models.encoder")
    encoder = {**models, "encoder": str(save_encoder(tmp_path / "encoder"))}
    refused(
        call("run", configured(tmp_path, encoder, emi={"states": "encoder"})),
        "emi.states: encoder",
        "pictures",
    )


def test_vectors_of_an_encoder(tmp_path: Path) -> None:
    encoder = save_encoder(tmp_path / "encoder")
    rows = [
        {"text": f"my card number {i} of bank {i % 7}", "right": f"the {i % 5} is right"} for i in range(40)
    ]
    world = write_world(
        tmp_path / "world",
        bank=rows,
        near=[{**row, "text": f"the weather of town {i}"} for i, row in enumerate(rows)],
        far=None,
        task={"fields": {"references": "right"}},
        models={"base": "fake", "tuned": "fake-tuned:bank card", "encoder": str(encoder)},
        scorers=["likelihood"],
        emi=True,
    )
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    found = records_of(run)
    assert found["emi", None]["params"]["states"] == "encoder"
    drop = found["emi", None]["value"] - found["emi", "near"]["value"]
    assert found["emid", "near"]["value"] == pytest.approx(drop, abs=1e-9)
    assert {name for name in run.manifest["captures"] if name.startswith("embedding")} == {
        f"embedding/encoder/{target}"
        for target in ("prompt", "derived:answer_words@1", "derived:reference_words@1")
    }
    # What is said in the same words has the same vector.
    said = dict(run.answers()[["sample_id", "text"]].itertuples(index=False))
    prompts = dict(run.samples()[["sample_id", "prompt"]].itertuples(index=False))
    right = {prompts[name]: text for name, text in said.items()}
    for row in rows:
        row["right"] = right[row["text"]] or "nothing"
    write_task(tmp_path / "world" / "bank", {"test": rows}, name="bank", fields={"references": "right"})
    again = records_of(llmood.evaluate(world.config, output_dir=tmp_path / "again"))
    assert again["emi", None]["value"] == 0.0
