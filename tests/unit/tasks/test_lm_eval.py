"""Tasks of the lm-evaluation-harness: read without it, and, where it is installed, as it reads them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from llmood.errors import ConfigError, DataError, MissingExtraError, UnknownNameError
from llmood.tasks import TaskSpec, find_benchmark, find_task, load_task
from llmood.tasks import lm_eval as harness
from llmood.tasks.lm_eval import FunctionName, find_harness_task
from llmood.tasks.lm_eval_rows import HarnessData
from tests.task_files import write_jsonl

MULTIPLE_CHOICE = """\
include: _common_yaml
task: animals
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_target: "{{choices.label.index(key)}}"
doc_to_choice: "{{choices.text}}"
metric_list:
  - metric: !function metrics.accuracy    # inert: nothing here asks for it
"""
COMMON = """\
output_type: multiple_choice
dataset_path: json
dataset_kwargs:
  data_files: {train: animals_train.jsonl, test: animals_test.jsonl}
training_split: train
test_split: test
doc_to_text: overridden
"""
GENERATE = """\
task: sums
dataset_path: json
dataset_kwargs: {data_files: {validation: sums.jsonl}}
output_type: generate_until
description: "Work it out."
num_fewshot: 5
validation_split: validation
doc_to_text: question
doc_to_target: "{{answer}}"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "animals.yaml").write_text(MULTIPLE_CHOICE, encoding="utf-8")
    (tmp_path / "_common_yaml").write_text(COMMON, encoding="utf-8")
    (tmp_path / "sums.yaml").write_text(GENERATE, encoding="utf-8")

    def animal(question: str, key: str) -> dict[str, Any]:
        return {
            "question": question,
            "key": key,
            "choices": {"label": ["A", "B"], "text": ["four", "eight"]},
            "group": question[:5],
        }

    write_jsonl(tmp_path / "animals_train.jsonl", [animal("Legs of a dog?", "A"), animal("Of a cat?", "A")])
    write_jsonl(tmp_path / "animals_test.jsonl", [animal("Legs of a spider?", "B"), animal(" ", "A")])
    write_jsonl(
        tmp_path / "sums.jsonl",
        [{"question": f"{n} + {n}?", "answer": 2 * n, "tags": [1, None]} for n in range(1, 4)],
    )
    return tmp_path


def test_a_multiple_choice_task_gives_prompts_choices_and_the_right_one(folder: Path) -> None:
    loaded = load_task(find_task("lm_eval:animals.yaml", relative_to=folder))
    assert loaded.spec.name == "lm_eval.animals"
    (spider,) = loaded.samples["test"]
    assert spider.text == "Question: Legs of a spider?\nAnswer:"
    assert (spider.choices, spider.references) == (("four", "eight"), ("eight",))
    assert spider.source_line == "animals/test:1"
    assert [sample.references for sample in loaded.samples["train"]] == [("four",), ("four",)]


def test_a_blank_question_is_a_reject_with_its_place(folder: Path) -> None:
    (reject,) = load_task(find_task("lm_eval:animals.yaml", relative_to=folder)).rejects
    assert (reject.file, reject.line) == ("animals/test", 2)
    assert "question is empty" in reject.reason


def test_the_record_names_every_file_by_its_content(folder: Path) -> None:
    record = load_task(find_task("lm_eval:animals.yaml", relative_to=folder)).source
    assert (record["kind"], record["task"]) == ("lm_eval", "animals")
    assert set(record["yaml"]) == {"animals.yaml", "_common_yaml"}
    assert set(record["files"]) == {"animals_train.jsonl", "animals_test.jsonl"}
    before = record["files"]["animals_test.jsonl"]
    with (folder / "animals_test.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(
            json.dumps({"question": "Of a fly?", "key": "A", "choices": {"label": ["A"], "text": ["six"]}})
        )
    after = load_task(find_task("lm_eval:animals.yaml", relative_to=folder))
    assert after.source["files"]["animals_test.jsonl"] != before
    assert [sample.references for sample in after.samples["test"]] == [("eight",), ("six",)]


def test_what_the_harness_evaluates_on_is_test_and_what_it_adds_is_said(folder: Path) -> None:
    loaded = load_task(find_task("lm_eval:sums.yaml", relative_to=folder))
    assert list(loaded.samples) == ["test"]
    assert [sample.text for sample in loaded.samples["test"]] == ["1 + 1?", "2 + 2?", "3 + 3?"]
    assert [sample.references for sample in loaded.samples["test"]] == [("2",), ("4",), ("6",)]
    (check,) = loaded.checks
    assert check.code == "lm_eval_prompt"
    assert "description, num_fewshot" in check.detail


def test_as_a_source_of_a_task_it_gives_columns_to_use(folder: Path) -> None:
    task = {
        "name": "mine",
        "sources": [{"lm_eval": "animals.yaml", "splits": {"test": "train"}}],
        "messages": [{"role": "user", "content": "{{ doc_to_text }}"}],
        "fields": {"group": "group", "choices": "doc_to_choice", "label": "key"},
    }
    (folder / "mine.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
    loaded = load_task(TaskSpec.from_file(folder / "mine.yaml"))
    first = loaded.samples["test"][0]
    assert (first.chat, first.group, first.label, first.choices) == (True, "Legs ", "A", ("four", "eight"))


def test_in_a_benchmark_a_path_is_relative_to_its_file(folder: Path) -> None:
    benchmark = {
        "name": "b",
        "id": "lm_eval:animals.yaml",
        "ood": [{"task": "lm_eval:sums.yaml", "shift": "far"}],
    }
    inner = folder / "benchmarks"
    inner.mkdir()
    (inner / "b.yaml").write_text(
        yaml.safe_dump(benchmark).replace("lm_eval:", "lm_eval:../"), encoding="utf-8"
    )
    found = find_benchmark(str(inner / "b.yaml"))
    assert find_task(found.id).file == folder / "animals.yaml"
    assert found.ood[0].task == f"lm_eval:{folder / 'sums.yaml'}"


CODE = """\
from pathlib import Path

(Path(__file__).parent / "it_ran").touch()


def double(docs):
    return [{**doc, "question": doc["question"] * 2} for doc in docs]
"""


def test_python_runs_only_when_asked_to(folder: Path) -> None:
    (folder / "tools.py").write_text(CODE, encoding="utf-8")
    (folder / "coded.yaml").write_text(
        "include: sums.yaml\ntask: coded\nprocess_docs: !function tools.double\n"
    )
    with pytest.raises(ConfigError, match=r"process_docs: !function tools\.double runs Python") as caught:
        load_task(find_task("lm_eval:coded.yaml", relative_to=folder))
    assert caught.value.hint is not None
    assert "trust_remote_code" in caught.value.hint
    assert not (folder / "it_ran").exists()

    source = {"lm_eval": "coded.yaml", "trust_remote_code": True}
    task = {"name": "mine", "sources": [source], "prompt": "{{ doc_to_text }}"}
    (folder / "mine.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
    loaded = load_task(TaskSpec.from_file(folder / "mine.yaml"))
    assert (folder / "it_ran").exists()
    assert loaded.samples["test"][0].text == "1 + 1?1 + 1?"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("group: g\ntask: [a, b]\n", "is no task"),
        ("task: t\nclass: !function task.T\n", "class: a task that is written in Python"),
        ("task: t\ndoc_to_image: image\n", "doc_to_image: a task that has images"),
        ("task: t\ninclude: t.yaml\n", "includes itself"),
        ("task: t\ninclude: elsewhere\n", "elsewhere: no such file"),
        ("task: t\ndataset_path: json\ndoc_to_text: q\n", "names no split"),
        ("task: t\ntest_split: test\ndoc_to_text: q\n", "no dataset_path"),
        ("task: t\ntest_split: test\ndataset_path: json\n", "no doc_to_text"),
        ("task: t\ntest_split: test\ndataset_path: json\ndoc_to_text: '{{ q'\n", "doc_to_text: line 1"),
        ("task: !python/object:os.system x\n", "is not YAML"),
    ],
)
def test_what_is_no_readable_task_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        load_task(find_task("lm_eval:t.yaml", relative_to=tmp_path))


def test_missing_data_is_said_as_for_any_source(folder: Path) -> None:
    (folder / "sums.jsonl").unlink()
    with pytest.raises(DataError, match=r"no data found: json: split 'validation'"):
        load_task(find_task("lm_eval:sums.yaml", relative_to=folder))


def test_a_task_whose_choices_are_the_prompts_is_refused(folder: Path) -> None:
    (folder / "winograd.yaml").write_text(
        "include: animals.yaml\ntask: winograd\ndoc_to_text: '{{ choices.label.index(key) }}'\n"
    )
    with pytest.raises(ConfigError, match="the choices are the prompts"):
        load_task(find_task("lm_eval:winograd.yaml", relative_to=folder))


def test_a_name_is_looked_up_in_the_installed_harness(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = tmp_path / "lm_eval" / "tasks" / "zoo"
    tasks.mkdir(parents=True)
    (tasks / "zoo.yaml").write_text('task: "zoo_easy"  # so called\ndoc_to_text: q\n', encoding="utf-8")
    (tasks / "group.yaml").write_text("group: zoo\ntask:\n  - zoo_easy\n", encoding="utf-8")
    found = SimpleNamespace(submodule_search_locations=[str(tmp_path / "lm_eval")])
    monkeypatch.setattr(harness, "find_spec", lambda name: found)
    assert find_harness_task("zoo_easy", ()).path == tasks / "zoo.yaml"
    assert find_task("lm_eval:zoo_easy").sources[0].lm_eval == "zoo_easy"
    with pytest.raises(ConfigError, match="zoo is a group"):
        find_task("lm_eval:zoo")
    with pytest.raises(UnknownNameError, match="did you mean 'zoo_easy'"):
        find_task("lm_eval:zoo_esy")
    monkeypatch.setattr(harness, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"llmood\[lm-eval\]"):
        find_task("lm_eval:zoo_easy")


def test_a_function_name_says_its_file(tmp_path: Path) -> None:
    assert FunctionName("tools.double", tmp_path).file == tmp_path / "tools.py"
    (tmp_path / "tools.py").write_text("other = 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="no such function"):
        FunctionName("tools.double", tmp_path).load()
    with pytest.raises(ConfigError, match="no file"):
        FunctionName("elsewhere.double", tmp_path).load()


@pytest.mark.parametrize("name", ["animals", "sums"])
def test_the_harness_itself_reads_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    tasks = pytest.importorskip("lm_eval.tasks", reason="the extra lm-eval is not installed")
    monkeypatch.chdir(folder)  # where the harness looks for data_files
    (folder / "metrics.py").write_text("def accuracy(items):\n    return 0.0\n", encoding="utf-8")
    text = (folder / "animals.yaml").read_text(encoding="utf-8")
    plain = text[: text.index("metric_list")] + "metric_list: [{metric: acc}]\n"
    (folder / "animals.yaml").write_text(plain, encoding="utf-8")
    manager = tasks.TaskManager(include_path=str(folder), include_defaults=False)
    theirs = manager.load(name)["tasks"][name]
    found = find_harness_task(f"{name}.yaml", (folder,))
    data = HarnessData(found)
    split = found.splits["test"]
    ours = [row for row in data.rows_of(data.load(split), split)() if isinstance(row, tuple)]
    assert len(ours) >= 1
    documents = list(theirs.eval_docs)
    for number, row in ours:
        document = documents[number - 1]
        assert row["doc_to_text"] == theirs.doc_to_text(document)
        if name == "animals":
            assert row["doc_to_choice"] == theirs.doc_to_choice(document)
            assert row["doc_to_target"] == [row["doc_to_choice"][theirs.doc_to_target(document)]]
        else:
            assert row["doc_to_target"] == [theirs.doc_to_target(document)]


def test_pickled_data_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "pickled.yaml"
    path.write_text(
        "task: pickled\ndataset_path: pandas\ndataset_kwargs: {data_files: {test: x.pkl}}\n"
        "test_split: test\ndoc_to_text: '{{q}}'\ndoc_to_target: '{{a}}'\n"
    )
    with pytest.raises(ConfigError, match="reads pickles, which can run code"):
        load_task(find_task(f"lm_eval:{path}"))
