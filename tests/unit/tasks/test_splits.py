from __future__ import annotations

from pathlib import Path

import pytest

from llmood.errors import ConfigError, DataError
from llmood.records import Message, Sample, Split
from llmood.tasks import load_task
from llmood.tasks.splits import (
    carve,
    fold,
    folded_overlap,
    leave_train,
    plan_carving,
    refuse_overlap,
    shared_groups,
)
from tests.task_files import texts, write_task


def sample(text: str, split: Split = "train", group: str | None = None) -> Sample:
    return Sample("", "t", split, (Message("user", text),), group=group, source_line=f"{split}.jsonl:{text}")


def many(count: int, split: Split = "train") -> list[Sample]:
    return [sample(f"text {number}", split) for number in range(count)]


@pytest.mark.parametrize(
    ("has", "wanted", "plan"),
    [
        (["train", "test"], ["train", "test"], {}),
        (["train", "test"], ["calibration", "test"], {"calibration": "train"}),
        (["train", "validation"], ["calibration"], {"calibration": "validation"}),
        (["validation"], ["calibration", "validation"], {"calibration": "validation"}),
        (["train"], ["validation", "calibration"], {"validation": "train", "calibration": "train"}),
        (["train"], ["test", "train"], {"test": "train"}),
    ],
)
def test_what_is_lacking_and_asked_for_is_carved(
    has: list[Split], wanted: list[Split], plan: dict[Split, Split]
) -> None:
    assert plan_carving("t", has, wanted) == plan


@pytest.mark.parametrize(
    ("has", "wanted"),
    [
        (["test"], ["train"]),
        (["test"], ["validation"]),
        (["validation"], ["test"]),
        (["test"], ["calibration"]),
    ],
)
def test_nothing_to_carve_from_is_refused(has: list[Split], wanted: list[Split]) -> None:
    with pytest.raises(
        DataError, match=f"t: has no split '{wanted[0]}', .*has: {has[0]}.*name a file for '{wanted[0]}'"
    ):
        plan_carving("t", has, wanted)


def test_shares_are_as_documented() -> None:
    carved = carve({"train": many(5000)}, {"validation": "train", "calibration": "train", "test": "train"})
    shares = {split: len(samples) / 5000 for split, samples in carved.items()}
    # Three standard errors of a share of 0.6 among 5000 are 0.021.
    assert shares == pytest.approx(
        {"train": 0.6, "validation": 0.1, "calibration": 0.1, "test": 0.2}, abs=0.021
    )
    halved = carve({"validation": many(5000, "validation")}, {"calibration": "validation"})
    assert len(halved["calibration"]) / 5000 == pytest.approx(0.5, abs=0.022)
    assert {one.split for one in halved["calibration"]} == {"calibration"}


def test_what_a_split_gets_does_not_depend_on_the_others() -> None:
    alone = carve({"train": many(500)}, {"calibration": "train"})["calibration"]
    among = carve({"train": many(500)}, {"test": "train", "validation": "train", "calibration": "train"})[
        "calibration"
    ]
    assert alone == among


def test_a_group_is_never_carved_apart() -> None:
    rows = [sample(f"{group} {number}", group=f"g{group}") for group in range(40) for number in range(5)]
    carved = carve({"train": rows}, {"test": "train", "calibration": "train"})
    assert all(carved.values())
    assert shared_groups("t", carved) == []


def test_exact_content_in_two_splits_is_refused_with_lines() -> None:
    splits = {"train": [sample("a"), sample("b")], "test": [sample("b", "test"), sample("c", "test")]}
    with pytest.raises(
        ConfigError,
        match=r"t: 'train' and 'test' share 1 texts: train\.jsonl:b = test\.jsonl:b .*leave_train",
    ):
        refuse_overlap("t", splits)


def test_rows_leave_train_and_are_counted() -> None:
    splits = {"train": [sample("a"), sample("b"), sample("b")], "test": [sample("b", "test")]}
    settled, left = leave_train(splits)
    assert (left, [one.text for one in settled["train"]]) == (2, ["a"])
    refuse_overlap("t", settled)


def test_only_train_can_be_left() -> None:
    splits = {"validation": [sample("b", "validation")], "test": [sample("b", "test")]}
    settled, left = leave_train(splits)
    assert (settled, left) == (splits, 0)
    with pytest.raises(ConfigError, match=r"'validation' and 'test' share 1 texts: .*\(clean the data\)$"):
        refuse_overlap("t", settled)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("What's up?", "what s UP"),
        ("a  b\n", "A, b!"),
        ("straße", "STRASSE"),
        ("snake_case", "snake case"),
        ("¿qué?", "Qué"),
    ],
)
def test_folding(one: str, two: str) -> None:
    assert fold(one) == fold(two)


def test_folding_keeps_words_and_their_borders() -> None:
    assert fold("whats up") != fold("what's up")
    assert fold("a1") != fold("a2")
    assert fold("?!") == ""


def test_folded_overlap_counts_the_rows_of_the_later_split() -> None:
    splits = {
        "test": [sample("a?", "test"), sample("A!", "test"), sample("z", "test")],
        "train": [sample("a"), sample("b")],
        "validation": [sample("B.", "validation")],
    }
    (check,) = folded_overlap("t", splits)
    assert (check.code, check.values) == ("overlap_folded", {"train/validation": 1, "train/test": 2})
    assert "2 in train/test" in check.detail


def test_groups_in_two_splits_are_counted() -> None:
    splits = {
        "train": [sample("a", group="g"), sample("b")],
        "test": [sample("c", "test", "g"), sample("d", "test")],
    }
    (check,) = shared_groups("t", splits)
    assert (check.code, check.severity, check.values) == ("group_in_two_splits", "warning", {"train/test": 1})
    (meant,) = shared_groups("t", splits, meant=True)
    assert (meant.severity, meant.values) == ("info", check.values)


def test_loading_leaves_train_before_it_carves(tmp_path: Path) -> None:
    shared = [f"shared {number}" for number in range(40)]
    rows = {
        "train": texts(*shared, *(f"own {number}" for number in range(60))),
        "test": texts(*shared, "more"),
    }
    loaded = load_task(
        write_task(tmp_path, rows, overlap="leave_train"), ("train", "validation", "calibration", "test")
    )
    assert loaded.carved == {"validation": "train", "calibration": "train"}
    (check,) = [check for check in loaded.checks if check.code == "overlap_left_train"]
    assert check.values == {"rows": 40}
    assert sum(map(len, loaded.samples.values())) == 60 + 41


def test_train_alone_is_clean_of_test_too(tmp_path: Path) -> None:
    rows = {"train": texts("a", "b"), "test": texts("b")}
    with pytest.raises(ConfigError, match="'train' and 'test' share 1 texts"):
        load_task(write_task(tmp_path, rows), ("train",))
    loaded = load_task(write_task(tmp_path, rows, overlap="leave_train"), ("train",))
    assert [one.text for one in loaded.samples["train"]] == ["a"]


def test_the_same_content_in_two_groups_leaves_train_after_carving(tmp_path: Path) -> None:
    rows = [{"text": "same", "g": str(number)} for number in range(200)] + [
        {"text": f"own {n}", "g": f"o{n}"} for n in range(99)
    ]
    spec = write_task(tmp_path, {"train": rows}, fields={"group": "g"}, overlap="leave_train")
    loaded = load_task(spec, ("train", "test"))
    assert "same" not in {one.text for one in loaded.samples["train"]}


def test_a_carved_split_without_rows_says_what_it_was_carved_from(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"t: the split 'calibration' \(carved from 'train'\) holds no sample "
        r"\('train' has too few rows to carve from: give it more, or 'calibration' a file\)$",
    ):
        load_task(write_task(tmp_path, {"train": texts("a")}), ("calibration",))
