"""What the first words say of a set, and when they may say it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llmood.report import render_report
from llmood.report.read import read_run
from llmood.report.summary import Finding, findings, status_lines
from llmood.report.tables import headline_table
from tests.unit.report.html_reading import Page
from tests.unit.report.tiny_runs import copy_of, edit_json

FIRST, SECOND = "likelihood_ratio", "likelihood.mean"


def with_records(run: Path, folder: Path, changes: dict[tuple[str, str], dict[str, Any]]) -> Path:
    """A copy of a run with other records: (metric, scorer) → what to set, on every OOD set."""

    def change(value: list[dict[str, Any]]) -> None:
        for record in value:
            record.update(changes.get((record["metric"], record["scorer"]), {}))

    copied = copy_of(run, folder)
    edit_json(copied / "metrics.json", change)
    return copied


def auroc(value: float | None, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    return {"value": value, "ci_low": low, "ci_high": high}


def first_finding(run: Path) -> Finding:
    return findings(read_run(run))[0]


@pytest.mark.parametrize(
    ("value", "length", "alarms", "expected"),
    [
        (0.95, 0.6, 0.2, ("good", "found")),
        (0.927, 0.6, 0.522, ("weak", "partly found")),
        (0.95, 0.6, None, ("weak", "partly found")),
        (0.95, None, 0.1, ("good", "found")),
        (0.95, 0.95, 0.1, ("weak", "length does as well")),
        (0.95, 0.03, 0.1, ("weak", "length does as well")),
        (0.8, 0.6, 0.1, ("weak", "partly found")),
        (0.7, 0.6, 0.1, ("weak", "hardly found")),
        (0.7, 0.2, 0.1, ("weak", "length does as well")),
    ],
)
def test_the_verdict_asks_for_length_and_false_alarms(
    run: Path,
    tmp_path: Path,
    value: float,
    length: float | None,
    alarms: float | None,
    expected: tuple[str, str],
) -> None:
    changes = {
        ("auroc", FIRST): auroc(value, value - 0.1, min(1.0, value + 0.1)),
        ("auroc", "length"): auroc(length),
        ("fpr_at_95tpr_ood", FIRST): auroc(alarms),
    }
    finding = first_finding(with_records(run, tmp_path, changes))
    assert (finding.tone, finding.verdict) == expected


def test_the_rule_of_the_verdict_stands_in_the_page(page: Page) -> None:
    reading = page.text[page.text.index("How to read these numbers") :]
    assert "“Found” takes an AUROC of at least 0.9 and at most 20 % of ID flagged" in reading
    assert "“Length does as well”" in reading
    assert "among the scorers asked for, baselines aside" in page.text


@pytest.mark.parametrize(
    ("own", "words", "mark"),
    [
        (auroc(0.7, 0.6, 0.8), "Better than every other scorer here.", "best"),
        (auroc(0.7), "Better than every other scorer here.", "best"),
        (auroc(0.6, 0.45, 0.8), None, "chance"),
    ],
)
def test_only_a_scorer_above_chance_is_called_best(
    run: Path, tmp_path: Path, own: dict[str, Any], words: str | None, mark: str
) -> None:
    behind = {"value": 0.0, "params": {"best": FIRST, "ties_with_best": True}}
    other = {"value": 0.1, "params": {"best": FIRST, "ties_with_best": False}}
    changes = {
        ("auroc", FIRST): own,
        ("auroc_behind_best", FIRST): behind,
        ("auroc_behind_best", SECOND): other,
    }
    copied = with_records(run, tmp_path, changes)
    lines = " ".join(first_finding(copied).lines)
    assert (words or "Length") in lines
    assert words or ("best" not in lines.lower() and "Better" not in lines)
    cell = headline_table(read_run(copied)).rows[0].cells[0]
    assert cell is not None
    assert cell.mark == mark


def test_a_tie_with_the_best_needs_to_be_above_chance_too(run: Path, tmp_path: Path) -> None:
    changes = {
        ("auroc", FIRST): auroc(0.6, 0.45, 0.8),
        ("auroc_behind_best", FIRST): {"value": 0.1, "params": {"best": SECOND, "ties_with_best": True}},
    }
    copied = with_records(run, tmp_path, changes)
    assert "Ties" not in " ".join(first_finding(copied).lines)
    cell = headline_table(read_run(copied)).rows[0].cells[0]
    assert cell is not None
    assert cell.mark == "chance"


@pytest.mark.parametrize(
    ("own", "side"),
    [
        (auroc(0.489, 0.457, 0.517), "chance"),
        (auroc(0.505, 0.459, 0.549), "chance"),
        (auroc(0.55, 0.5, 0.6), "chance"),
        (auroc(0.45, 0.4, 0.5), "chance"),
        (auroc(0.5), "chance"),
        (auroc(0.45, 0.4, 0.499), "backwards"),
        (auroc(0.4), "backwards"),
        (auroc(0.55, 0.501, 0.6), None),
        (auroc(0.6), None),
    ],
)
def test_the_table_calls_chance_what_the_summary_calls_chance(
    run: Path, tmp_path: Path, own: dict[str, Any], side: str | None
) -> None:
    changes = {("auroc", FIRST): own, ("auroc", "random"): own}
    copied = with_records(run, tmp_path, changes)
    finding = first_finding(copied)
    table = headline_table(read_run(copied))
    cell = table.rows[0].cells[0]
    assert cell is not None
    words = {"chance": "no better than chance", "backwards": "ranks this set backwards"}
    if side is None:
        assert cell.mark not in words
        assert finding.tone not in words
    else:
        assert (cell.mark, finding.tone, finding.verdict) == (side, side, words[side])
    # Of a baseline chance is what is expected.
    (random,) = [row.cells[0] for row in table.baselines if row.scorer == "random"]
    assert random is not None
    assert (random.mark == "backwards") == (side == "backwards")
    assert random.mark != "chance"


def test_a_card_says_how_many_samples_were_scored(tmp_path: Path, run: Path) -> None:
    assert first_finding(run).samples == "n = 10"
    counts = {"n": 12, "n_positive": 9, "n_negative": 3, "n_unscored": 10}
    copied = with_records(run, tmp_path, {("auroc", FIRST): counts})
    assert first_finding(copied).samples == "9 of 10 OOD, 3 of 12 ID samples scored"
    assert "9 of 10 OOD, 3 of 12 ID samples scored" in Page(render_report([copied])).text


def test_why_a_scorer_left_samples_out_is_said_the_most_frequent_first(run: Path) -> None:
    reasons = {FIRST: {"empty answer": 4, "broke": 3, "one <b> token": 2, "other": 1, "rare": 1}}
    table = headline_table(replace(read_run(run), reasons=reasons))
    assert table.rows[0].whys == (
        "4: empty answer",
        "3: broke",
        "2: one <b> token",
        "2 for other reasons (scores.parquet)",
    )
    assert table.rows[1].whys == ()


def test_the_unscored_column_says_of_how_many(run: Path) -> None:
    unscored = {FIRST: {"undefined": 2, "failed": 1}}
    table = headline_table(replace(read_run(run), unscored=unscored))
    samples = 12 + 3 * 10
    missing = {row.scorer: row.missing for row in table.rows}
    assert missing == {FIRST: f"2 of {samples} undefined, 1 of {samples} failed", SECOND: ""}


def test_a_complete_run_with_undefined_numbers_says_so(run: Path, tmp_path: Path) -> None:
    assert status_lines(read_run(run)) == ["Complete: everything that was asked for is computed."]
    changes = {("aupr_ood", FIRST): auroc(None), ("aupr_ood", "length"): auroc(None)}
    copied = with_records(run, tmp_path, changes)
    assert status_lines(read_run(copied))[1:] == ["3 numbers are undefined; each says why."]

    def one(value: list[dict[str, Any]]) -> None:
        next(r for r in value if r["metric"] == "auroc" and r["scorer"] == SECOND)["value"] = None

    again = copy_of(run, tmp_path / "again")
    edit_json(again / "metrics.json", one)
    assert status_lines(read_run(again))[1:] == ["1 number is undefined; it says why."]
