"""The section on effective mutual information: every number a record, undefined ones with their reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import llmood
from llmood.displays import EmidAgainstBound
from llmood.report import render_report
from llmood.report.effective import effective_part
from llmood.report.read import read_run
from llmood.report.text import number
from tests.unit.report.html_reading import Page
from tests.unit.report.tiny_runs import copy_of, edit_json, records
from tests.worlds import no_report, write_world

HEADING = "Do answers still go with their prompts?"
QUESTION = "effective_mutual_information"
NUMBER = re.compile(r"−?\d+\.\d+")


def rows(subject: str, count: int) -> list[dict[str, Any]]:
    return [
        {"text": f"{subject} question {i} about {i * i % 11}", "right": f"the {i % 7} of {subject}"}
        for i in range(count)
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("effective")
        patch.setenv("LLMOOD_CACHE", str(folder / "store"))
        no_report(patch)
        world = write_world(
            folder,
            bank=rows("bank card", 50),
            near=rows("weather town", 40),
            far=rows("zyx qqq", 40),
            task={"fields": {"references": "right"}},
            scorers=["likelihood"],
            emi=True,
            benchmark={
                "name": "small",
                "id": "bank/t.yaml",
                "ood": [
                    {"task": "near/t.yaml", "shift": "near"},
                    {"task": "far/t.yaml", "shift": "far"},
                    {"corruption": "typos"},
                ],
            },
        )
        return llmood.evaluate(world.config, output_dir=folder / "run").folder


def section(run: Path) -> str:
    return render_report([run]).partition(f">{HEADING}<")[2].partition("</section>")[0]


def own(run: Path) -> list[dict[str, Any]]:
    return [record for record in records(run) if record["question"] == QUESTION]


def test_every_set_is_a_row_and_every_number_a_record(run: Path) -> None:
    part = effective_part(read_run(run), "r1")
    assert part is not None
    sets = ["bank", "near", "far", *(f"bank.typos.{grade}" for grade in range(1, 6))]
    named = [row.task for row in part.rows]
    assert len(named) == len(sets)
    assert named[:3] == sets[:3]
    known = {
        number(record[key])
        for record in own(run)
        for key in ("value", "ci_low", "ci_high")
        if record[key] is not None
    }
    for record in own(run):
        known |= {number(value) for value in record["params"].get("divergences", {}).values()}
    cells = [cell for row in part.rows for cell in row.cells if cell is not None]
    assert {text for cell in cells for text in NUMBER.findall(f"{cell.text} {cell.interval}")} <= known
    assert {text for told in part.summary for text in NUMBER.findall(told.words)} <= known
    said = "".join(told.words for told in part.summary)
    assert said.count("over 7 sets") == said.count("over 5 covariate sets") == 2
    sliced = [record for record in own(run) if record["slice"] is not None]
    assert {(record["slice"], record["shift"]) for record in sliced} == {("shift:covariate", "covariate")}
    assert all(len(record["params"]["populations"]) == 5 for record in sliced)
    text = "".join(Page(render_report([run])).text.split())
    for told in part.summary:
        assert "".join("".join(words for _, words in told.parts).split()) in text


def test_the_figure_has_a_mark_a_set(run: Path) -> None:
    display = EmidAgainstBound(records(run))
    frame = display.frame()
    assert len(frame) == 7
    found = {(record["metric"], record["ood_task"]): record["value"] for record in own(run)}
    for row in frame.itertuples(index=False):
        assert (row.emid, row.bound) == (found["emid", row.ood_task], found["emid_bound", row.ood_task])
        assert row.ci_low <= row.emid <= row.ci_high
    assert "pearson" in display.describe()
    figure = display.plot()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["near", "far", "covariate"]
    nothing = EmidAgainstBound([])
    assert len(nothing.frame()) == 0
    assert "undefined" in [text.get_text() for text in nothing.plot().axes[0].texts]
    assert "no set has both" in nothing.describe()


def test_no_other_table_shows_them_again(run: Path) -> None:
    others = render_report([run]).partition("Other records")[2].partition("</section>")[0]
    assert "EMID" not in others
    assert "Loss of effective" not in others


def test_a_loss_is_one_by_its_interval(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)

    def set_it(found: list[dict[str, Any]]) -> None:
        for record in found:
            if record["metric"] == "emid":
                low = {"near": 0.25, "far": -1.5}.get(record["ood_task"], -0.5)
                record |= {"value": low + 0.5, "ci_low": low, "ci_high": low + 1.0}

    edit_json(copied / "metrics.json", set_it)
    part = effective_part(read_run(copied), "r1")
    assert part is not None
    marks = {row.task: row.cells[1].mark for row in part.rows if row.cells[1] is not None}
    assert (marks["near"], marks["far"]) == ("loses", "gains")
    assert {mark for task, mark in marks.items() if task not in ("near", "far")} == {""}
    assert "on 1 of 7 sets" in part.summary[0].words
    assert "worse there" in section(copied)


def test_what_is_undefined_says_why(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)

    def undo(found: list[dict[str, Any]]) -> None:
        for record in found:
            if record["question"] == QUESTION:
                record |= {"value": None, "ci_low": None, "ci_high": None, "reason": "too few for that"}
                record["params"].pop("divergences", None)

    edit_json(copied / "metrics.json", undo)
    html = section(copied)
    assert html.count("too few for that") > 8
    assert "nan" not in html.lower()


def test_without_it_there_is_no_section(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)
    edit_json(
        copied / "metrics.json",
        lambda found: found.__setitem__(slice(None), [r for r in found if r["question"] != QUESTION]),
    )
    assert effective_part(read_run(copied), "r1") is None
    assert HEADING not in render_report([copied])
