"""One checklist for every task and benchmark that llmood brings."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import get_args

import pytest

from llmood.config import BenchmarkSpec
from llmood.paths import builtin_root
from llmood.records import Reject, Split
from llmood.tasks import FileSource, TaskSpec, find_task, list_benchmarks, list_tasks
from llmood.tasks.fields import RowReader
from llmood.tasks.sources import open_source

TASKS = [pytest.param(task, id=task.name) for task in list_tasks()]
BENCHMARKS = [pytest.param(benchmark, id=benchmark.name) for benchmark in list_benchmarks()]


@pytest.mark.parametrize("task", TASKS)
def test_it_says_what_it_is(task: TaskSpec) -> None:
    for key in ("description", "licence", "citation", "homepage", "language"):
        assert getattr(task, key), key
    assert task.known_flaws
    assert task.file.stem == task.name


@pytest.mark.parametrize("task", TASKS)
def test_its_family_has_a_readme(task: TaskSpec) -> None:
    readme = (task.file.parent / "README.md").read_text(encoding="utf-8").lower()
    for word in ("licence", "source", "revision", "flaws"):
        assert word in readme, word


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


@pytest.mark.parametrize("task", TASKS)
def test_its_first_rows_render_where_its_data_is(task: TaskSpec, real_data: Path) -> None:
    sources = tuple(one for one in task.sources if isinstance(one, FileSource))
    files = task.model_copy(update={"sources": sources})
    folders = {Path(path).parts[0] for source in sources for path in source.paths.values()}
    if not any((root / folder).exists() for folder in folders for root in (task.file.parent, real_data)):
        pytest.skip(f"none of {', '.join(sorted(folders))} is there")
    found = open_source(files, list)
    reader = RowReader(files, found.source)
    for split, opened in found.splits.items():
        for item in islice(opened.rows(), 20):
            assert not isinstance(item, Reject)
            sample = reader.sample(item[1], split, opened.name)
            assert sample is not None
            assert sample.text.strip()


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_a_benchmarks_tasks_exist_and_differ(benchmark: BenchmarkSpec) -> None:
    names = [benchmark.id, *(ood.task for ood in benchmark.ood)]
    assert len(set(names)) == len(names)
    for name in names:
        assert find_task(name).name == name
    assert benchmark.description


def test_every_yaml_is_a_task_or_a_benchmark() -> None:
    files = {path.resolve() for path in (builtin_root() / "tasks").rglob("*.yaml")}
    benchmarks = {path for path in files if path.parent.name == "benchmarks"}
    assert files - benchmarks == {task.file for task in list_tasks()}
    assert {path.stem for path in benchmarks} == {benchmark.name for benchmark in list_benchmarks()}
