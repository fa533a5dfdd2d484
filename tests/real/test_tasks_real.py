"""The built-in tasks on the real data: every row, to the letter."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from llmood.records import SPLITS
from llmood.tasks import LoadedTask, find_task, load_task

ROWS = {
    "clinc150": {"train": 14_995, "validation": 3_000, "test": 4_500},
    "clinc150_oos": {"train": 100, "validation": 100, "test": 1_000},
    "banking77": {"train": 9_993, "test": 3_080},
    "rt_polarity": {"train": 8_529, "validation": 1_066, "test": 1_067},
    "gsm8k": {"train": 2_000, "test": 1_319},
}
FILES = {"clinc150_oos": ("clinc150/oos_{}.jsonl.gz", "text"), "gsm8k": ("gsm8k/{}.jsonl.gz", "question")}


@pytest.fixture(scope="module")
def loaded(real_data: Path) -> dict[str, LoadedTask]:
    return {name: load_task(find_task(name)) for name in ROWS}


@pytest.mark.parametrize("name", ROWS)
def test_every_row_is_there_to_the_letter_and_in_order(
    name: str, loaded: dict[str, LoadedTask], real_data: Path
) -> None:
    task = loaded[name]
    assert {split: len(samples) for split, samples in task.samples.items()} == ROWS[name]
    assert task.rejects == []
    pattern, column = FILES.get(name, (f"{name}/{{}}.jsonl.gz", "text"))
    for split, samples in task.samples.items():
        with gzip.open(real_data / pattern.format(split), "rt", encoding="utf-8") as stream:
            assert [sample.text for sample in samples] == [json.loads(line)[column] for line in stream]


def test_the_first_test_rows(loaded: dict[str, LoadedTask]) -> None:
    first = {name: task.samples["test"][0] for name, task in loaded.items()}
    assert first["clinc150"].text == "how would you say fly in italian"
    assert (first["clinc150"].label, first["clinc150"].domain) == ("translate", "travel")
    assert first["clinc150"].source_line == "clinc150/test.jsonl.gz:1"
    assert first["clinc150_oos"].text == "how much has the dow changed today"
    assert first["rt_polarity"].label == "negative"
    assert first["gsm8k"].references == ("18",)
    assert first["gsm8k"].meta["solution"].startswith("Janet sells 16")


def test_ids_are_unique_over_all_tasks(loaded: dict[str, LoadedTask]) -> None:
    ids = [
        sample.sample_id
        for task in loaded.values()
        for samples in task.samples.values()
        for sample in samples
    ]
    assert len(set(ids)) == len(ids)


def test_folded_overlap(loaded: dict[str, LoadedTask]) -> None:
    found = {name: {check.code: check.values for check in task.checks} for name, task in loaded.items()}
    assert found["clinc150"] == {
        "overlap_folded": {"train/validation": 13, "train/test": 15, "validation/test": 5}
    }
    assert found["banking77"] == {"overlap_folded": {"train/test": 19}}
    assert found["rt_polarity"] == found["gsm8k"] == found["clinc150_oos"] == {}


def test_calibration_is_half_of_validation(loaded: dict[str, LoadedTask]) -> None:
    task = load_task(find_task("clinc150"), SPLITS)
    assert task.carved == {"calibration": "validation"}
    assert len(task.samples["validation"]) + len(task.samples["calibration"]) == 3_000
    assert abs(len(task.samples["calibration"]) - 1_500) < 100
    assert task.samples["train"] == loaded["clinc150"].samples["train"]
