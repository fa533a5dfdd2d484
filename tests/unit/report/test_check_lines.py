"""Checks that say the same of several populations become one line; others stay as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llmood.report import render_report
from llmood.report.check_lines import gathered
from llmood.report.model_card import render_model_card
from llmood.report.read import read_run
from llmood.report.tables import checks_about
from tests.unit.report.html_reading import Page
from tests.unit.report.tiny_runs import copy_of, edit_json


def check(
    task: str | None, detail: str, code: str = "few_errors", severity: str = "warning"
) -> dict[str, Any]:
    return {
        "code": code,
        "severity": severity,
        "title": code,
        "detail": detail,
        "task": task,
        "values": {},
    }


def few(task: str, right: int) -> dict[str, Any]:
    return check(
        task,
        f"{task} has {right} right and {300 - right} wrong answers; error detection needs at least 10 of both.",
    )


def details(*checks: dict[str, Any]) -> list[str]:
    return [one["detail"] for one in gathered(checks)]


def test_the_same_sentence_names_its_populations() -> None:
    (line,) = gathered([few("a", 3), few("b", 4), few("c", 5)])
    assert line["detail"] == (
        "a has 3 right and 297; b has 4 right and 296; c has 5 right and 295 wrong answers; error detection needs at "
        "least 10 of both."
    )
    assert line["tasks"] == ("a", "b", "c")


def test_other_words_another_kind_or_the_same_population_stay_apart() -> None:
    notes = [check("a", "a: shares rows with ID", "note"), check("b", "b: was cleaned by hand", "note")]
    assert details(*notes) == [one["detail"] for one in notes]
    grave = check("b", few("b", 4)["detail"], severity="error")
    assert len(details(few("a", 3), grave)) == 2
    assert len(details(few("a", 3), few("a", 4))) == 2
    nameless = check(None, few("b", 4)["detail"])
    assert len(details(few("a", 3), nameless)) == len(details(nameless, few("a", 3))) == 2


def test_equal_sentences_and_short_ones_lose_no_word() -> None:
    assert details(check("a", "x"), check("b", "x")) == ["x", "x"]
    same = "the same five words here"
    assert details(check("a", same), check("b", same)) == ["the same five words here and here"]


def test_a_report_shows_one_line_and_each_column_leads_to_it(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)
    edit_json(
        copied / "checks.json", lambda found: [*found, few("away", 3), few("typos", 4), few("far_away", 5)]
    )
    read = read_run(copied)
    numbers = {checks_about(read, task)[0] for task in ("away", "typos", "far_away")}
    assert len(numbers) == 1
    said = "away has 3 right and 297; typos has 4 right and 296; far_away has 5 right and 295 wrong answers;"
    assert said in Page(render_report([copied])).text
    assert render_model_card(copied).count("wrong answers; error detection needs") == 1
