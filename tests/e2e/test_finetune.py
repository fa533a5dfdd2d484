"""`llmood finetune` as a user meets it: from a configuration to adapters that a run reads, whatever comes between."""

from __future__ import annotations

import errno
import json
import os
import shlex
import shutil
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from llmood.identity import FileDigests
from llmood.seeds import derive_generator
from llmood.training import loop, plan
from llmood.training.models.lora import LoraModel
from llmood.tuning import Tuned, finetune
from tests import tiny_models
from tests.adapter_folders import losses, record_of, weights
from tests.killing import NINTH_PASS
from tests.task_files import write_task
from tests.tiny_models import TUNED, captured, engine_of, far, plain_logprobs, rows_of
from tests.worlds import Outcome, World, llmood, refused, spawn, tree, write_world

pytestmark = pytest.mark.usefixtures("no_report")
SLOW = pytest.mark.slow
FILES = ["README.md", "adapter_config.json", "adapter_model.safetensors", "training.json"]
SETTINGS = {"profile": "small", "epochs": 3, "batch_size": 8, "rank": 4, "learning_rate": 0.01}


def rows(split: str, count: int) -> list[dict[str, str]]:
    """Sums: something to learn, each row in one split only."""
    generator = derive_generator(0, split)
    words = ["pay", "card", "bank", "loan"]
    return [
        {"text": f"{split} {index} {' '.join(generator.choice(words, 3))}", "answer": f"yes {index % 3}"}
        for index in range(count)
    ]


SPLITS = {"train": 44, "validation": 12, "calibration": 6, "test": 10}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save_model(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture
def world(tmp_path: Path, base: Path) -> World:
    return make_world(tmp_path / "world", base)


def make_world(folder: Path, base: Path) -> World:
    return write_world(
        folder,
        bank={split: rows(split, count) for split, count in SPLITS.items()},
        far=None,
        models={"base": str(base), "tuned": {"adapter": "adapters/mine"}},
        engine={"kind": "transformers", "dtype": "float32", "device": "cpu"},
        finetune=SETTINGS,
    )


def adapter_of(world: World, name: str = "mine") -> Path:
    return world.folder / "adapters" / name


# --------------------------------------------------------------------------------------------- made, and read by a run


def test_from_a_configuration_to_a_run_without_an_edit(world: World, tmp_path: Path, base: Path) -> None:
    untouched = FileDigests().of_all(sorted(base.iterdir()))
    outcome = llmood("finetune", world.config, "--json")
    assert outcome.code == 0, outcome.err
    said = outcome.json()
    adapter = adapter_of(world)
    assert sorted(entry.name for entry in adapter.iterdir()) == FILES
    assert said["adapters"][0]["folder"] == str(adapter)
    assert said["next"] == f"llmood run {world.config}"
    assert FileDigests().of_all(sorted(base.iterdir())) == untouched

    record = record_of(adapter)
    assert (record["train"]["rows"], record["validation"]["rows"]) == (44, 12)
    assert record["loss"]["best"] in record["loss"]["epochs"]
    assert record["loss"]["best"]["validation_loss"] == min(
        epoch["validation_loss"] for epoch in record["loss"]["epochs"]
    )
    assert record["loss"]["best"]["validation_loss"] < record["loss"]["before"]

    run = llmood(*shlex.split(said["next"])[1:], "-o", tmp_path / "run")
    assert run.code == 0, run.err
    again = llmood("finetune", world.config)
    assert again.code == 0
    assert "was there already" in again.out


@pytest.mark.slow
def test_a_run_says_whether_the_adapter_knows_its_train_rows(world: World, tmp_path: Path) -> None:
    """The same rows, another row, and one more setting that decides what was learned."""
    assert llmood("finetune", world.config).code == 0
    world.edit(scorers=["likelihood", "gzip_knn"])

    def said(*options: object) -> list[dict[str, Any]]:
        outcome = llmood("run", world.config, "-o", tmp_path / str(len(list(tmp_path.iterdir()))), *options)
        assert outcome.code == 0, outcome.err
        found = json.loads((tmp_path / str(len(list(tmp_path.iterdir())) - 1) / "checks.json").read_text())
        return [check for check in found if check["code"] == "train_is_another"]

    assert said() == []
    (fewer,) = said("--limit", "20")
    assert fewer["values"] == {"role": "tuned", "tuned_on": 44, "train": 20}
    path = world.folder / "bank" / "train.jsonl"
    path.write_text(path.read_text().replace("train 7 ", "train seven "))
    (other,) = said()
    assert (other["severity"], other["task"]) == ("warning", "bank")
    assert "was tuned on 44 texts, and the 44 of bank's train" in other["detail"]
    # Before anything is run, too; and not where no train row is read.
    dry = llmood("run", world.config, "-o", tmp_path / "dry", "--dry-run")
    assert "warning: The adapter" in dry.err + dry.out
    world.edit(scorers=["likelihood"])
    assert said() == []
    # An adapter that says nothing of what it was made of, or nothing that can be read, is no other one.
    world.edit(scorers=["likelihood", "gzip_knn"])
    for content in (b"{}", b"\xff", b"[]", b'{"data": [{"mixed_rows": 3}]}'):
        (adapter_of(world) / "training.json").write_bytes(content)
        assert said() == []


def test_the_losses_are_those_of_the_models(world: World, base: Path) -> None:
    """The figures before and after, by transformers and peft alone; and the engine's log-probabilities change."""
    llmood("finetune", world.config)
    adapter = adapter_of(world)
    engine = engine_of(base, {"adapter": str(adapter)})
    texts = [row["text"] for row in rows("validation", 12)]
    ids = [(*row, tiny_models.END) for row in engine.tokenizer("base").encode(texts, rendered=False)]
    record = record_of(adapter)["loss"]
    for folder, expected in ((None, record["before"]), (adapter, record["best"]["validation_loss"])):
        values = [value for row in ids for value in plain_logprobs(base, row, folder)]
        assert -float(np.mean(values)) == pytest.approx(expected, abs=1e-4)
    batch = rows_of(5, 9, 14)
    tuned = [row["logprobs"] for row in captured(engine, TUNED, batch)]
    plain = [[None, *plain_logprobs(base, row)] for row in batch]
    assert max(far(ours, theirs) for ours, theirs in zip(tuned, plain, strict=True)) > 0.01


def test_the_card_names_data_settings_and_figures(world: World) -> None:
    llmood("finetune", world.config)
    card = (adapter_of(world) / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["base_model"] == "base"
    assert front["library_name"] == "peft"
    record = record_of(adapter_of(world))
    digest = record["data"][0]["source"]["files"]["train"]["digest"]
    for words in (
        "**bank**, version 1",
        "licence: not stated",
        f"train.jsonl (`{digest}`)",
        "| train | 44 |",
        "splits: train 44, validation 12, calibration 6, test 10",
        f"| before |  | {record['loss']['before']:.4f} |",
        "| learning_rate | 0.01 |",
        "| seed | 0 |",
        record["base"]["digest"],
        f"torch {record['versions']['torch']}",
    ):
        assert words in card
    assert str(world.folder) not in card


def test_a_dry_run_says_what_would_be_done_and_loads_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LoraModel, "__init__", lambda *_, **__: pytest.fail("a model was loaded"))
    said = llmood("finetune", world.config, "--dry-run", "--json", "--limit", "20", "--seeds", "1,2").json()
    assert [each["folder"] for each in said["adapters"]] == [
        str(adapter_of(world, "mine-seed1")),
        str(adapter_of(world, "mine-seed2")),
    ]
    assert said["splits"]["train"]["rows"] == 20
    assert said["splits"]["validation"]["rows"] == 12
    assert said["steps"] == 9  # 3 epochs of ⌈20 / 8⌉
    text = llmood("finetune", world.config, "--dry-run")
    assert (text.code, "18 steps" in text.out, "q_proj, v_proj" in text.out) == (0, True, True)
    assert not adapter_of(world).exists()


def test_several_seeds_make_several_adapters(world: World) -> None:
    outcome = llmood("finetune", world.config, "--seeds", "4,5", "--set", "finetune.epochs=1", "--json")
    assert outcome.code == 0, outcome.err
    one, two = (adapter_of(world, f"mine-seed{seed}") for seed in (4, 5))
    assert [record_of(folder)["seed"] for folder in (one, two)] == [4, 5]
    assert weights(one) != weights(two)
    assert not adapter_of(world).exists()
    words = shlex.split(outcome.json()["next"])
    assert words[:3] == ["llmood", "run", str(world.config)]
    assert words[3:] == [
        "--set",
        "models.tuned=[{adapter: adapters/mine-seed4}, {adapter: adapters/mine-seed5}]",
    ]
    assert llmood("run", world.config, *words[3:], "--dry-run").code == 0


def test_only_the_response_carries_loss(world: World) -> None:
    write_task(
        world.folder / "bank",
        {split: rows(split, count) for split, count in SPLITS.items()},
        name="bank",
        fields={"references": "answer"},
    )
    llmood("finetune", world.config, "--set", "finetune.loss_on=response", "--set", "finetune.epochs=1")
    record = record_of(adapter_of(world))
    assert record["train"]["learned_tokens"] == 44 * len(" yes 0</s>".replace("</s>", "E"))


def test_rows_of_another_task_are_mixed_in(world: World) -> None:
    (world.folder / "other").mkdir()
    write_task(world.folder / "other", {split: rows(f"o{split}", 9) for split in SPLITS}, name="other")
    mix = "finetune.mix=[{task: other/t.yaml, rows: %d}]"
    llmood("finetune", world.config, "--set", mix % 5, "--set", "finetune.epochs=1")
    record = record_of(adapter_of(world))
    assert record["train"]["rows"] == 49
    assert record["validation"]["rows"] == 12
    assert record["data"][1]["mixed_rows"] == 5
    card = (adapter_of(world) / "README.md").read_text(encoding="utf-8")
    assert "**other**, version 1, 5 rows of its train mixed in" in card
    refused(llmood("finetune", world.config, "--set", mix % 10, "-o", world.folder / "b"), "has 9")


def test_what_a_run_measures_on_is_never_learned(world: World) -> None:
    """Of one file, `test` and `calibration` are carved here as a run carves them."""
    write_task(world.folder / "bank", {"train": rows("train", 200)}, name="bank")
    said = llmood("finetune", world.config, "--dry-run", "--json").json()
    llmood("finetune", world.config, "--set", "finetune.epochs=1")
    samples = record_of(adapter_of(world))["data"][0]["samples"]
    assert sum(samples.values()) == 200
    assert said["splits"]["train"]["rows"] == samples["train"] < 140


# ------------------------------------------------------------------------------------------- interrupted, and gone on


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)


def stopping(monkeypatch: pytest.MonkeyPatch, after: int, error: BaseException) -> None:
    """The step after so many never ends."""
    honest, taken = LoraModel.step, 0

    def step(self: LoraModel, *args: Any, **kwargs: Any) -> float:
        nonlocal taken
        taken += 1
        if taken > after:
            raise error
        return honest(self, *args, **kwargs)

    monkeypatch.setattr(LoraModel, "step", step)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Path:
    """The adapter of the same content elsewhere, which nothing came between."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert llmood("finetune", make_world(folder / "world", base).config, "-o", folder / "made").code == 0
    return folder / "made"


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize("after", [pytest.param(0, marks=SLOW), 2, 6, pytest.param(13, marks=SLOW)])
def test_an_interrupted_training_ends_like_an_undisturbed_one(
    world: World, undisturbed: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    with monkeypatch.context() as patch:
        stopping(patch, after, KeyboardInterrupt())
        outcome = llmood("finetune", world.config)
    assert outcome.code == 130
    assert outcome.err == "llmood: interrupted; the same command goes on from here\n"
    # What stands there is no adapter yet.
    refused(llmood("run", world.config, "--dry-run"), "models.tuned.adapter")
    taken: list[int] = []
    honest = LoraModel.step
    monkeypatch.setattr(
        LoraModel, "step", lambda self, rows, **kwargs: (taken.append(1), honest(self, rows, **kwargs))[1]
    )
    assert llmood("finetune", world.config).code == 0
    assert len(taken) == 18 - after
    assert losses(adapter_of(world)) == losses(undisturbed)
    assert weights(adapter_of(world)) == weights(undisturbed)
    assert sorted(entry.name for entry in adapter_of(world).iterdir()) == FILES


@pytest.mark.usefixtures("every_step")
def test_an_interrupt_that_a_library_swallows_still_ends_the_training(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = LoraModel.step

    def step(self: LoraModel, *args: Any, **kwargs: Any) -> float:
        if kwargs["step"] == 1:
            with suppress(BaseException):
                signal.raise_signal(signal.SIGTERM)
        return honest(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(LoraModel, "step", step)
        assert llmood("finetune", world.config).code == 130
    refused(llmood("run", world.config, "--dry-run"), "models.tuned.adapter")


@pytest.mark.slow
def test_kill_9_in_the_midst_of_a_training(world: World, undisturbed: Path, tmp_path: Path) -> None:
    with spawn("finetune", world.config, cwd=tmp_path, patch=NINTH_PASS) as process:
        assert process.wait() == -signal.SIGKILL
    assert (adapter_of(world) / ".tuning" / "state.safetensors").is_file()
    assert llmood("finetune", world.config).code == 0
    assert losses(adapter_of(world)) == pytest.approx(losses(undisturbed), abs=1e-6)


def test_two_trainings_are_the_same(world: World, undisturbed: Path) -> None:
    assert llmood("finetune", world.config).code == 0
    assert weights(adapter_of(world)) == weights(undisturbed)


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize(
    ("change", "word"),
    [
        (["--set", "finetune.learning_rate=0.02"], "learning_rate 0.01, now 0.02"),
        pytest.param(["--seeds", "1"], "seed 0, now 1", marks=SLOW),
        (["--limit", "20"], "another train"),
        pytest.param(["--set", "finetune.rank=8"], "rank 4, now 8", marks=SLOW),
    ],
)
def test_another_configuration_in_the_same_folder_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch, change: list[str], word: str
) -> None:
    with monkeypatch.context() as patch:
        stopping(patch, 4, KeyboardInterrupt())
        llmood("finetune", world.config)
    before = tree(adapter_of(world))
    refused(llmood("finetune", world.config, *change), f"an unfinished adapter with {word} (")
    assert tree(adapter_of(world)) == before
    assert llmood("finetune", world.config).code == 0
    before = tree(adapter_of(world))
    for dry in ([], ["--dry-run"]):
        refused(llmood("finetune", world.config, *change, *dry), f"an adapter tuned with {word} (")
    assert tree(adapter_of(world)) == before


def test_other_settings_are_refused_before_data_and_torch_are_touched(
    world: World, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_device", "load_task", "resolve_model", "ending_tokenizer"):
        monkeypatch.setattr(plan, name, lambda *_, name=name, **__: pytest.fail(f"{name} was called"))
    changes = ("--set", "finetune.epochs=6", "--set", "finetune.rank=8", "--seeds", "2")
    refused(
        llmood("finetune", world.config, *changes, "-o", undisturbed),
        "an adapter tuned with seed 0, now 2; epochs 3, now 6; rank 4, now 8 (choose another folder",
    )


def test_where_the_configuration_names_the_adapters_the_next_command_is_plain(world: World) -> None:
    names = [{"adapter": "./adapters/one"}, {"adapter": "./adapters/two"}]
    world.edit(models={**world.settings()["models"], "tuned": names})
    outcome = llmood("finetune", world.config, "--set", "finetune.epochs=1", "--json")
    assert [each["name"] for each in outcome.json()["adapters"]] == ["./adapters/one", "./adapters/two"]
    assert outcome.json()["next"] == f"llmood run {world.config}"
    assert llmood(*shlex.split(outcome.json()["next"])[1:], "--dry-run").code == 0


def test_a_run_without_its_adapter_names_the_command_that_makes_it(world: World) -> None:
    refused(llmood("run", world.config, "--dry-run"), f"run 'llmood finetune {world.config}' first")


def test_before_a_tuning_the_splits_that_it_carves_are_shown(world: World) -> None:
    write_task(world.folder / "bank", {"train": rows("train", 200)}, name="bank")
    world.edit(models={**world.settings()["models"], "tuned": {"adapter": "./adapters/mine"}})
    found = llmood("validate", world.config, "--json").json()
    (entry,) = (entry for entry in found["tasks"] if entry["task"] == "bank")
    shown = {split: seen["samples"] for split, seen in entry["splits"].items()}
    assert list(shown) == ["train", "validation", "calibration", "test"]
    assert {seen["carved_from"] for split, seen in entry["splits"].items() if split != "train"} == {"train"}
    # The scorers here learn from nothing: the counts are those of the tuning, and of the run on its `test`.
    learned = llmood("finetune", world.config, "--dry-run", "--json").json()["splits"]
    assert (shown["train"], shown["validation"]) == (
        learned["train"]["rows"],
        learned["validation"]["rows"],
    )
    assert shown["test"] == found["splits"]["bank"]
    assert sum(shown.values()) == 200


def test_another_base_in_the_same_folder_is_refused(world: World, tmp_path: Path, undisturbed: Path) -> None:
    other = tiny_models.save_model(tmp_path / "other", seed=3)
    outcome = llmood("finetune", world.config, "-o", undisturbed, "--set", f"models.base={other}")
    refused(outcome, "tuned with another base")


# ------------------------------------------------------------------------------------------------------ what goes wrong


def disk_full(monkeypatch: pytest.MonkeyPatch, when: Callable[[Path], bool]) -> None:
    """Writing the files that `when` chooses fails as on a full disk, as late as it can: when they are synced."""
    honest = os.fsync

    def fsync(descriptor: int) -> None:
        if when(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        honest(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize(
    "name", ["state", FILES[1], *(pytest.param(name, marks=SLOW) for name in ("best", FILES[0], *FILES[2:]))]
)
def test_a_full_disk_is_one_line_and_the_same_command_goes_on(
    world: World, undisturbed: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    seen = 0

    def when(path: Path) -> bool:
        nonlocal seen
        seen += name in path.name
        return name in path.name and (seen > 4 or name != "state")

    with monkeypatch.context() as patch:
        disk_full(patch, when)
        outcome = llmood("finetune", world.config)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.count("\n") == 1
    assert "can't write: No space left on device" in outcome.err
    assert not list(world.folder.rglob("*.partial"))
    assert llmood("finetune", world.config).code == 0
    assert losses(adapter_of(world)) == losses(undisturbed)
    assert weights(adapter_of(world)) == weights(undisturbed)


def test_a_loss_that_is_no_number_is_one_line_and_leaves_no_adapter(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = LoraModel._gradients
    taken: list[int] = []

    def gradients(self: LoraModel, batch: Any) -> float:
        taken.append(1)
        return honest(self, batch) * (float("nan") if len(taken) == 8 else 1.0)

    with monkeypatch.context() as patch:
        patch.setattr(LoraModel, "_gradients", gradients)
        outcome = llmood("finetune", world.config)
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert "no finite number at step 8 (epoch 2)" in outcome.err
    assert "lower finetune.learning_rate" in outcome.err
    assert not adapter_of(world).exists()
    # The remedy can be tried in the same place.
    assert llmood("finetune", world.config, "--set", "finetune.learning_rate=0.001").code == 0


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("models.tuned=null", ("models.tuned: names no adapter",)),
        ("models.base=null", ("models.base: is missing",)),
        ("models.base=./nowhere", ("models.base: no folder './nowhere'",)),
        ("finetune.targets=[query]", ("finetune.targets", "no layer 'query'", "q_proj")),
        ("finetune.max_length=4", ("'train' has no text to learn from", "44 longer than max_length")),
        ("finetune.answers=true", ("44 rows have no reference", "train.jsonl:1")),
        ("finetune.rat=1", ("finetune.rat: unknown key",)),
        ("finetune.mix=[{task: nowhere, rows: 3}]", ("finetune.mix[0].task: no task 'nowhere'",)),
        ("engine.device=cuda", ("engine.device: cuda",)),
        ("benchmark.id=bankk/t.yaml", ("benchmark.id: no task file",)),
        ("chat=true", ()),
    ],
)
def test_a_mistake_is_one_line_before_any_model_loads(
    world: World, monkeypatch: pytest.MonkeyPatch, override: str, words: tuple[str, ...]
) -> None:
    if override.endswith("cuda"):
        import torch

        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    if override == "chat=true":
        base = tiny_models.save_model(world.folder / "plain")
        tiny_models.save_tokenizer(base, template=None)
        (base / "chat_template.jinja").unlink(missing_ok=True)
        world.edit(models={"base": str(base), "tuned": {"adapter": "adapters/mine"}})
        words = ("models.base", "no chat template")
    monkeypatch.setattr(LoraModel, "__init__", lambda *_, **__: pytest.fail("a model was loaded"))
    for dry in ([], ["--dry-run"]):
        refused(llmood("finetune", world.config, "--set", override, *dry), *words)
    assert not adapter_of(world).exists()


@pytest.mark.parametrize("seeds", ["1,1", "x", "-1", "1;2", "", " "])
def test_seeds_are_numbers_and_different(world: World, seeds: str) -> None:
    refused(llmood("finetune", world.config, f"--seeds={seeds}", "--dry-run"), "seeds")


def test_rows_that_cannot_be_read_are_counted_and_the_rest_is_learned(world: World) -> None:
    path = world.folder / "bank" / "train.jsonl"
    path.write_text(path.read_text() + "{not json\n")
    outcome = llmood("finetune", world.config, "--set", "finetune.epochs=1")
    assert outcome.code == 1
    assert "1 rows can't be read, the first:" in outcome.out
    record = record_of(adapter_of(world))
    assert (record["train"]["rows"], len(record["rejects"])) == (44, 1)


def test_over_a_finished_adapter_the_rows_of_now_count(world: World, undisturbed: Path) -> None:
    path = world.folder / "bank" / "train.jsonl"
    path.write_text(path.read_text() + "{not json\n" + json.dumps({"text": "x" * 80}) + "\n")
    before = tree(undisturbed)
    outcome = llmood("finetune", world.config, "-o", undisturbed)
    assert outcome.code == 1
    assert "was there already" in outcome.out
    assert "1 rows can't be read, the first: train.jsonl:45:" in outcome.out
    assert "1 texts of train were left out: longer than max_length" in outcome.out
    said = llmood("finetune", world.config, "-o", undisturbed, "--json")
    assert said.code == 1
    (reject,) = said.json()["rejects"]
    assert (reject["file"], reject["line"]) == ("train.jsonl", 45)
    assert said.json()["adapters"][0]["rejects"] == []  # what its own training left out
    assert tree(undisturbed) == before


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_a_name_that_no_file_system_holds(world: World, tmp_path: Path, dry: list[str]) -> None:
    refused(
        llmood("finetune", world.config, "-o", tmp_path / ("x" * 300), *dry),
        "file name too long (choose a shorter name)",
    )


@pytest.mark.parametrize("size", [0, 100, None])
def test_an_adapter_without_its_weights_is_not_taken_for_finished(
    world: World, undisturbed: Path, tmp_path: Path, size: int | None
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(undisturbed, folder)
    path = folder / "adapter_model.safetensors"
    if size is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:size])
    for dry in ([], ["--dry-run"]):
        refused(llmood("finetune", world.config, "-o", folder, *dry), "is damaged", "tune again")
    shutil.rmtree(folder)


def test_texts_that_are_too_long_are_counted(world: World) -> None:
    path = world.folder / "bank" / "train.jsonl"
    path.write_text(path.read_text() + json.dumps({"text": "x" * 80}) + "\n")
    outcome: Outcome = llmood("finetune", world.config, "--set", "finetune.epochs=1")
    assert outcome.code == 0
    assert "1 texts of train were left out: longer than max_length" in outcome.out
    assert record_of(adapter_of(world))["train"]["left_out"] == {"longer than max_length": 1}


def test_the_library_does_what_the_command_does(world: World, undisturbed: Path, tmp_path: Path) -> None:
    (made,) = finetune(world.settings(), output_dir=tmp_path / "mine")
    assert isinstance(made, Tuned)
    assert (made.made, made.folder) == (True, tmp_path / "mine")
    assert (made.loss_before, made.loss) == (losses(undisturbed)[0], min(losses(undisturbed)[2::2]))
    (again,) = finetune(world.settings(), output_dir=tmp_path / "mine")
    assert (again.made, again.loss) == (False, made.loss)


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    patch = "import atexit; atexit.register(lambda: print('torch' in sys.modules, 'peft' in sys.modules))"
    with spawn("finetune", "--help", cwd=tmp_path, patch=patch) as process:
        out, _ = process.communicate()
    assert "--profile" in out
    assert out.splitlines()[-1] == "False False"


def test_private_data_stays_private_in_the_next_command(world: World) -> None:
    outcome = llmood("finetune", world.config, "--no-text", "--set", "finetune.epochs=1", "--json")
    assert outcome.json()["next"] == f"llmood run {world.config} --no-text"
    texts = [row["text"].encode() for split, count in SPLITS.items() for row in rows(split, count)]
    written = b"".join(tree(adapter_of(world)).values())
    assert not any(text in written for text in texts)
