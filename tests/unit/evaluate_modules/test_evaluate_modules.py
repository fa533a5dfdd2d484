"""Every registered metric is a module of Hugging Face `evaluate`, and gives the same number there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmood.errors import ConfigError, UnknownNameError
from llmood.evaluate_modules import module_path
from llmood.metrics import (
    CalibrationMetric,
    Metric,
    bootstrap_interval,
    calibration_estimates,
    metrics_registry,
    register_metric,
)
from tests.worlds import llmood

METRICS = [pytest.param(metric, id=name) for name, metric in metrics_registry]
# In (0, 1), so that they are confidences too.
SCORES = np.round(np.random.default_rng(0).beta(2, 2, size=80) / 2 + np.repeat([0.1, 0.4], 40), 2)
IS_OOD = np.repeat([False, True], 40)

# `evaluate` brings torch, and loads for seconds.
slow = pytest.mark.slow


@pytest.fixture(scope="module")
def evaluate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The package, writing what it copies and caches to a folder of this module's."""
    import evaluate

    folder = tmp_path_factory.mktemp("evaluate")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", list(sys.path))
        patch.setattr("evaluate.config.HF_MODULES_CACHE", str(folder / "modules"))
        patch.setattr("evaluate.config.HF_METRICS_CACHE", folder / "metrics")
        yield evaluate
    assert any(folder.rglob("*.py")), "the modules went elsewhere"


def loaded(evaluate: Any, metric: str) -> Any:
    return evaluate.load(str(module_path(metric)), keep_in_memory=True)


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_has_a_module(metric: Metric) -> None:
    folder = module_path(metric.id)
    assert folder.name == metric.id
    lines = (folder / f"{metric.id}.py").read_text(encoding="utf-8").splitlines()
    assert lines[-1] == f'Metric = module_of("{metric.id}")'


def test_ls_says_where_the_modules_are() -> None:
    rows = llmood("ls", "metrics", "--json").json()
    assert {row["metric"]: row["evaluate_module"] for row in rows} == {
        name: str(module_path(name)) for name in metrics_registry.names()
    }
    assert "evaluate_modules" not in llmood("ls", "metrics").out


def test_no_module_is_left_of_a_metric_that_is_gone() -> None:
    folder = module_path("auroc").parent
    assert {path.parent.name for path in folder.glob("*/*.py")} == set(metrics_registry.names())


def test_unknown_metrics_and_those_of_other_packages() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'auroc'"):
        module_path("aurocc")
    register_metric("foreign", question="q", higher_is_better=True, positive_class="ood", description="d")(
        lambda scores, labels: 0.0
    )
    try:
        with pytest.raises(ConfigError, match="the metric 'foreign' has no module"):
            module_path("foreign")
    finally:
        metrics_registry._items.pop("foreign")


def test_finding_a_module_loads_nothing_of_evaluate() -> None:
    program = (
        "import sys; from llmood.evaluate_modules import module_path; module_path('auroc'); "
        "assert 'evaluate' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@slow
@pytest.mark.parametrize("metric", METRICS)
def test_the_same_number_as_here(metric: Metric, evaluate: Any) -> None:
    module = loaded(evaluate, metric.id)
    assert module.name == metric.id
    assert metric.description in module.description
    expected = {metric.id: metric(SCORES, IS_OOD)}
    assert module.compute(predictions=SCORES, references=IS_OOD) == expected
    assert module.compute(predictions=SCORES.tolist(), references=IS_OOD.astype(int).tolist()) == expected


@slow
@pytest.mark.parametrize("metric", METRICS)
def test_the_same_interval_as_here(metric: Metric, evaluate: Any) -> None:
    groups = [f"g{place % 30}" if place % 3 else None for place in range(80)]
    found = loaded(evaluate, metric.id).compute(
        predictions=SCORES, references=IS_OOD, interval=True, groups=groups, draws=100, level=0.9, seed=3
    )
    options: dict[str, Any] = {"groups": groups, "draws": 100, "level": 0.9, "seed": 3}
    if isinstance(metric, CalibrationMetric):
        expected: Any = calibration_estimates(SCORES, IS_OOD, metrics=[metric], **options)[metric.id]
    else:
        expected = bootstrap_interval(metric, SCORES, IS_OOD, **options)
    assert list(found.values()) == [
        expected.value,
        expected.low,
        expected.high,
        expected.method,
        expected.reason,
    ]
    assert next(iter(found)) == metric.id


@slow
def test_batches_add_up(evaluate: Any) -> None:
    module = loaded(evaluate, "auroc")
    module.add_batch(predictions=SCORES[:70], references=IS_OOD[:70])
    for score, label in zip(SCORES[70:], IS_OOD[70:], strict=True):
        module.add(prediction=score, reference=label)
    assert module.compute() == {"auroc": metrics_registry.get("auroc")(SCORES, IS_OOD)}


@slow
def test_combined(evaluate: Any) -> None:
    names = metrics_registry.names()
    combined = evaluate.combine([loaded(evaluate, name) for name in names])
    found = combined.compute(predictions=SCORES, references=IS_OOD)
    assert found == {name: metrics_registry.get(name)(SCORES, IS_OOD) for name in names}


@slow
@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([1.0, 2.0], [0, 0], "^auroc is undefined: no OOD samples: only ID was scored$"),
        ([1.0, 2.0], [1, 1], "^auroc is undefined: no ID samples: only OOD was scored$"),
        ([1.0, float("nan")], [0, 1], "1 NaN"),
        ([1.0, None], [0, 1], "1 NaN"),
        ([1.0, 2.0], [0, 2], "1 for OOD and 0 for ID"),
        ([1.0, 2.0], [-1, 1], "1 for OOD and 0 for ID"),
        ([1.0, 2.0], [0.3, 0.7], "1 for OOD and 0 for ID"),
        ([1.0, 2.0], [None, 1], "1 for OOD and 0 for ID"),
    ],
)
def test_what_has_no_value_is_an_error_and_never_a_number(
    scores: list[float | None], labels: list[int], message: str, evaluate: Any
) -> None:
    module = loaded(evaluate, "auroc")
    with pytest.raises(ValueError, match=message):
        module.compute(predictions=scores, references=labels)
    # And the module goes on.
    assert module.compute(predictions=[1.0, 2.0], references=[0, 1]) == {"auroc": 1.0}


@slow
def test_what_confidences_leave_undefined(evaluate: Any) -> None:
    for interval in (False, True):
        with pytest.raises(ValueError, match=r"^log_loss is undefined: infinite: 1 of 2 answers"):
            loaded(evaluate, "log_loss").compute(predictions=[1.0, 0.4], references=[0, 1], interval=interval)


@slow
def test_too_few_groups_for_an_interval(evaluate: Any) -> None:
    found = loaded(evaluate, "auroc").compute(
        predictions=[1.0, 2.0, 3.0], references=[0, 1, 1], interval=True, groups=["a", "b", "b"]
    )
    assert found["auroc"] == 1.0
    assert found["auroc_ci_low"] is found["auroc_ci_high"] is None
    assert "too few independent groups" in found["auroc_ci_reason"]


def test_the_modules_are_in_the_package() -> None:
    import llmood as package

    assert Path(package.__file__).parent / "evaluate_modules" == module_path("auroc").parent
