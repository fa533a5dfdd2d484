"""The built-in tasks on the real data: every row accounted for and rendered to the letter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llmood.records import SPLITS
from llmood.tasks import FileSource, find_task, list_tasks, load_task
from tests.task_accounts import accounts, loaded, manifest_rows, raw, text_of

TO_BE_FETCHED = ("super_clevr", "realcqa", "rvl_cdip")  # no part of the shared data
MADE_HERE = ("demo", "demo_images")  # worlds of this project's own, with tests of their own
NAMES = [
    spec.name
    for spec in list_tasks()
    if isinstance(spec.sources[0], FileSource) and spec.file.parent.name not in (*MADE_HERE, *TO_BE_FETCHED)
]
CHECKS: dict[str, dict[str, dict[str, int]]] = {
    "clinc150": {"overlap_folded": {"train/validation": 13, "train/test": 15, "validation/test": 5}},
    "banking77": {"overlap_folded": {"train/test": 19}},
    "nli_cad": {"group_in_two_splits": {"train/validation": 4, "train/test": 12}},
    "nli_cad_revised_premise": {"group_in_two_splits": {"train/validation": 4, "train/test": 12}},
    "nlvr": {"group_in_two_splits": {"train/test": 81}},
    "nlvr_tower": {"group_in_two_splits": {"train/test": 78}},
    "nlvr_scatter": {"group_in_two_splits": {"train/test": 3}},
    "scan_basic": {"overlap_left_train": {"rows": 84}},
}


@pytest.mark.parametrize("name", NAMES)
def test_every_row_of_the_manifest_is_accounted_for(name: str, real_data: Path) -> None:
    task = loaded(name)
    account = accounts()[name]
    assert list(task.samples) == list(account)
    assert task.rejects == []
    assert {check.code: check.values for check in task.checks} == CHECKS.get(name, {})
    for split, samples in task.samples.items():
        part = account[split]
        family, _, key = part.file.partition("/")
        assert len(samples) + part.left + part.without == manifest_rows()[family][key]
        assert len(samples) == task.spec.sources[0].rows[split]


@pytest.mark.parametrize("name", NAMES)
def test_every_prompt_is_to_the_letter_and_in_order(name: str, real_data: Path) -> None:
    task = loaded(name)
    test_texts = {sample.text for sample in task.samples["test"]}
    for split, part in accounts()[name].items():
        family = part.file.partition("/")[0]
        expected = [text_of(family, row) for row in raw(part.file) if part.keep(row)]
        if part.left:
            expected = [text for text in expected if text not in test_texts]
        assert [sample.text for sample in task.samples[split]] == expected


def test_every_file_of_the_families_is_in_a_task(real_data: Path) -> None:
    used = {part.file for account in accounts().values() for part in account.values()}
    families = {file.partition("/")[0] for file in used}
    assert used == {f"{family}/{key}" for family in families for key in manifest_rows()[family]}


def test_the_parts_of_mmlu_are_the_whole(real_data: Path) -> None:
    parts = [loaded(name) for name in NAMES if name.startswith("mmlu_")]
    for split in ("train", "test"):
        subjects = [{sample.domain for sample in part.samples[split]} for part in parts]
        assert sum(map(len, subjects)) == len(set().union(*subjects)) == 57
        assert sum(len(part.samples[split]) for part in parts) == len(loaded("mmlu").samples[split])


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("clinc150", {"text": "how would you say fly in italian", "label": "translate", "domain": "travel"}),
        ("clinc150", {"source_line": "clinc150/test.jsonl.gz:1"}),
        ("clinc150_oos", {"text": "how much has the dow changed today"}),
        ("rt_polarity", {"label": "negative"}),
        ("gsm8k", {"references": ("18",), "group": "test-0"}),
        ("gsm_hard", {"references": ("-9867630",), "group": "test-0", "parent_id": "test-0"}),
        ("hwu64", {"label": "alarm_query", "domain": "alarm"}),
        ("imdb_cad_original", {"label": "negative", "group": "13"}),
        ("imdb_cad_revised", {"label": "positive", "group": "13", "parent_id": "13"}),
        ("svamp", {"references": ("51",), "domain": "Subtraction"}),
        ("nq_open", {"references": ("14 December 1972 UTC", "December 1972")}),
        ("boolq", {"references": ("no",), "label": "no"}),
        ("pubmedqa", {"references": ("yes",), "label": "yes"}),
        ("mmlu", {"references": ("B",), "choices": ("0", "4", "2", "6"), "meta": {"answer_text": "4"}}),
        ("legalbench_subset", {"references": ("Yes",), "domain": "cuad_affiliate_license-licensee"}),
        ("strategyqa", {"references": ("no",), "label": "no"}),
        ("selfaware", {"references": ("song",), "label": "answerable", "domain": "hotpot_train"}),
        ("bbh", {"references": ("False",), "domain": "boolean_expressions"}),
        ("nli_cad_original", {"label": "entailment"}),
        ("bbq", {"references": ("C",), "label": "ambig", "group": "Age-4", "domain": "Age"}),
        ("bbq_ambig", {"references": ("C",), "label": "neg", "group": "Age-4"}),
        ("selfaware_answerable", {"references": ("song",), "label": None}),
        ("nlvr", {"references": ("true",), "label": "true", "domain": "tower"}),
        ("nlvr", {"meta": {"votes": {"true": 4, "false": 1}}}),
        ("country_flags", {"references": ("Andorra",), "group": "AD"}),
        ("super_clevr_sample", {"references": ("no",), "domain": "compare_integer"}),
    ],
)
def test_the_first_test_row(name: str, attributes: dict[str, Any], real_data: Path) -> None:
    first = loaded(name).samples["test"][0]
    assert {key: getattr(first, key) for key in attributes if key != "meta"} == {
        key: value for key, value in attributes.items() if key != "meta"
    }
    assert attributes.get("meta", {}).items() <= first.meta.items()


def test_a_letter_stands_for_its_choice(real_data: Path) -> None:
    for name in ("mmlu", "bbq"):
        for sample in loaded(name).samples["test"]:
            (letter,) = sample.references
            assert sample.choices["ABCD".index(letter)] == sample.meta["answer_text"]
            assert f"\n{letter}. {sample.meta['answer_text']}\n" in sample.text


def test_unanswerable_questions_have_no_reference(real_data: Path) -> None:
    for sample in loaded("selfaware").samples["test"]:
        assert (sample.label == "answerable") == bool(sample.references)


def test_what_should_be_answered_and_what_should_not_are_the_whole(real_data: Path) -> None:
    for name, one, other in (("selfaware", "answerable", "unanswerable"), ("bbq", "disambig", "ambig")):
        parts = [loaded(f"{name}_{part}").samples["test"] for part in (one, other)]
        assert sum(map(len, parts)) == len(loaded(name).samples["test"])
    assert all(sample.references for sample in loaded("selfaware_answerable").samples["test"])
    assert not any(sample.references for sample in loaded("selfaware_unanswerable").samples["test"])
    for name, right in (("bbq_ambig", True), ("bbq_disambig", False)):
        told = [
            sample.references == (sample.meta["unknown_letter"],) for sample in loaded(name).samples["test"]
        ]
        assert set(told) == {right}
    groups = [
        [sample.group for sample in loaded(f"bbq_{part}").samples["test"]] for part in ("ambig", "disambig")
    ]
    assert sorted(groups[0]) == sorted(groups[1])


def test_what_was_made_from_a_row_shares_its_group(real_data: Path) -> None:
    def groups(name: str) -> list[str | None]:
        return [sample.group for sample in loaded(name).samples["test"]]

    gsm8k = set(groups("gsm8k"))
    assert sum(group in gsm8k for group in groups("gsm_hard")) == 1_316
    assert sum(group in set(groups("imdb_cad_original")) for group in groups("imdb_cad_revised")) == 486
    assert set(groups("nli_cad_revised_hypothesis")) <= set(groups("nli_cad_original"))
    assert {groups("bbq").count(group) for group in groups("bbq")} == {2}


def test_ids_are_unique_over_all_tasks(real_data: Path) -> None:
    ids = [
        sample.sample_id for name in NAMES for samples in loaded(name).samples.values() for sample in samples
    ]
    assert len(set(ids)) == len(ids)


def test_calibration_is_half_of_validation(real_data: Path) -> None:
    task = load_task(find_task("clinc150"), SPLITS)
    assert task.carved == {"calibration": "validation"}
    assert len(task.samples["validation"]) + len(task.samples["calibration"]) == 3_000
    assert abs(len(task.samples["calibration"]) - 1_500) < 100
    assert task.samples["train"] == loaded("clinc150").samples["train"]
    assert not any(check.code == "rows_differ" for check in task.checks)
