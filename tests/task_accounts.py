"""Which rows of the shared data files make each built-in task, and how they read: found without llmood's help."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from llmood.tasks import LoadedTask, find_task, load_task

Row = Mapping[str, Any]
HELD_OUT = {"email", "news", "social"}
LAW = {"international_law", "jurisprudence", "professional_law"}
MEDICINE = {
    *("anatomy", "clinical_knowledge", "college_medicine", "human_aging", "medical_genetics", "nutrition"),
    *("professional_medicine", "virology"),
}


def everything(_row: Row) -> bool:
    return True


def unlike_basic(row: Row) -> tuple[bool, bool, bool]:
    """What of SCAN's three tests a command holds: a compound of jump, around right, many actions."""
    words = row["question"].split()
    around_right = any(pair == ("around", "right") for pair in pairwise(words))
    return "jump" in words and len(words) > 1, around_right, row["answers"][0].count("I_") > 22


def is_tower(row: Row) -> bool:
    """Whether every block of a scene of NLVR stands in the middle of its box."""
    return {block["x_loc"] for box in row["structured_rep"] for block in box} == {40}


def of_subjects(group: str) -> Callable[[Row], bool]:
    def keep(row: Row) -> bool:
        own = "law" if row["subject"] in LAW else "medicine" if row["subject"] in MEDICINE else row["group"]
        return bool(own == group)

    return keep


@dataclass(frozen=True)
class Part:
    """One split of a task: its file, how many of the manifest's rows the task leaves out, and which it keeps.

    `left` is how many of the kept rows then leave train, for standing in test.
    """

    file: str
    without: int = 0
    keep: Callable[[Row], bool] = everything
    left: int = 0


def files(
    pattern: str, splits: str, keep: Callable[[Row], bool] = everything, *without: int
) -> dict[str, Part]:
    names = splits.split()
    return {
        split: Part(pattern.format(split), count, keep)
        for split, count in zip(names, without or [0] * len(names), strict=True)
    }


def mmlu(group: str, dev: int, test: int) -> dict[str, Part]:
    keep = of_subjects(group)
    return {"train": Part("mmlu/dev", 284 - dev, keep), "test": Part("mmlu/test", 3420 - test, keep)}


def scan(split: str, unlike: tuple[bool, bool, bool], without: int) -> dict[str, Part]:
    return {"test": Part(f"scan/{split}_test", without, lambda row: unlike_basic(row) == unlike)}


def nli(variant: str, *without: int) -> dict[str, Part]:
    originals = original_pairs() if variant.startswith("revised") else set()
    return files(
        "nli_cad/{}",
        "train validation test",
        lambda row: row["variant"] == variant and (row["premise"], row["hypothesis"]) not in originals,
        *without,
    )


def accounts() -> dict[str, dict[str, Part]]:
    """Each task's splits. Built late: some filters look at the data."""
    return {
        "banking77": files("banking77/{}", "train test"),
        "bbh": files("bbh/{}", "test"),
        "bbq": files("bbq/{}", "test"),
        "bbq_ambig": files("bbq/{}", "test", lambda row: row["condition"] == "ambig", 1_200),
        "bbq_disambig": files("bbq/{}", "test", lambda row: row["condition"] == "disambig", 1_200),
        "boolq": {"test": Part("boolq/validation")},
        "country_flags": {"test": Part("country_flags/all")},
        "clinc150": files("clinc150/{}", "train validation test"),
        "clinc150_oos": files("clinc150/oos_{}", "train validation test"),
        "gsm8k": files("gsm8k/{}", "train test"),
        "gsm_hard": files("gsm_hard/{}", "test"),
        "gsm_hard_changed": files(
            "gsm_hard/{}", "test", lambda row: row["question"] not in gsm8k_questions(), 329
        ),
        "hwu64": files("hwu64/{}", "train test"),
        "hwu64_in_scope": files(
            "hwu64/{}", "train test", lambda row: row["domain"] not in HELD_OUT, 1_119, 121
        ),
        "hwu64_held_out": files("hwu64/{}", "train test", lambda row: row["domain"] in HELD_OUT, 8_841, 955),
        "imdb_cad": files("imdb_cad/{}", "train validation test"),
        # 2 originals of test are one text, of the pair that was never revised.
        "imdb_cad_original": files(
            "imdb_cad/{}",
            "train validation test",
            lambda row: row["is_original"] and row["pair_id"] != "8893",
            *(1_709, 246, 488 + 2),
        ),
        "imdb_cad_revised": files(
            "imdb_cad/{}", "train validation test", lambda row: not row["is_original"], 1_702, 244, 488
        ),
        "legalbench_subset": files("legalbench_subset/{}", "test"),
        "mmlu": {"train": Part("mmlu/dev"), "test": Part("mmlu/test")},
        "mmlu_humanities": mmlu("humanities", 50, 600),
        "mmlu_law": mmlu("law", 15, 180),
        "mmlu_medicine": mmlu("medicine", 40, 480),
        "mmlu_other": mmlu("other", 30, 360),
        "mmlu_social_sciences": mmlu("social", 60, 720),
        "mmlu_stem": mmlu("stem", 89, 1_080),
        "movie_reviews_long": files("movie_reviews_long/{}", "test"),
        "nli_cad": files("nli_cad/{}", "train validation test"),
        "nli_cad_original": nli("original", 8_255 - 1_630, 800, 1_600),
        # Beside the other variants: 1 row of validation that was revised into what it was.
        "nli_cad_revised_premise": nli("revised_premise", 8_255 - 3_294, 600 + 1, 1_200),
        "nli_cad_revised_hypothesis": nli("revised_hypothesis", 8_255 - 3_331, 600 + 1, 1_200 + 2),
        "nlvr": {"train": Part("nlvr/dev"), "test": Part("nlvr/test")},
        "nlvr_hidden": {"test": Part("nlvr/hidden")},
        "nlvr_tower": {
            "train": Part("nlvr/dev", 228, is_tower),
            "test": Part("nlvr/test", 197, is_tower),
        },
        "nlvr_scatter": {
            "train": Part("nlvr/dev", 472, lambda row: not is_tower(row)),
            "test": Part("nlvr/test", 503, lambda row: not is_tower(row)),
        },
        "nq_open": {"test": Part("nq_open/validation")},
        "nq_open_efficientqa": {"test": Part("nq_open/efficientqa_dev")},
        "pubmedqa": files("pubmedqa/{}", "train test"),
        "rt_polarity": files("rt_polarity/{}", "train validation test"),
        "scan_addprim_jump": files("scan/addprim_jump_{}", "train test"),
        "scan_length": files("scan/length_{}", "train test"),
        "scan_simple": files("scan/simple_{}", "train test"),
        "scan_template_around_right": files("scan/template_around_right_{}", "train test"),
        "scan_basic": {
            "train": Part("scan/addprim_jump_train", 877, lambda row: not any(unlike_basic(row)), left=84),
            "test": Part("scan/simple_test", 575, lambda row: not any(unlike_basic(row))),
        },
        "scan_jump": scan("addprim_jump", (True, False, False), 349),
        "scan_around_right": scan("template_around_right", (False, True, False), 679),
        "scan_long": scan("length", (False, False, True), 771),
        "selfaware": files("selfaware/{}", "test"),
        "selfaware_answerable": files("selfaware/{}", "test", lambda row: row["answerable"], 1_032),
        "selfaware_unanswerable": files("selfaware/{}", "test", lambda row: not row["answerable"], 2_337),
        "super_clevr_sample": files("super_clevr_sample/{}", "test"),
        "strategyqa": files("strategyqa/{}", "test"),
        "svamp": files("svamp/{}", "test"),
    }


def choices(row: Row) -> str:
    return "\n".join(f"{letter}. {choice}" for letter, choice in zip("ABCD", row["choices"], strict=False))


TEXTS: dict[str, Callable[[Row], str]] = {
    "bbq": lambda row: f"{row['context']}\n{row['question']}\n{choices(row)}\nAnswer:",
    "boolq": lambda row: f"{row['context']}\nQuestion: {row['question']}\nAnswer:",
    "legalbench_subset": lambda row: (
        (f"{row['instruction']}\n" if row["instruction"] else "") + f"Text: {row['text']}\nAnswer:"
    ),
    "mmlu": lambda row: f"{row['question']}\n{choices(row)}\nAnswer:",
    "nli_cad": lambda row: f"Premise: {row['premise']}\nHypothesis: {row['hypothesis']}",
    "country_flags": lambda row: f"{row['question']}\nAnswer:",
    "nlvr": lambda row: f"{row['question']}\nTrue or false?\nAnswer:",
    "super_clevr_sample": lambda row: f"{row['question']}\nAnswer:",
    "pubmedqa": lambda row: f"{row['context']}\nQuestion: {row['question']}\nAnswer:",
}


def text_of(family: str, row: Row) -> str:
    return TEXTS[family](row) if family in TEXTS else str(row.get("text", row.get("question")))


@cache
def raw(file: str) -> list[dict[str, Any]]:
    root = Path(os.environ["LLMOOD_DATA"])
    with gzip.open(root / f"{file}.jsonl.gz", "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


@cache
def gsm8k_questions() -> set[str]:
    return {row["question"] for row in raw("gsm8k/test")}


@cache
def original_pairs() -> set[tuple[str, str]]:
    rows = [row for split in ("train", "validation", "test") for row in raw(f"nli_cad/{split}")]
    return {(row["premise"], row["hypothesis"]) for row in rows if row["variant"] == "original"}


@cache
def loaded(name: str) -> LoadedTask:
    """The built-in task, read once for all the tests that look at it."""
    return load_task(find_task(name))


@cache
def manifest_rows() -> dict[str, dict[str, int]]:
    root = Path(os.environ["LLMOOD_DATA"])
    manifest = json.loads((root / "MANIFEST.json").read_text(encoding="utf-8"))
    return {one["name"]: one["rows"] for one in manifest["sets"]}
