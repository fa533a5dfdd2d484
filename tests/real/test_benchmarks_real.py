"""The built-in benchmarks on the real data, on the fake engine: each can be run, and its populations are apart."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from llmood.config import BenchmarkSpec, EngineConfig, Models, RunConfig
from llmood.planning import make_plan
from llmood.records import Split
from llmood.tasks import find_task, list_benchmarks
from tests.task_accounts import loaded
from tests.tiny_pictures import save_picture_adapter, save_pictured

pytestmark = pytest.mark.slow
BENCHMARKS = [pytest.param(benchmark, id=benchmark.name) for benchmark in list_benchmarks()]


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A tiny model that sees and an adapter on it, as `models`."""
    base = save_pictured(tmp_path_factory.mktemp("seeing"))
    adapter = save_picture_adapter(tmp_path_factory.mktemp("adapter"), base)
    return {"base": str(base), "tuned": {"adapter": str(adapter)}}


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_every_benchmark_can_be_planned(
    benchmark: BenchmarkSpec, real_data: Path, seeing: dict[str, Any]
) -> None:
    pictured = find_task(benchmark.id).fields.images is not None
    models = seeing if pictured else {"base": "fake", "tuned": "fake-tuned:gate"}
    config = RunConfig(
        benchmark=benchmark.name,
        models=Models.model_validate(models),
        engine=EngineConfig(kind="transformers" if pictured else "fake"),
        limit=3,
    )
    plan = make_plan(config)
    assert plan.rejects == []
    assert [task.population for task in plan.tasks].count("id") == 1
    assert all(len(task.samples) == 3 for task in plan.tasks)
    assert not any(check.code == "rows_differ" for check in plan.checks)


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_no_text_is_in_two_populations_of_a_benchmark(benchmark: BenchmarkSpec, real_data: Path) -> None:
    # Grades of one shift may be parts of a population that stands there whole.
    alone = [ood.task for ood in benchmark.ood if ood.corruption is None and ood.severity is None]
    tests = {name: asked(name, "test") for name in (benchmark.id, *alone) if name is not None}
    for one, other in combinations(tests, 2):
        assert not tests[one] & tests[other], (one, other)
    known = asked(benchmark.id, "train")
    for name, found in tests.items():
        assert not known & found, name


@cache
def asked(name: str, split: Split) -> set[tuple[str, tuple[str, ...]]]:
    """What is asked, and about which pictures: the same statement about another picture is another question."""
    return {(sample.text, sample.images) for sample in loaded(name).samples.get(split, [])}
