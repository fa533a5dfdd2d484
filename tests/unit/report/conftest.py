"""One run for the tests that only read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmood.report import render_report
from tests.unit.report.html_reading import Page
from tests.unit.report.tiny_runs import tiny_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("tiny")
        patch.setenv("LLMOOD_CACHE", str(folder / "store"))
        shifts = {"away": "near", "far_away": "far", "typos": "covariate"}
        ood = {name: [f"zebra {name} {n} wild" for n in range(10)] for name in shifts}
        return tiny_run(folder, {"far_away": ood["far_away"], **ood}, shifts=shifts, severity=3)


@pytest.fixture(scope="module")
def page(run: Path) -> Page:
    return Page(render_report([run]))
