"""The demo's own questions get harder to read, and the scores of its model say so."""

from __future__ import annotations

from itertools import pairwise

import pytest

import llmood

SCORERS = ("likelihood", "perplexity")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> llmood.Run:
    overrides = [
        "benchmark={name: typos, id: demo, ood: [{corruption: typos}, {corruption: deletion}]}",
        f"scorers=[{', '.join(SCORERS)}]",
        "limit=100",
        "bootstrap.draws=200",
    ]
    folder = tmp_path_factory.mktemp("severity") / "run"
    return llmood.evaluate("corruptions", output_dir=folder, overrides=overrides)


@pytest.mark.slow
@pytest.mark.parametrize("corruption", ["typos", "deletion"])
@pytest.mark.parametrize("scorer", SCORERS)
def test_scores_rise_with_the_grade(run: llmood.Run, scorer: str, corruption: str) -> None:
    table = run.scores().merge(run.samples(), on="sample_id", suffixes=("", "_of_the_sample"))
    own = table[(table.scorer == scorer) & table.task.isin(grades(corruption))]
    means = own.groupby("task").score.mean()
    curve = [float(means[task]) for task in grades(corruption)]
    assert all(low < high for low, high in pairwise(curve)), curve
    shifts = [
        record["value"]
        for record in run.records()
        if (record["metric"], record["scorer"]) == ("score_shift", scorer)
        and record["ood_task"] in grades(corruption)
    ]
    assert len(shifts) == 5
    assert all(low < high for low, high in pairwise([0.0, *shifts])), shifts


@pytest.mark.slow
def test_the_curve_is_in_the_report(run: llmood.Run) -> None:
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "As the shift grows" in page
    assert "demo.typos" in page


def grades(corruption: str) -> list[str]:
    """The populations of a corruption, mildest first, the untouched one before them."""
    return ["demo", *(f"demo.{corruption}.{grade}" for grade in range(1, 6))]
