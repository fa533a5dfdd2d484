"""The section on whole populations: every number a record, undefined ones with their reason, in page and model card."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import llmood
from llmood.report import render_report
from llmood.report.model_card import render_model_card
from llmood.report.population import MEANING, population_part
from llmood.report.read import read_run
from llmood.report.text import number, percent
from tests.unit.report.html_reading import Page
from tests.unit.report.tiny_runs import HOSTILE, copy_of, edit_json, records
from tests.worlds import BANK, write_world

HEADING = "Does a set as a whole look strange?"
NUMBER = re.compile(r"−?\d+\.\d+")
TRAIN = [{"text": f"pay the bill number {i} by card {i % 7}"} for i in range(60)]


def of_members(ood_task: str | None, **entries: Any) -> dict[str, Any]:
    """A record of what passes for rows of train, which no fake engine gives."""
    return {
        "metric": "mistaken_for_members",
        "scorer": "msp",
        "ood_task": ood_task,
        "params": {"members": 60, "others": 30, "threshold": 0.8, "mean_confidence": 0.9125},
        "reason": None,
        **entries,
    }


def with_members(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    like = next(r for r in found if r["question"] == "population")
    return [
        *found,
        *(
            {**like, **own}
            for own in (
                of_members(None, population="id", value=0.0375, shift="none"),
                of_members("near", value=0.4125),
                of_members(
                    "far", value=None, reason="no row has a score", params={"members": 60, "others": 30}
                ),
            )
        ),
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("population")
        patch.setenv("LLMOOD_CACHE", str(folder / "store"))
        world = write_world(
            folder, {"train": TRAIN, "test": BANK}, scorers=["likelihood", "mahalanobis.one_class"]
        )
        made = llmood.evaluate(world.config, output_dir=folder / "run").folder
        edit_json(made / "metrics.json", with_members)
        return made


def section(run: Path) -> str:
    return render_report([run]).partition(f">{HEADING}<")[2].partition("</section>")[0]


def shown(run: Path) -> set[str]:
    """Every number of the section's records as it may be shown."""

    def values(record: Any) -> Iterator[float]:
        if isinstance(record, dict):
            for each in record.values():
                yield from values(each)
        elif isinstance(record, int | float) and not isinstance(record, bool):
            yield float(record)

    own = [record for record in records(run) if record["question"] == "population"]
    return {text for record in own for value in values(record) for text in (number(value), percent(value))}


def test_every_number_is_a_record(run: Path) -> None:
    part = population_part(read_run(run))
    assert part is not None
    found = [text for told in part.summary for text in NUMBER.findall(told.words)]
    assert len(found) == 2 * 4 + 2  # of each set MMD², p, and twice the mismatch; of ID and near the share
    assert set(found) <= shown(run)
    cells = [cell for row in part.rows for cell in row.cells if cell is not None]
    assert len(cells) == 2 + 3 + 3  # MMD², mismatch with ID's halves, members
    assert {text for cell in cells for text in NUMBER.findall(f"{cell.text} {cell.interval}")} <= shown(run)
    text = "".join(Page(render_report([run])).text.split())
    for told in part.summary:
        assert "".join("".join(text for _, text in told.parts).split()) in text
    assert MEANING in part.summary


def test_no_other_table_shows_them_again(run: Path) -> None:
    assert "MMD² of states" in section(run)
    others = render_report([run]).partition("Other records")[2].partition("</section>")[0]
    assert "MMD" not in others
    assert "Share taken" not in others


@pytest.mark.parametrize(
    ("p_value", "said"), [(0.002, "unlike ID"), (0.05, "unlike ID"), (0.3, "not told from ID")]
)
def test_a_difference_is_called_one_by_its_p_value(
    run: Path, tmp_path: Path, p_value: float, said: str
) -> None:
    copied = copy_of(run, tmp_path)

    def set_it(found: list[dict[str, Any]]) -> None:
        for record in found:
            if record["metric"] == "mmd":
                record["params"]["p_value"] = p_value

    edit_json(copied / "metrics.json", set_it)
    part = population_part(read_run(copied))
    assert part is not None
    (row,) = [row for row in part.rows if row.name == "MMD² of states"]
    assert [cell and cell.mark for cell in row.cells] == [
        None,
        *2 * ["unlike" if said == "unlike ID" else "alike"],
    ]
    words = " ".join(told.words for told in part.summary)
    assert ("is unlike ID in its states" in words) == (said == "unlike ID")
    assert ("can't be told from ID" in words) == (said != "unlike ID")


def test_what_is_undefined_says_why(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)

    def undo(found: list[dict[str, Any]]) -> None:
        for record in found:
            if record["question"] == "population":
                record |= {"value": None, "reason": "fewer than 10 rows have states of tuned on one side"}
                for name in ("p_value", "between_halves_of_id", "mean_confidence"):
                    record["params"].pop(name, None)

    edit_json(copied / "metrics.json", undo)
    html = section(copied)
    assert html.count("fewer than 10 rows have states") > 4
    assert "can&#39;t be compared with ID as a whole" in html
    assert "nan" not in html.lower()


def test_the_model_card_says_the_same(run: Path) -> None:
    part = population_part(read_run(run))
    assert part is not None
    own = (
        render_model_card(run)
        .partition("## Whole populations")[2]
        .partition("\n## ")[0]
        .partition("\n### ")[0]
    )
    for told in part.summary:
        assert f"- {told.markdown}" in own
    tables = [line for line in own.splitlines() if line.startswith("|")]
    assert len(tables) == 2 + 3
    assert {line.count("|") for line in tables} == {5}
    assert "unlike ID" in own or "not told from ID" in own


def test_a_hostile_name_shows_as_text(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)
    edit_json(
        copied / "metrics.json",
        lambda found: [{**r, "scorer": HOSTILE} if r["scorer"] == "msp" else r for r in found],
    )
    page = Page(render_report([copied]))
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert "<script>alert(1)</script>" in page.text


def test_a_run_without_states_has_no_such_section(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)
    edit_json(copied / "metrics.json", lambda found: [r for r in found if r["question"] != "population"])
    assert HEADING not in render_report([copied])
    assert "Whole populations" not in render_model_card(copied)
