from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from llmood.errors import ConfigError, UnknownNameError
from llmood.tasks import find_benchmark, find_task, list_benchmarks, list_tasks
from tests.task_files import texts, write_task


def write(path: Path, data: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def test_the_built_in_ones_are_listed_by_name() -> None:
    names = [task.name for task in list_tasks()]
    assert names == sorted(names)
    assert {"clinc150", "clinc150_oos", "banking77", "rt_polarity", "gsm8k"} <= set(names)
    assert "clinc150" in [benchmark.name for benchmark in list_benchmarks()]


def test_a_task_and_a_benchmark_may_share_a_name() -> None:
    assert find_task("clinc150").prompt == "{{ text }}"
    benchmark = find_benchmark("clinc150")
    assert benchmark.id == "clinc150"
    assert {(ood.task, ood.shift) for ood in benchmark.ood} == {
        ("clinc150_oos", "near"),
        ("banking77", "near"),
        ("rt_polarity", "far"),
        ("gsm8k", "far"),
    }


@pytest.mark.parametrize("find", [find_task, find_benchmark])
def test_an_unknown_name_suggests_the_nearest(find: object) -> None:
    with pytest.raises(
        UnknownNameError, match=r"^benchmark\.id: no (task|benchmark) 'clinc15' \(did you mean 'clinc150'"
    ):
        find("clinc15", place="benchmark.id")  # type: ignore[operator]


def test_an_include_path_adds_tasks_and_benchmarks(tmp_path: Path) -> None:
    write_task(tmp_path, {"test": texts("a")}, name="mine")
    write(tmp_path / "benchmarks" / "b.yaml", {"name": "b", "id": "mine"})
    write(tmp_path / "run.yaml", {"benchmark": "b"})
    assert find_task("mine", include_paths=[tmp_path]).file == tmp_path / "t.yaml"
    assert "mine" in [task.name for task in list_tasks(include_paths=[tmp_path])]
    assert find_benchmark("b", include_paths=[tmp_path]).ood == ()
    assert find_task("mine", include_paths=[tmp_path, tmp_path]).name == "mine"


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    write_task(tmp_path, {"test": texts("a")}, name="gsm8k")
    with pytest.raises(ConfigError) as caught:
        find_task("clinc150", include_paths=[tmp_path])
    assert "two tasks are called 'gsm8k'" in str(caught.value)
    assert str(tmp_path / "t.yaml") in str(caught.value)
    assert "gsm8k.yaml" in str(caught.value)


def test_a_task_with_a_misspelt_key_is_not_overlooked(tmp_path: Path) -> None:
    write(tmp_path / "mine.yaml", {"name": "mine", "source": [], "prompt": "{{ text }}"})
    with pytest.raises(ConfigError, match=r"mine\.yaml: source: unknown key \(did you mean 'sources'"):
        find_task("mine", include_paths=[tmp_path])


def test_a_missing_include_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--include-path .*nowhere: no such folder"):
        list_tasks(include_paths=[tmp_path / "nowhere"])


def test_a_path_starts_at_the_configuration_then_at_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
        write_task(folder, {"test": texts("a")}, name=folder.name)
    monkeypatch.chdir(here)
    assert find_task("t.yaml").name == "here"
    assert find_task("t.yaml", relative_to=there).name == "there"
    assert find_task("t.yaml", relative_to=tmp_path).name == "here"
    assert find_task(str(there / "t.yaml")).name == "there"


def test_a_path_that_is_not_there_or_is_something_else(tmp_path: Path) -> None:
    write_task(tmp_path, {"test": texts("a")})
    with pytest.raises(UnknownNameError, match=r"no task file .*tt\.yaml.*did you mean 't\.yaml'"):
        find_task("tt.yaml", relative_to=tmp_path)
    with pytest.raises(ConfigError, match=r"ood\.0\.task: .*b\.yaml is a benchmark, not a task"):
        find_task(
            str(write(tmp_path / "benchmarks" / "b.yaml", {"name": "b", "id": "t"})), place="ood.0.task"
        )


def test_a_benchmarks_task_paths_start_at_its_own_file(tmp_path: Path) -> None:
    write_task(tmp_path, {"test": texts("a")}, name="mine")
    path = write(
        tmp_path / "benchmarks" / "b.yaml",
        {
            "name": "b",
            "id": "../t.yaml",
            "ood": [{"task": "../t.yaml", "shift": "far"}, {"task": "gsm8k", "shift": "far"}],
        },
    )
    benchmark = find_benchmark(str(path))
    assert find_task(benchmark.id).name == "mine"
    assert [ood.task for ood in benchmark.ood] == [str(tmp_path / "t.yaml"), "gsm8k"]


def test_a_broken_benchmark_names_its_place(tmp_path: Path) -> None:
    path = write(tmp_path / "b.yaml", {"name": "b", "id": "x", "ood": [{"task": "y", "shift": "nearish"}]})
    with pytest.raises(ConfigError, match=r"b\.yaml: ood\.0\.shift: "):
        find_benchmark(str(path))
