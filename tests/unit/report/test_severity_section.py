"""Shifts in grades have a section of their own, and leave the other tables alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from llmood.report import render_report
from llmood.report.read import read_run
from llmood.report.severity import severity_part
from llmood.report.text import number
from tests.unit.report.html_reading import Page
from tests.unit.report.tiny_runs import copy_of, edit_json, records, tiny_run

ID_TEXTS = [f"please tell me the balance of account number {n} before noon" for n in range(12)]
OOD = [
    {"task": "away", "shift": "near"},
    {"corruption": "typos"},
    {"task": "away", "corruption": "case", "severity": 2},
]
FAMILIES = {"home.typos": [1, 2, 3, 4, 5], "away.case": [2]}
HEADING = "As the shift grows"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("graded")
        patch.setenv("LLMOOD_CACHE", str(folder / "store"))
        benchmark = {"name": "tiny", "description": "d", "id": "home", "ood": OOD}
        return tiny_run(folder, id_texts=ID_TEXTS, benchmark=benchmark)


@pytest.fixture(scope="module")
def page(run: Path) -> Page:
    return Page(render_report([run]))


def test_the_run_has_severity_records(run: Path) -> None:
    own = [record for record in records(run) if record["question"] == "severity"]
    scorers = {record["scorer"] for record in own}
    assert len(own) == len(scorers) * sum(1 + len(grades) for grades in FAMILIES.values())
    paired = [record for record in own if record["metric"] == "score_shift"]
    assert all(record["params"]["paired"] for record in paired)
    origins = {r["params"]["family"]: r["params"]["origin"] for r in own if "origin" in r["params"]}
    assert origins == {"home.typos": "home", "away.case": "away"}


def test_grades_stand_in_their_section_alone(run: Path, page: Page) -> None:
    headings = [data for around, data in page.texts if "h2" in around]
    assert headings.index(HEADING) == headings.index("Which scorer finds which set") + 1
    files = read_run(run)
    assert [task["name"] for task in files.single_ood_tasks] == ["away"]
    graded = {name: [task["severity"] for task in tasks] for name, tasks in files.families.items()}
    assert graded == FAMILIES
    # The main table, and each other table of OOD sets, has one column of values.
    whole = render_report([run])
    before, _, rest = whole.partition(f">{HEADING}<")
    section = rest.partition("</section>")[0]
    assert "home.typos.1" not in before.partition("Which scorer finds which set")[2]
    assert "home.typos.1" in section
    assert section.count("<svg") == 1 + len(FAMILIES)  # all in one heat map, then a curve each
    assert section.count('class="scores"') == 2 * len(FAMILIES)


def test_every_number_of_the_section_is_a_record(run: Path) -> None:
    section = render_report([run]).partition(f">{HEADING}<")[2].partition("</section>")[0]
    shown = re.findall(r'<span class="v">(?:<span[^>]*>[^<]*</span> )?([^<]+)</span>', section)
    own = {"auroc", "spearman_severity", "score_shift"}
    known = {number(r["value"]) for r in records(run) if r["metric"] in own and r["value"] is not None}
    assert len(shown) > 30
    assert set(shown) - {"–"} <= known


def test_right_answers_are_shown_by_shift_and_severity(run: Path, tmp_path: Path) -> None:
    """Beside AUROC where answers are judged, with the unshifted ones as severity 0."""
    judged = copy_of(run, tmp_path)
    shares = {"home": 0.9, "away": 0.6, "home.typos.1": 0.8, "home.typos.5": 0.4, "away.case.2": 0.3}

    def add(found: list[dict[str, Any]]) -> None:
        plain = next(record for record in found if record["metric"] == "auroc")
        told = {"question": "error_detection", "metric": "accuracy", "scorer": None}
        for task, value in shares.items():
            of = None if task == "home" else task
            ends = {"ci_low": value - 0.1, "ci_high": value + 0.1}
            found.append({**plain, **told, "ood_task": of, "value": value, **ends})

    edit_json(judged / "metrics.json", add)
    part = severity_part(read_run(judged), "r1")
    assert part is not None
    assert part.overview is not None
    assert [picture.title for picture in part.overview.pictures] == [
        "AUROC of likelihood_ratio",
        "Right answers",
    ]
    (table,) = part.overview.tables
    assert table.columns == ("0", "1", "2", "3", "4", "5")
    rows = {name: [cell.text if cell else None for cell in cells] for name, cells in table.rows}
    assert rows == {
        "home.typos": ["0.900", "0.800", None, None, None, "0.400"],
        "away.case": ["0.600", None, "0.300", None, None, None],
    }
    section = render_report([judged]).partition(f">{HEADING}<")[2].partition("</section>")[0]
    assert section.count("<svg") == 2 + len(FAMILIES)
    assert "Right answers by shift and severity" in section


def test_a_run_without_grades_has_no_such_section(run: Path, tmp_path: Path) -> None:
    old = copy_of(run, tmp_path)

    def forget(manifest: dict[str, list[dict[str, object]]]) -> None:
        for task in manifest["tasks"]:
            del task["family"]

    edit_json(old / "run.json", forget)  # as an older llmood wrote it
    text = render_report([old])
    assert HEADING not in text
    assert "home.typos.5" in text
