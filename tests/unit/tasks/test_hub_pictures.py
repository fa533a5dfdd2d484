"""The tasks with pictures that users fetch: a small set of the same form, made here, is read as its YAML says."""

from __future__ import annotations

import gzip
import json
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llmood.judging.base import Known
from llmood.judging.choose import chosen_rule
from llmood.records import Sample
from llmood.tasks import HubSource, LoadedTask, TaskSpec, find_task, list_tasks, load_task
from llmood.tasks.images.read import image_digest
from tests.pictures import demo_pictures, saved
from tests.task_files import write_jsonl

datasets = pytest.importorskip("datasets")

ONE, OTHER = demo_pictures(2)
PICTURE = datasets.Image()
TEXT = datasets.Value("string")
KINDS = ["advertisement", "budget", "email", "file_folder"]

# Columns as cards, catalogues and public code show them (each family's README), with two rows of our own.
HUB: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "lmms-lab/POPE": (
        {
            **dict.fromkeys(("id", "question_id", "question", "answer", "image_source", "category"), TEXT),
            "image": PICTURE,
        },
        [
            {
                "id": "0",
                "question_id": "1",
                "question": "Is there a dog?",
                "answer": "yes",
                "image_source": "a",
                "category": "random",
                "image": ONE,
            },
            {
                "id": "1",
                "question_id": "2",
                "question": "Is there a cat?",
                "answer": "no",
                "image_source": "b",
                "category": "popular",
                "image": OTHER,
            },
        ],
    ),
    "HuggingFaceM4/ChartQA": (
        {
            "image": PICTURE,
            "query": TEXT,
            "label": [TEXT],
            "human_or_machine": datasets.ClassLabel(names=["human", "machine"]),
        },
        [
            {"image": ONE, "query": "How many?", "label": ["12.5"], "human_or_machine": 0},
            {"image": OTHER, "query": "Which?", "label": ["Chile"], "human_or_machine": 1},
        ],
    ),
    "derek-thomas/ScienceQA": (
        {
            "image": PICTURE,
            "choices": [TEXT],
            "answer": datasets.Value("int8"),
            **dict.fromkeys(
                ("question", "hint", "task", "grade", "subject", "topic", "category", "skill"), TEXT
            ),
            **dict.fromkeys(("lecture", "solution"), TEXT),
        },
        [
            {
                "image": ONE,
                "question": "Which?",
                "choices": ["red", "blue"],
                "answer": 1,
                "hint": "Look at it.",
            },
            {"image": None, "question": "What?", "choices": ["red", "blue"], "answer": 0, "hint": ""},
            {
                "image": OTHER,
                "question": "Who?",
                "choices": ["red", "blue", "green"],
                "answer": 2,
                "hint": "",
            },
        ],
    ),
    "chainyo/rvl-cdip": (
        {"image": PICTURE, "label": datasets.ClassLabel(names=KINDS)},
        [{"image": ONE, "label": 2}, {"image": OTHER, "label": 3}],
    ),
    "jordyvl/RVL-CDIP-N": (
        {"image": PICTURE, "label": datasets.ClassLabel(names=KINDS[::-1])},
        [{"image": ONE, "label": 1}, {"image": OTHER, "label": 0}],
    ),
    **{
        f"changdae/llavabench-shift-{kind}-v1": (
            {"image": PICTURE, "question": TEXT, "reference_answer": TEXT},
            [
                {"image": ONE, "question": "What is shown?", "reference_answer": "A red circle."},
                {"image": OTHER, "question": "Why?", "reference_answer": "Nobody knows."},
            ],
        )
        for kind in ("natural", "synthetic")
    },
}
OF_HUB = [
    pytest.param(task, id=task.name)
    for task in list_tasks()
    if isinstance(task.sources[0], HubSource) and task.fields.images
]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def made_here(folder: Path, task: TaskSpec, splits: Sequence[str] | None = None) -> LoadedTask:
    """The task with a folder of the hub's form beside its YAML, the same two rows in each split."""
    (source,) = task.sources
    assert isinstance(source, HubSource)
    features, rows = HUB[source.hub]
    home = folder / source.hub
    home.mkdir(parents=True)
    names = sorted(set(source.splits.values()))
    columns = {name: [row.get(name) for row in rows] for name in features}
    config = source.config or "default"
    for name in names:
        data = datasets.Dataset.from_dict(columns, features=datasets.Features(features))
        data.to_parquet(home / f"{name}.parquet")
    files = "".join(f"  - {{split: {name}, path: {name}.parquet}}\n" for name in names)
    card = f"---\nconfigs:\n- config_name: {config}\n  data_files:\n{files}---\n"
    (home / "README.md").write_text(card, encoding="utf-8")
    shutil.copy(task.file, folder / task.file.name)
    return load_task(TaskSpec.from_file(folder / task.file.name), ("test",))


def rows_of(folder: Path, name: str) -> list[Sample]:
    loaded = made_here(folder, find_task(name))
    assert loaded.rejects == []
    return loaded.samples["test"]


def judged(name: str, sample: Sample, answer: str) -> bool | None:
    rule = chosen_rule(find_task(name).correctness or "multiple_choice")
    assert rule is not None
    return rule.judge(answer, Known(sample.references, sample.choices)).correct


@pytest.mark.parametrize("task", OF_HUB)
def test_each_row_shows_its_picture(task: TaskSpec, tmp_path: Path) -> None:
    loaded = made_here(tmp_path, task)
    assert loaded.rejects == []
    shown = [sample.images for sample in loaded.samples["test"]]
    known = [(image_digest(ONE),), (image_digest(OTHER),)]
    assert shown == (known if not task.sources[0].where else [known["machine" in task.name]])
    assert all(sample.references for sample in loaded.samples["test"])


def test_pope(tmp_path: Path) -> None:
    one, other = rows_of(tmp_path, "pope")
    assert (one.text, one.references, one.domain) == (
        "Is there a dog?\nAnswer yes or no.\nAnswer:",
        ("yes",),
        "random",
    )
    assert (other.label, other.group) == ("no", "b")
    assert judged("pope", one, "Yes, there is.")
    assert not judged("pope", other, "Yes, there is.")


def test_chartqa(tmp_path: Path) -> None:
    one, other = rows_of(tmp_path, "chartqa")
    assert (one.references, one.domain, other.references, other.domain) == (
        ("12.5",),
        "human",
        ("Chile",),
        "machine",
    )
    assert [judged("chartqa", one, answer) for answer in ("12", "13.2")] == [True, False]
    assert judged("chartqa", other, "chile")


def test_scienceqa(tmp_path: Path) -> None:
    one, other = rows_of(tmp_path, "scienceqa")  # and not the row without a picture
    assert one.text == "Look at it.\nWhich?\nA. red\nB. blue\nAnswer:"
    assert other.text == "Who?\nA. red\nB. blue\nC. green\nAnswer:"
    assert (one.references, other.references) == (("B",), ("C",))
    assert judged("scienceqa", other, "C")


@pytest.mark.parametrize("name", ["rvl_cdip", "rvl_cdip_n"])
def test_rvl_cdip_by_names(name: str, tmp_path: Path) -> None:
    one, other = rows_of(tmp_path, name)
    assert (one.label, other.references) == ("email", ("file folder",))
    assert one.text == other.text
    assert judged(name, other, "It is a file folder.")


def test_rvl_cdip_by_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features, rows = HUB["chainyo/rvl-cdip"]
    numbers = {**features, "label": datasets.Value("int64")}
    found = [{**rows[0], "label": 6}, {**rows[1], "label": 14}]
    monkeypatch.setitem(HUB, "chainyo/rvl-cdip", (numbers, found))
    assert [sample.label for sample in rows_of(tmp_path, "rvl_cdip")] == ["invoice", "scientific report"]


def write_zip(path: Path, members: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLMOOD_DATA", str(tmp_path))
    return tmp_path


def test_super_clevr(data: Path) -> None:
    home = data / "super_clevr"
    (home / "viewer").mkdir(parents=True)
    write_zip(
        home / "images.zip", {"images/a_000.png": saved(ONE, "PNG"), "images/a_001.png": saved(OTHER, "PNG")}
    )
    for place, split in enumerate(("train", "validation", "test")):
        rows = {
            "question_index": [2 * place, 2 * place + 1],
            "question": [f"Is it {split}?", f"How many in {split}?"],
            "image_index": [0, 1],
            "image_filename": ["a_000.png", "a_001.png"],
            "answer": ["True", "3"],
        }
        pq.write_table(pa.table(rows), home / "viewer" / f"{split}.parquet")
    loaded = load_task(find_task("super_clevr"))
    assert loaded.rejects == []
    one, other = loaded.samples["test"]
    assert (one.references, other.references) == (("yes",), ("3",))
    assert (one.images, other.group) == ((image_digest(ONE),), "a_001.png")
    assert loaded.source["images"]["test"]["name"] == "super_clevr/images.zip"


ANSWERS: list[tuple[str, str, Any, str, str]] = [
    ("string", "String", "Upper Right", "upper right", "right"),
    ("number", "Numerical", 0.03, "about 0.0305", "0.04"),
    ("yes_no", "Binary", "Yes", "yes", "no"),
    ("unordered", "Unranked List", ["a1", "b2"], "b2, a1", "a1"),
    ("ordered", "Ranked List", ["a1", "b2", "c3"], "a1, b2, c3", "b2, a1, c3"),
]


@pytest.mark.parametrize(("kind", "answer_type", "answer", "right", "wrong"), ANSWERS)
def test_realcqa(data: Path, kind: str, answer_type: str, answer: Any, right: str, wrong: str) -> None:
    (data / "realcqa").mkdir()
    rows = [
        {
            "taxonomy id": "2e",
            "QID": "3",
            "question": f"{of}?",
            "answer": said,
            "answer_type": of,
            "qa_id": of,
            "PMC_ID": "PMC1",
        }
        for _, of, said, _, _ in ANSWERS
    ]
    plain = write_jsonl(data / "rows.jsonl", rows)
    (data / "realcqa" / "test.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
    write_zip(data / "realcqa" / "images.zip", {"PMC1.jpg": saved(ONE, "JPEG")})
    name = f"realcqa_{kind}"
    loaded = load_task(find_task(name))
    assert loaded.rejects == []
    (sample,) = loaded.samples["test"]
    assert sample.text.startswith(f"{answer_type}?\n")
    assert (sample.group, sample.domain, len(sample.images)) == ("PMC1", "2e", 1)
    assert judged(name, sample, right)
    assert judged(name, sample, wrong) is False


def test_rvl_cdip_o(data: Path) -> None:
    (data / "rvl_cdip_o").mkdir()
    write_zip(data / "rvl_cdip_o" / "images.zip", {"a.png": saved(ONE, "PNG")})
    (data / "rvl_cdip_o" / "test.jsonl").write_text(json.dumps({"image": "a.png"}) + "\n", encoding="utf-8")
    (sample,) = load_task(find_task("rvl_cdip_o")).samples["test"]
    assert sample.references == ()
    assert sample.text.startswith("What kind of document is this? It is one of: letter, ")
    assert sample.text.endswith("\nAnswer:")
