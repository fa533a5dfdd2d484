"""The demo world's generator and its checked-in files; no model is loaded."""

from __future__ import annotations

import importlib
import json
import string
from collections import Counter
from collections.abc import Iterator
from itertools import combinations, islice
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "tasks" / "demo"
ID_FILES = ("id_train", "id_validation", "id_calibration", "id_test")
FAR_FILES = ("far_beasts_test", "far_dishes_test", "far_ships_test")

Splits = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def generator() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "scripts"))
        yield importlib.import_module("demo_world.world")


@pytest.fixture(scope="module")
def splits(generator: ModuleType) -> Splits:
    return generator.make_splits(generator.make_world())


def texts(rows: list[dict[str, Any]]) -> set[str]:
    return {row["question"] for row in rows}


def folded(rows: list[dict[str, Any]]) -> set[str]:
    drop = str.maketrans("", "", string.punctuation)
    return {" ".join(row["question"].casefold().translate(drop).split()) for row in rows}


def test_the_same_seed_gives_the_same_rows(generator: ModuleType, splits: Splits) -> None:
    assert generator.make_splits(generator.make_world()) == splits


def test_the_checked_in_files_are_what_the_generator_makes(
    generator: ModuleType, splits: Splits, tmp_path: Path
) -> None:
    generator.write_splits(splits, tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_bytes() for path in (DEMO / "data").iterdir()}


def test_files_and_sizes(splits: Splits) -> None:
    assert {name: len(rows) for name, rows in splits.items()} == {
        "id_train": 2720,
        "id_validation": 300,
        "id_calibration": 400,
        "id_test": 600,
        "near_test": 300,
        "near_train": 800,
        **dict.fromkeys(FAR_FILES, 300),
        "typos_test": 600,
    }


def test_no_question_stands_in_two_files_or_twice_in_one(splits: Splits) -> None:
    assert all(len(texts(rows)) == len(rows) for rows in splits.values())
    for one, other in combinations(splits.values(), 2):
        assert not texts(one) & texts(other)


def test_no_question_stands_in_two_files_but_for_case_and_punctuation(splits: Splits) -> None:
    for one, other in combinations(splits.values(), 2):
        assert not folded(one) & folded(other)


def test_ids_are_unique_and_name_their_file(splits: Splits) -> None:
    ids = [row["id"] for rows in splits.values() for row in rows]
    assert len(ids) == len(set(ids))
    assert all(row["id"].startswith(f"{name}-") for name, rows in splits.items() for row in rows)


def test_every_split_of_the_id_domain_has_the_same_kinds_of_question(splits: Splits) -> None:
    kinds = [{row["kind"] for row in splits[name]} for name in ID_FILES]
    assert all(each == kinds[0] for each in kinds)
    assert len(kinds[0]) == 8


def test_near_questions_are_of_other_kinds_about_the_same_towns(splits: Splits) -> None:
    assert not {row["kind"] for row in splits["near_test"]} & {row["kind"] for row in splits["id_train"]}
    assert {row["domain"] for row in splits["near_test"]} == {"towns"}

    def towns(rows: list[dict[str, Any]]) -> set[str]:
        return {row["group"].split("/")[1] for row in rows}

    assert towns(splits["near_test"]) == towns(splits["id_test"])


def test_each_far_file_is_another_domain(splits: Splits) -> None:
    assert [{row["domain"] for row in splits[name]} for name in FAR_FILES] == [
        {"beasts"},
        {"dishes"},
        {"ships"},
    ]


def test_facts_are_seen_as_often_as_their_rows_say(splits: Splits) -> None:
    in_train = Counter(row["group"] for row in splits["id_train"])
    for name in ID_FILES:
        assert all(row["times_seen"] == in_train[row["group"]] for row in splits[name])
    facts = {row["group"]: row["times_seen"] for row in splits["id_test"]}
    assert Counter(facts.values()) == {0: 80, 1: 80, 4: 100, 16: 140}


def test_a_fact_has_one_answer_everywhere(splits: Splits) -> None:
    found: dict[str, list[str]] = {}
    for rows in splits.values():
        for row in rows:
            assert found.setdefault(row["group"], row["answers"]) == row["answers"]


def test_typos_keep_their_parent_and_its_group(splits: Splits) -> None:
    parents = {row["id"]: row for row in splits["id_test"]}
    assert [row["parent_id"] for row in splits["typos_test"]] == list(parents)
    for row in splits["typos_test"]:
        parent = parents[row["parent_id"]]
        assert row["question"] != parent["question"]
        assert {**row, "id": parent["id"], "question": parent["question"]} == {
            **parent,
            "parent_id": parent["id"],
        }


def test_pretraining_reads_no_held_out_question_and_no_fact_of_a_tuned_town(
    generator: ModuleType, splits: Splits
) -> None:
    world, held_out = generator.make_world(), generator.questions(splits)
    documents = list(islice(generator.pretraining_documents(world, held_out, "base"), 5000))
    assert not {question for question, _ in documents} & held_out
    tuned = {fact.name for fact in world.id_facts}
    assert not any(name in question for question, _ in documents for name in tuned)
    assert not tuned & {fact.name for fact in world.base_facts["towns"]}


def test_all_of_the_demo_is_under_eight_megabytes() -> None:
    assert sum(path.stat().st_size for path in DEMO.rglob("*") if path.is_file()) < 8_000_000


def test_the_stored_world_was_measured_as_fair() -> None:
    figures = json.loads((DEMO / "fairness.json").read_text(encoding="utf-8"))
    assert 0.5 <= figures["accuracy"]["id_test"] <= 0.9
    by_times_seen = [figures["accuracy_by_times_seen"][times] for times in ("0", "1", "4", "16")]
    assert by_times_seen == sorted(set(by_times_seen))
    assert figures["distinct_answers_auroc"] >= 0.7
    ratio, plain = figures["auroc"]["likelihood_ratio"], figures["auroc"]["likelihood"]
    assert 0.80 <= ratio["near_test"] < 1
    assert min(ratio[name] for name in FAR_FILES) >= 0.95
    assert min(plain[name] for name in FAR_FILES) < 0.5
