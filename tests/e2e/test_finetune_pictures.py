"""`llmood finetune` on a task with pictures, as a user meets it: as for text, with the eye left as it is."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from llmood.engines.adapter_support import why_merged
from llmood.engines.folders import ModelFolder
from llmood.identity import FileDigests
from llmood.training import loop
from llmood.training.models.lora import LoraModel
from tests import tiny_models
from tests.adapter_folders import losses, record_of, weights
from tests.killing import NINTH_PASS
from tests.pictures import demo_module, saved, speckled
from tests.task_files import write_task
from tests.tiny_pictures import save_pictured
from tests.tiny_qwen import KINDS, save_qwen
from tests.worlds import llmood, refused, spawn, tree

pytestmark = pytest.mark.usefixtures("no_report")
SPLITS = {
    "train": ("id_train", 40),
    "validation": ("id_validation", 12),
    "calibration": ("id_calibration", 6),
    "test": ("id_test", 6),
}
SETTINGS = {
    "profile": "small",
    "loss_on": "response",
    "epochs": 3,
    "batch_size": 8,
    "rank": 4,
    "learning_rate": 0.01,
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_pictured(tmp_path_factory.mktemp("models") / "base")


def write_shapes(home: Path) -> None:
    """A task of the demo's questions, its pictures beside it."""
    scenes, draw = demo_module("scenes"), demo_module("draw")
    made = scenes.make_splits()
    splits: dict[str, list[dict[str, Any]]] = {}
    for split, (name, count) in SPLITS.items():
        (home / split).mkdir(parents=True)
        splits[split] = []
        for number, row in enumerate(made[name][:count]):
            draw.draw(row.picture).save(home / split / f"{number}.png")
            own = {"text": row.question, "image": f"{split}/{number}.png", "answer": row.answer}
            splits[split].append(own)
    write_task(home, splits, name="shapes", fields={"images": "image", "references": "answer"})


def write_config(folder: Path, base: Path, **keys: Any) -> Path:
    config = {
        "benchmark": {"name": "seen", "id": "shapes/t.yaml", "ood": []},
        "models": {"base": str(base), "tuned": {"adapter": "adapters/mine"}},
        "engine": {"kind": "transformers", "dtype": "float32", "device": "cpu"},
        "scorers": ["likelihood_ratio"],
        "bootstrap": {"draws": 100},
        "finetune": SETTINGS,
        **keys,
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shapes") / "shapes"
    write_shapes(folder)
    return folder


@pytest.fixture
def config(tmp_path: Path, base: Path, shapes: Path) -> Path:
    shutil.copytree(shapes, tmp_path / "shapes")
    return write_config(tmp_path, base)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, base: Path, shapes: Path) -> Path:
    """The adapter that nothing came between."""
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(shapes, folder / "shapes")
    assert llmood("finetune", write_config(folder, base), "-o", folder / "made").code == 0
    return folder / "made"


def adapter_of(config: Path) -> Path:
    return config.parent / "adapters" / "mine"


def test_from_a_configuration_to_a_run(config: Path, base: Path, tmp_path: Path) -> None:
    untouched = FileDigests().of_all(sorted(base.iterdir()))
    dry = llmood("finetune", config, "--dry-run", "--json").json()
    assert {split: (own["rows"], own["pictures"]) for split, own in dry["splits"].items()} == {
        "train": (40, 40),
        "validation": (12, 12),
    }
    assert not adapter_of(config).exists()
    plain = llmood("finetune", config, "--dry-run").out
    assert "of them learned  pictures" in plain
    assert "of its language model alone" in plain

    outcome = llmood("finetune", config, "--json")
    assert outcome.code == 0, outcome.err
    record = record_of(adapter_of(config))
    lines = (tmp_path / "shapes" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    answers = [json.loads(line)["answer"] for line in lines]
    # A byte is a token; a space stands before it and the end behind.
    assert record["train"]["learned_tokens"] == sum(len(answer) + 2 for answer in answers)
    assert record["train"]["pictures"] == 40
    assert record["loss"]["best"]["validation_loss"] < record["loss"]["before"] - 0.1
    assert record["identity"]["processor"]
    assert FileDigests().of_all(sorted(base.iterdir())) == untouched
    assert llmood("finetune", config).code == 0  # was there already
    card = (adapter_of(config) / "README.md").read_text(encoding="utf-8")
    assert "| train | 40 |" in card

    run = llmood(*shlex.split(outcome.json()["next"])[1:], "-o", tmp_path / "run")
    assert run.code == 0, run.err
    scores = pq.read_table(tmp_path / "run" / "scores.parquet").to_pylist()
    assert {row["status"] for row in scores} == {"ok"}
    assert all(abs(row["score"]) > 1e-6 for row in scores if row["scorer"] == "likelihood_ratio")
    checks = json.loads((tmp_path / "run" / "checks.json").read_text())
    assert not [check for check in checks if check["severity"] == "error"]


def test_vllm_switches_it_on(undisturbed: Path, base: Path) -> None:
    """Not merged first: it changes low-rank maps of the words' side alone."""
    folders = (ModelFolder("models.tuned", "a", undisturbed), ModelFolder("models.base", "b", base))
    assert why_merged(*folders) is None


@pytest.mark.parametrize("kind", ["llava", "qwen2", "qwen2_5", "qwen3"])
def test_models_of_other_kinds(tmp_path: Path, shapes: Path, kind: str) -> None:
    shutil.copytree(shapes, tmp_path / "shapes")
    config = write_config(tmp_path, KINDS[kind](tmp_path / "base"))
    outcome = llmood("finetune", config, "--set", "finetune.epochs=1", "--json")
    assert outcome.code == 0, outcome.err
    loss = record_of(adapter_of(config))["loss"]
    assert loss["best"]["validation_loss"] < loss["before"]
    run = llmood(*shlex.split(outcome.json()["next"])[1:], "-o", tmp_path / "run")
    assert run.code == 0, run.err
    scores = pq.read_table(tmp_path / "run" / "scores.parquet").to_pylist()
    assert all(abs(row["score"]) > 1e-6 for row in scores if row["scorer"] == "likelihood_ratio")
    tuned = json.loads((tmp_path / "run" / "run.json").read_text())["canary"]["differences"]["tuned"]
    assert tuned["largest"] < 1e-4
    assert not tuned["closer_to_base"]


@pytest.mark.parametrize("after", [0, 7])
def test_an_interrupted_training_ends_like_an_undisturbed_one(
    config: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    honest, taken = LoraModel.step, 0

    def step(self: LoraModel, *args: Any, **kwargs: Any) -> float:
        nonlocal taken
        taken += 1
        if taken > after:
            raise KeyboardInterrupt
        return honest(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(LoraModel, "step", step)
        assert llmood("finetune", config).code == 130
    refused(llmood("run", config, "--dry-run"), "models.tuned.adapter")
    assert llmood("finetune", config).code == 0
    assert losses(adapter_of(config)) == losses(undisturbed)
    assert weights(adapter_of(config)) == weights(undisturbed)


@pytest.mark.slow
def test_kill_9_in_the_midst_of_a_training(config: Path, undisturbed: Path, tmp_path: Path) -> None:
    with spawn("finetune", config, cwd=tmp_path, patch=NINTH_PASS) as process:
        assert process.wait() == -signal.SIGKILL
    assert (adapter_of(config) / ".tuning" / "state.safetensors").is_file()
    assert llmood("finetune", config).code == 0
    assert losses(adapter_of(config)) == pytest.approx(losses(undisturbed), abs=1e-6)


def test_rows_whose_picture_cannot_be_read_are_counted_and_the_rest_is_learned(
    config: Path, tmp_path: Path
) -> None:
    home = tmp_path / "shapes"
    (home / "half.png").write_bytes(saved(speckled(40, 40), "PNG")[:150])
    rows = [
        {"text": "which?", "image": name, "answer": "it"} for name in ("half.png", "gone.png", "../0.png")
    ]
    with (home / "train.jsonl").open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    outcome = llmood("finetune", config, "--set", "finetune.epochs=1")
    assert outcome.code == 1
    assert "3 rows can't be read, the first: train.jsonl:41: picture:" in outcome.out
    record = record_of(adapter_of(config))
    assert (record["train"]["rows"], len(record["rejects"])) == (40, 3)


def test_rows_that_the_model_does_not_take_are_left_out(config: Path, base: Path, tmp_path: Path) -> None:
    home = tmp_path / "shapes"
    pair = {"text": "same?", "image": ["train/0.png", "train/1.png"], "answer": "no"}
    with (home / "train.jsonl").open("a") as file:
        file.write(json.dumps(pair) + "\n")
    llava = KINDS["llava"](tmp_path / "llava")
    for model, left_out in (
        (base, {}),
        (llava, {"unfit for the model: 2 pictures, and the model takes 1": 1}),
    ):
        said = llmood("finetune", config, "--dry-run", "--json", "--set", f"models.base={model}").json()
        assert said["splits"]["train"]["left_out"] == left_out
        assert said["splits"]["train"]["rows"] == 41 - len(left_out)
    only = json.dumps(pair) + "\n"
    (home / "train.jsonl").write_text(only)
    refused(
        llmood("finetune", config, "--set", f"models.base={llava}"),
        "'train' has no text to learn from (1 unfit for the model: 2 pictures, and the model takes 1; the limit",
    )


def test_a_picture_that_is_lost_on_the_way_can_be_put_back(
    config: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(
        "llmood.engines.kept_pixels.KeptPixels.add", lambda *_: None
    )  # each is read each time
    honest = LoraModel.step
    file = tmp_path / "shapes" / "train" / "7.png"
    whole = file.read_bytes()

    def step(self: LoraModel, *args: Any, **kwargs: Any) -> float:
        if kwargs["step"] == 5:
            file.unlink()
        return honest(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(LoraModel, "step", step)
        outcome = llmood("finetune", config)
    assert (outcome.code, outcome.out) == (1, "")
    assert "7.png' (put it back: the same command goes on from here)" in outcome.err.splitlines()[-1]
    # Without it, it would be another training.
    again = llmood("finetune", config)
    refused(again, "an unfinished adapter with another train")
    file.write_bytes(whole)
    assert llmood("finetune", config).code == 0
    assert losses(adapter_of(config)) == losses(undisturbed)


def test_another_picture_or_processor_is_another_adapter(
    config: Path, undisturbed: Path, base: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(base, other)
    tiny_models.change_json(other / "preprocessor_config.json", image_mean=[0.4, 0.4, 0.4])
    outcome = llmood("finetune", config, "-o", undisturbed, "--set", f"models.base={other}")
    refused(outcome, "an adapter tuned with another processor (")
    speckled(64, 64).save(tmp_path / "shapes" / "validation" / "3.png")
    refused(llmood("finetune", config, "-o", undisturbed), "an adapter tuned with another validation (choose")


def test_a_run_says_whether_the_adapter_knows_its_train_pictures(
    config: Path, undisturbed: Path, tmp_path: Path
) -> None:
    def said(name: str) -> list[str]:
        outcome = llmood(
            "run",
            config,
            "-o",
            tmp_path / name,
            "--set",
            f"models.tuned.adapter={undisturbed}",
            "--set",
            "scorers=[likelihood, knn]",
        )
        assert outcome.code == 0, outcome.err
        found = json.loads((tmp_path / name / "checks.json").read_text())
        return [check["detail"] for check in found if check["code"] == "train_is_another"]

    assert said("same") == []
    speckled(64, 64).save(tmp_path / "shapes" / "train" / "3.png")
    (other,) = said("other")
    assert "was tuned on 40 texts, and the 40 of shapes's train" in other


def test_a_model_that_sees_nothing_is_refused(config: Path, tmp_path: Path) -> None:
    blind = tiny_models.save_model(tmp_path / "blind")
    before = tree(tmp_path)
    for dry in ([], ["--dry-run"]):
        refused(
            llmood("finetune", config, "--set", f"models.base={blind}", *dry),
            "models.base",
            "sees no pictures, and shapes has them",
        )
    assert tree(tmp_path) == before


def test_a_kind_that_no_run_would_show_pictures_is_not_tuned_on_them(config: Path, tmp_path: Path) -> None:
    save_qwen(tmp_path / "other")
    described = json.loads((tmp_path / "other" / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "other" / "config.json").write_text(json.dumps({**described, "model_type": "qwen9_vl"}))
    done = llmood("finetune", config, "--set", f"models.base={tmp_path / 'other'}", "--dry-run")
    refused(done, "models.base", "'qwen9_vl' aren't known for pictures yet", "shapes has them")
