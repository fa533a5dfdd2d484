"""The built-in benchmarks on the real data, on the fake engine: each can be run, and its populations are apart."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from pathlib import Path

import pytest

from llmood.config import BenchmarkSpec, EngineConfig, Models, RunConfig
from llmood.plan import make_plan
from llmood.records import Split
from llmood.tasks import list_benchmarks
from tests.task_accounts import loaded

pytestmark = pytest.mark.slow
BENCHMARKS = [pytest.param(benchmark, id=benchmark.name) for benchmark in list_benchmarks()]


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_every_benchmark_can_be_planned(benchmark: BenchmarkSpec, real_data: Path) -> None:
    config = RunConfig(
        benchmark=benchmark.name,
        models=Models.model_validate({"base": "fake", "tuned": "fake-tuned:gate"}),
        engine=EngineConfig(kind="fake"),
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
    tests = {name: texts_of(name, "test") for name in (benchmark.id, *alone) if name is not None}
    for one, other in combinations(tests, 2):
        assert not tests[one] & tests[other], (one, other)
    known = texts_of(benchmark.id, "train")
    for name, found in tests.items():
        assert not known & found, name


@cache
def texts_of(name: str, split: Split) -> set[str]:
    return {sample.text for sample in loaded(name).samples.get(split, [])}
