"""One checklist for every task and benchmark that llmood brings."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from llmood.config import BenchmarkSpec
from llmood.paths import builtin_root
from llmood.records import Reject, Split
from llmood.tasks import FileSource, HubSource, TaskSpec, find_task, list_benchmarks, list_tasks
from llmood.tasks.fields import RowReader
from llmood.tasks.sources import open_source

TASKS = [pytest.param(task, id=task.name) for task in list_tasks()]
# Those whose rows lie under LLMOOD_DATA; the demos' lie beside their YAML, and their READMEs tell of their worlds.
WITH_FILES = [param for param in TASKS if isinstance(param.values[0].sources[0], FileSource)]
OF_FILES = [param for param in WITH_FILES if not param.values[0].file.parent.name.startswith("demo")]
BENCHMARKS = [pytest.param(benchmark, id=benchmark.name) for benchmark in list_benchmarks()]


def readme_of(task: TaskSpec) -> str:
    """Its family's README, each run of white space one space."""
    return " ".join((task.file.parent / "README.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize("task", TASKS)
def test_it_says_what_it_is(task: TaskSpec) -> None:
    for key in ("description", "licence", "citation", "homepage", "language"):
        assert getattr(task, key), key
    assert task.known_flaws
    assert task.file.stem == task.name


@pytest.mark.parametrize("task", TASKS)
def test_its_family_has_a_readme(task: TaskSpec) -> None:
    readme = readme_of(task).lower()
    for word in ("licence", "source", "revision", "flaws"):
        assert word in readme, word


@pytest.mark.parametrize("task", OF_FILES)
def test_its_familys_readme_speaks_of_it(task: TaskSpec) -> None:
    readme = readme_of(task)
    assert task.name in readme
    assert str(task.licence) in readme
    assert all(f"{size:,}" in readme for size in task.sources[0].rows.values())


@pytest.mark.parametrize("task", TASKS)
def test_its_size_is_written_down(task: TaskSpec) -> None:
    for source in task.sources:
        assert set(source.rows) <= set(source.split_names)
        if isinstance(source, FileSource):
            assert set(source.rows) == set(source.split_names)
            assert all(rows > 0 for rows in source.rows.values())


@pytest.mark.parametrize("task", TASKS)
def test_no_revision_of_the_hub_is_made_up(task: TaskSpec) -> None:
    readme = readme_of(task)
    for source in task.sources:
        if isinstance(source, HubSource):
            assert source.revision is None
            assert source.hub in readme
            assert "the hub itself was not reached" in readme


@pytest.mark.parametrize("task", [task for task in TASKS if task.values[0].fields.choices])
def test_choices_are_lettered_and_the_letter_is_next(task: TaskSpec) -> None:
    row = {"choices": ["red", "blue", "green"], "answer": 1, "unknown_choice": 2, "subject": "s"}
    row |= dict.fromkeys(("context", "question", "condition", "category", "pair_id", "polarity", "id"), "x")
    files = task.model_copy(
        update={"sources": tuple(s.model_copy(update={"where": {}}) for s in task.sources)}
    )
    sample = RowReader(files, files.sources[0]).sample(row, "test", "x:1")
    assert sample is not None
    assert sample.text.endswith("\nA. red\nB. blue\nC. green\nAnswer:")
    assert sample.references == ("B",)
    assert sample.choices == ("red", "blue", "green")


@pytest.mark.parametrize("task", TASKS)
def test_it_names_no_machine(task: TaskSpec) -> None:
    text = task.file.read_text(encoding="utf-8")
    assert "../" not in text
    for source in task.sources:
        if isinstance(source, FileSource):
            assert not any(path.startswith(("/", "~")) for path in source.paths.values())


@pytest.mark.parametrize("task", TASKS)
def test_its_templates_compile_and_can_be_measured_on(task: TaskSpec) -> None:
    for source in task.sources:
        RowReader(task, source)
        assert "test" in source.split_names
        assert set(source.split_names) <= set(get_args(Split))


@pytest.mark.parametrize("task", WITH_FILES)
def test_its_first_rows_render_where_its_data_is(task: TaskSpec, real_data: Path) -> None:
    sources = tuple(one for one in task.sources if isinstance(one, FileSource))
    files = task.model_copy(update={"sources": sources})
    folders = {Path(path).parts[0] for source in sources for path in source.paths.values()}
    if not any((root / folder).exists() for folder in folders for root in (task.file.parent, real_data)):
        pytest.skip(f"none of {', '.join(sorted(folders))} is there")
    found = open_source(files, list)
    reader = RowReader(files, found.source)
    for split, opened in found.splits.items():
        samples = []
        for item in opened.rows():
            assert not isinstance(item, Reject)
            sample = reader.sample(item[1], split, opened.name)
            samples += [sample] if sample else []
            if len(samples) == 20:
                break
        assert samples
        assert all(sample.text.strip() for sample in samples)


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_a_benchmarks_tasks_exist_and_differ(benchmark: BenchmarkSpec) -> None:
    names = [benchmark.id, *(ood.task for ood in benchmark.ood if ood.task and not ood.corruption)]
    assert len(set(names)) == len(names)
    for name in names:
        assert find_task(name).name == name
    assert benchmark.description


def test_every_yaml_is_a_task_or_a_benchmark() -> None:
    files = {path.resolve() for path in (builtin_root() / "tasks").rglob("*.yaml")}
    benchmarks = {path for path in files if path.parent.name == "benchmarks"}
    assert files - benchmarks == {task.file for task in list_tasks()}
    assert {path.stem for path in benchmarks} == {benchmark.name for benchmark in list_benchmarks()}
