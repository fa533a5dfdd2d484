"""`llmood validate`: what it finds in a task, a benchmark and a configuration, before anything is run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.task_files import write_jsonl
from tests.worlds import BANK, LETTERS, WEATHER, World, llmood, no_model_runs, refused, write_world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    no_model_runs(monkeypatch)
    return write_world(tmp_path / "world")


def task_file(world: World, **changes: Any) -> Path:
    """The ID task's YAML, with other keys; None takes a key away."""
    path = world.folder / "bank" / "t.yaml"
    data = {**yaml.safe_load(path.read_text()), **changes}
    path.write_text(yaml.safe_dump({key: value for key, value in data.items() if value is not None}))
    return path


def validated(*arguments: object, code: int = 0) -> dict[str, Any]:
    outcome = llmood("validate", *arguments, "--json")
    assert outcome.code == code, outcome
    return dict(outcome.json())


def splits_of(found: Mapping[str, Any], task: str) -> dict[str, Any]:
    (entry,) = (entry for entry in found["tasks"] if entry["task"] == task)
    return dict(entry["splits"])


def test_a_configuration(world: World) -> None:
    outcome = llmood("validate", world.config)
    assert outcome.code == 0
    assert outcome.out.endswith("valid\n")
    found = validated(world.config)
    assert found["splits"] == {"bank": 24, "near": 20, "far": 16}
    # One sample of each population, as they stand in their files.
    assert found["prompts"] == [rows[0]["text"] for rows in (BANK, WEATHER, LETTERS)]
    assert [sample["task"] for sample in found["samples"]] == ["bank", "near", "far"]
    assert all(prompt in outcome.out for prompt in found["prompts"])
    lengths = sorted(len(row["text"]) for row in BANK)
    seen = splits_of(found, "bank")["test"]
    assert seen["characters"] == [lengths[0], lengths[11], lengths[22], lengths[23]]
    (entry,) = (entry for entry in found["tasks"] if entry["task"] == "bank")
    # The fake tokenizer: a token a character, and one in front.
    assert entry["tokens"]["test"] == [length + 1 for length in seen["characters"]]
    assert (found["rejects"], found["checks"], found["to_do"]) == ([], [], [])


def test_a_task(world: World) -> None:
    found = validated(task_file(world, fields={"label": "label"}))
    assert (found["task"], found["splits"]) == ("bank", {"test": 24})
    assert found["prompts"] == [row["text"] for row in BANK[:3]]
    assert splits_of(found, "bank")["test"]["fields"] == {"label": 1.0}
    assert (found["rejects"], found["checks"]) == ([], [])


def test_samples_are_spread_over_splits_with_their_references(world: World) -> None:
    folder = world.folder / "bank"
    for split in ("train", "validation", "test"):
        write_jsonl(
            folder / f"{split}.jsonl", [{"text": f"{split} {i}", "a": [f"answer {i}"]} for i in range(9)]
        )
    names = {split: split for split in ("train", "validation", "test")}
    path = task_file(world, sources=[{"files": "{split}.jsonl", "splits": names}], fields={"references": "a"})
    found = validated(path)
    assert found["prompts"] == ["train 0", "validation 0", "test 0"]
    assert [sample["references"] for sample in found["samples"]] == [["answer 0"]] * 3
    out = llmood("validate", path).out
    assert "--- bank · test · test.jsonl:1\ntest 0\n→ answer 0\n" in out
    assert "no text stands in two splits" in out
    assert "references in all rows" in out


def test_test_is_carved_where_the_data_lack_it(world: World) -> None:
    write_jsonl(world.folder / "bank" / "train.jsonl", [{"text": f"row {i}"} for i in range(200)])
    found = validated(task_file(world, sources=[{"files": {"train": "train.jsonl"}}]))
    assert sum(found["splits"].values()) == 200
    assert 20 < found["splits"]["test"] < 60
    assert splits_of(found, "bank")["test"]["carved_from"] == "train"


def test_fields_groups_duplicates_and_short_texts_are_counted(world: World) -> None:
    rows = [
        {"text": "one text", "label": "a", "g": "x", "id": 1},
        {"text": "one text", "label": None, "g": "x", "id": 1},
        {"text": "one text", "label": "b", "g": "x", "id": 2},
        {"text": "ok", "label": "b", "g": None, "id": 3},
    ]
    write_jsonl(world.folder / "bank" / "test.jsonl", rows)
    path = task_file(world, fields={"label": "label", "group": "g", "meta": {"id": "id"}})
    found = validated(path)
    seen = splits_of(found, "bank")["test"]
    assert seen["fields"] == {"label": 0.75, "group": 0.75, "meta.id": 1.0}
    assert seen["groups"] == {"groups": 1, "largest": 3, "without": 1}
    assert seen["duplicates"] == 2
    assert found["checks"] == [
        "warning: Rows of bank that repeat an earlier one of their split to the letter: 2 in test.",
        "warning: Rows of bank that bear the 'id' of an earlier row of their split: 1 in test.",
        "warning: Prompts of bank with fewer than 3 characters: 1 in test.",
        (
            "warning: One group holds 3 of the 4 rows of bank's 'test': groups are resampled whole, so intervals will "
            "say little."
        ),
    ]
    out = llmood("validate", path).out
    assert "label in 75.0%" in out
    assert "test: 1 groups, the largest of 3 rows; 1 rows without one" in out


def test_shared_texts_are_refused_and_near_copies_counted(world: World) -> None:
    folder = world.folder / "bank"
    write_jsonl(folder / "train.jsonl", [{"text": "the same", "g": "x"}, {"text": "other", "g": "y"}])
    write_jsonl(folder / "test.jsonl", [{"text": "The same!", "g": "x"}])
    names = {"train": "train", "test": "test"}
    path = task_file(world, sources=[{"files": "{split}.jsonl", "splits": names}], fields={"group": "g"})
    assert validated(path)["checks"][:2] == [
        "warning: Rows of bank with the same text in two splits, but for case and punctuation: 1 in train/test.",
        "warning: Rows of bank whose group is in two splits: 1 in train/test.",
    ]
    write_jsonl(folder / "test.jsonl", [{"text": "the same", "g": "x"}])
    refused(llmood("validate", path), "'train' and 'test' share 1 texts: train.jsonl:1 = test.jsonl:1")


def benchmark_file(world: World, **changes: Any) -> Path:
    path = world.folder / "benchmark.yaml"
    data = yaml.safe_load(world.config.read_text())["benchmark"]
    path.write_text(yaml.safe_dump({**data, **changes}))
    return path


def test_a_benchmark(world: World) -> None:
    write_jsonl(world.folder / "near" / "test.jsonl", [BANK[3], {"text": BANK[5]["text"].upper()}, *WEATHER])
    found = validated(benchmark_file(world))
    assert found["benchmark"] == "small"
    assert found["splits"] == {"bank": 24, "near": 22, "far": 16}
    assert [sample["task"] for sample in found["samples"]] == ["bank", "near", "far"]
    assert [entry["shift"] for entry in found["tasks"]] == ["none", "near", "far"]
    assert found["checks"] == ["warning: 2 of 22 texts of near stand in bank too, 1 of them to the letter."]
    assert llmood("validate", world.config).out.count("stand in bank too") == 1


def test_a_benchmarks_corruptions_are_looked_up(world: World) -> None:
    path = benchmark_file(world, ood=[{"corruption": "typos"}, {"task": "near/t.yaml", "shift": "near"}])
    assert validated(path)["splits"] == {"bank": 24, "near": 20}
    path = benchmark_file(world, ood=[{"corruption": "tpyos"}])
    refused(llmood("validate", path), "ood[0]", "'typos'")
    path = benchmark_file(world, ood=[{"corruption": "typos", "severity": 9}])
    refused(llmood("validate", path), "ood[0].severity", "9 is no grade")


def test_grades_of_a_corruption_are_no_overlap(world: World) -> None:
    data = yaml.safe_load(world.config.read_text())["benchmark"]
    world.edit(benchmark={**data, "ood": [{"corruption": "typos", "severity": 1}]})
    found = validated(world.config)
    assert found["splits"] == {"bank": 24, "bank.typos.1": 24}
    assert not [check for check in found["checks"] if "stand in bank too" in check]
    assert {sample["task"] for sample in found["samples"]} == {"bank"}


def test_a_benchmark_names_its_mistakes(world: World) -> None:
    path = benchmark_file(world, id="bank/tt.yaml")
    refused(llmood("validate", path), "id: no task file", "bank/t.yaml")
    refused(llmood("validate", benchmark_file(world, odo=[])), "odo: unknown key", "'ood'")


def test_no_text_shows_none(world: World) -> None:
    write_jsonl(world.folder / "near" / "test.jsonl", [*WEATHER, {"text": {"secret": "words"}}])
    outcome = llmood("validate", world.config, "--set", "text=false")
    assert outcome.code == 1
    assert BANK[0]["text"] not in outcome.out
    assert "secret" not in outcome.out
    assert "test.jsonl:21: wrong type" in outcome.out


def test_prompts_over_the_context_are_foreseen(world: World) -> None:
    found = validated(world.config, "--set", "engine.max_length=31")
    assert any("of bank are longer than the context of 31 tokens" in check for check in found["checks"])


def test_what_a_terminal_would_act_on_is_spelled_out(world: World) -> None:
    path = world.folder / "bank" / "test.jsonl"
    path.write_text(json.dumps({"text": "\x1b[31mred"}) + "\n")
    assert "\\x1b[31mred" in llmood("validate", task_file(world)).out


def test_an_adapter_that_is_to_be_tuned_is_to_do(tmp_path: Path) -> None:
    from tests.tiny_models import save_model

    base = save_model(tmp_path / "base")
    rows = {
        split: [{"text": f"{split} {i}"} for i in range(4)]
        for split in ("train", "validation", "calibration", "test")
    }
    world = write_world(
        tmp_path / "world",
        bank=rows,
        near=[{"text": "near"}],
        far=None,
        models={"base": str(base), "tuned": {"adapter": "./adapters/mine"}},
        engine={"kind": "transformers", "device": "cpu"},
        finetune={"profile": "small", "epochs": 3, "batch_size": 2},
    )
    found = validated(world.config)
    (to_do,) = found["to_do"]
    assert to_do.startswith("models.tuned: no folder './adapters/mine' yet; ")
    assert f"'llmood finetune {world.config}' makes it of 4 texts" in to_do
    assert to_do.endswith("6 steps an adapter")  # 4 texts, 2 a step, 3 epochs
    outcome = llmood("validate", world.config)
    assert outcome.code == 0
    assert "to do: models.tuned" in outcome.out
    # A run can't do without it, and says what to do; the tuning's own mistakes are found too.
    refused(
        llmood("run", world.config), "models.tuned", "./adapters/mine", f"'llmood finetune {world.config}'"
    )
    refused(llmood("validate", world.config, "--set", "finetune.max_length=2"), "finetune.max_length")
    # `a/b` may be the hub's, which isn't asked here: the tuning takes it for a folder, so it is to do as well.
    for name in ("adapters/mine", "mine"):
        (to_do,) = validated(world.config, "--set", f"models.tuned.adapter={name}")["to_do"]
        assert to_do.startswith(
            f"models.tuned: no folder '{name}' yet, and none from the hub; 'llmood finetune"
        )
        assert (
            llmood("finetune", world.config, "--set", f"models.tuned.adapter={name}", "--dry-run").code == 0
        )
    pinned = f"models.tuned={{adapter: adapters/mine, revision: {'a' * 40}}}"
    refused(llmood("validate", world.config, "--set", pinned), "models.tuned", "the hub says")
    refused(
        llmood("validate", world.config, "--set", "models.base=null", "--set", "scorers=[likelihood]"),
        "models.base",
    )


def test_validate_shows_broken_rows(world: World) -> None:
    path = world.folder / "bank" / "test.jsonl"
    path.write_text(path.read_text() + "broken\n" * 30)
    for what in (world.config, world.folder / "bank" / "t.yaml"):
        outcome = llmood("validate", what)
        assert outcome.code == 1
        assert "rejected: test.jsonl:25: bad JSON" in outcome.out
        assert "… and 10 rejected rows more" in outcome.out
        assert outcome.out.endswith("30 rows can't be read; the rest is valid\n")
        assert len(llmood("validate", what, "--json").json()["rejects"]) == 30


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"promt": "{{ text }}"}, ("promt: unknown key", "'prompt'")),
        ({"prompt": "{{ text"}, ("prompt: line 1 of the template",)),
        ({"prompt": "{{ txt }}"}, ("no column 'txt'", "'text'")),
        ({"sources": None}, ("sources",)),
        ({"name": "../../x"}, ("name",)),
    ],
)
def test_validate_names_a_tasks_mistake(
    world: World, change: dict[str, object], words: tuple[str, ...]
) -> None:
    path = world.folder / "bank" / "t.yaml"
    data = {**yaml.safe_load(path.read_text()), **change}
    path.write_text(yaml.safe_dump({key: value for key, value in data.items() if value is not None}))
    refused(llmood("validate", path), str(path), *words)


def test_validate_names_a_configurations_mistake(world: World) -> None:
    refused(llmood("validate", world.config, "--set", "scorers=[likelihod]"), "scorers[0]", "'likelihood'")
    refused(llmood("validate", world.folder / "smal.yaml"), "no configuration file", "small.yaml")
