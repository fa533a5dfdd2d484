"""The report's part about confidences and thresholds, and the same for a model card."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmood.errors import StoreError
from llmood.report import render_report
from llmood.report.calibration import calibration_part
from llmood.report.calibration_records import CalibrationRecords
from llmood.report.calibration_summary import NOT_PROMISED, summary
from llmood.report.curves import read_curves
from llmood.report.model_card import render_model_card
from llmood.report.read import read_run
from llmood.report.text import number, percent
from tests.unit.report.calibrated_runs import SCORERS, calibrated_run
from tests.unit.report.html_reading import Page
from tests.unit.report.tiny_runs import HOSTILE, copy_of, edit_json, records

HEADING = ">Calibration</h2>"
NUMBER = re.compile(r"−?\d+(?:\.\d+)?")
TASKS = ("bank", "near", "far")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("calibrated")
        patch.setenv("LLMOOD_CACHE", str(folder / "store"))
        return calibrated_run(folder)


def section(folder: Path) -> str:
    return render_report([folder]).partition(HEADING)[2].partition("</section>")[0]


def values(record: Any) -> Iterator[float]:
    """Every number of a record, at any depth."""
    if isinstance(record, dict):
        for each in record.values():
            yield from values(each)
    elif isinstance(record, int | float) and not isinstance(record, bool):
        yield float(record)


def shown(run: Path) -> set[str]:
    """Every number of metrics.json as the summary may show it."""
    return {
        text
        for record in records(run)
        for value in values(record)
        for text in (percent(value), percent(abs(value)), number(value))
    }


def test_every_number_of_the_summary_is_a_record(run: Path) -> None:
    told = summary(CalibrationRecords.of(read_run(run)))
    found = [text for sentence in told for text in NUMBER.findall(sentence.words)]
    assert len(found) > 15
    assert set(found) <= shown(run)
    assert "123.4" not in shown(run)
    # Those on the page are those.
    text = "".join(Page(render_report([run])).text.split())
    for sentence in told:
        assert "".join("".join(text for _, text in sentence.parts).split()) in text


def test_a_number_that_is_no_record_would_be_found(run: Path, tmp_path: Path) -> None:
    told = summary(CalibrationRecords.of(read_run(run)))
    copied = copy_of(run, tmp_path)
    edit_json(
        copied / "metrics.json",
        lambda found: [
            {**r, "value": r["value"] and r["value"] / 3 + 0.0123} if r["question"] == "calibration" else r
            for r in found
        ],
    )
    numbers = {text for sentence in told for text in NUMBER.findall(sentence.words)}
    assert not numbers <= shown(copied)


def test_the_section_holds_figures_tables_and_the_promise(run: Path) -> None:
    part = calibration_part(read_run(run), "x")
    assert part is not None
    assert part.first is not None
    assert part.first.scorer == SCORERS[0]
    assert [other.scorer for other in part.others] == SCORERS[1:]
    assert [picture.title for picture in part.first.pictures] == ["bank (ID)", "near (near)", "far (far)"]
    assert [population.column.task for population in part.first.populations] == list(TASKS)
    for population in part.first.populations:
        assert [row.name for row in population.rows] == ["uncalibrated", "platt", "isotonic"]
    assert [row.name for row in part.others[0].populations[0].rows] == ["platt", "isotonic"]
    html = section(run)
    assert html.count("<svg") == len(SCORERS) * (len(TASKS) + 1)
    assert html.count('role="img"') == html.count("<svg")
    first, _, rest = html.partition("The same of 1 other scorer<")
    assert first.count("<svg") == len(TASKS) + 1
    assert "<details>" in first
    assert rest.count("<svg") == len(TASKS) + 1
    assert "On shifted data the promise does not hold." in html


def test_each_promise_shows_what_its_records_say(run: Path) -> None:
    part = calibration_part(read_run(run), "x")
    assert part is not None
    tables = {table.title: table for table in part.promises}
    assert len(tables) == 3  # on average, for most, answered and wrong
    own = {(r["metric"], r["scorer"], r["ood_task"]): r for r in records(run) if r["question"] == "promise"}
    table = tables["Flagged, on average over calibration sets"]
    assert [row.scorer for row in table.rows] == SCORERS
    for row in table.rows:
        on_id = own["false_alarm_rate", row.scorer, None]
        cells = [cell for cell in row.cells if cell is not None]
        rates = [on_id["value"], *(own["flag_rate", row.scorer, task]["value"] for task in TASKS[1:])]
        assert [cell.text for cell in cells] == [f"{percent(rate)}\u00a0%" for rate in rates]
        low, high = on_id["params"]["expected_low"], on_id["params"]["expected_high"]
        assert cells[0].interval == f"{percent(low)}–{percent(high)} in 99.0\u00a0% of cases"
        assert cells[0].mark == ("missed" if rates[0] > high else "below" if rates[0] < low else "kept")
        assert all(cell.mark == "" for cell in cells[1:])
    assert NOT_PROMISED in part.summary


def test_calibrating_is_told_of_the_brier_score_where_a_log_loss_is_infinite(
    run: Path, tmp_path: Path
) -> None:
    own = {(r["calibrator"], r["ood_task"]): r["value"] for r in records(run) if _is_brier(r)}
    (told,) = [one for one in summary(CalibrationRecords.of(read_run(run))) if "takes the" in one.words]
    assert "takes the log loss" in told.words
    copied = copy_of(run, tmp_path)

    def infinite(found: list[dict[str, Any]]) -> None:
        for record in found:
            if record["metric"] == "log_loss" and record["calibrator"] is None:
                record |= {
                    "value": None,
                    "reason": "infinite: 4 of 60 answers came out as their confidence ruled out",
                }

    edit_json(copied / "metrics.json", infinite)
    (told,) = [one for one in summary(CalibrationRecords.of(read_run(copied))) if "takes the" in one.words]
    assert "takes the Brier score" in told.words
    for task in (None, "near", "far"):
        assert f"from {number(own[None, task])} to {number(own['platt', task])}" in told.words


def _is_brier(record: dict[str, Any]) -> bool:
    return record["metric"] == "brier" and record["scorer"] == SCORERS[0]


def test_a_score_that_is_a_probability_comes_first(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)
    swapped = dict(zip(SCORERS, reversed(SCORERS), strict=True))
    # What the other order of scorers would have been called: its first has no word of its own.
    edit_json(
        copied / "metrics.json",
        lambda found: [{**r, "scorer": swapped.get(r["scorer"], r["scorer"])} for r in found],
    )
    assert CalibrationRecords.of(read_run(run)).scorers == SCORERS
    assert CalibrationRecords.of(read_run(copied)).scorers == SCORERS[::-1]


def test_a_promise_that_is_not_kept_is_said(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)

    def break_it(found: list[dict[str, Any]]) -> None:
        for record in found:
            if record["metric"] == "false_alarm_rate":
                record["value"] = 0.93

    edit_json(copied / "metrics.json", break_it)
    html = section(copied)
    assert "not kept" in html
    assert "isn’t drawn like" in html.replace("&#39;", "’")


def test_confidences_of_the_figures_are_those_of_the_records(run: Path) -> None:
    found = read_curves(read_run(run))
    assert found is not None
    own = {
        (r["scorer"], r["calibrator"], r["ood_task"] or "bank"): r
        for r in records(run)
        if r["metric"] == "brier"
    }
    assert len(own) == 3 * (3 + 2)
    for (scorer, calibrator, task), record in own.items():
        curve = found.curve(scorer, calibrator, task)
        assert float(((curve.confidence - curve.correct) ** 2).mean()) == pytest.approx(record["value"])
        assert len(curve.correct) == record["n"]


def test_without_the_files_the_records_are_still_told(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)
    (copied / "calibrators.json").unlink()
    html = section(copied)
    assert "<svg" not in html
    assert "Brier score" in html


@pytest.mark.parametrize(
    "change",
    [
        lambda kept: kept[1]["state"].update(slope_="steep"),
        lambda kept: kept[1].update(state=None),
        lambda kept: kept[0].update(probability=None),
        lambda kept: kept[0].pop("n") and None,
    ],
)
def test_damaged_calibrators_are_refused(run: Path, tmp_path: Path, change: Any) -> None:
    copied = copy_of(run, tmp_path)
    edit_json(copied / "calibrators.json", change)
    with pytest.raises(StoreError):
        render_report([copied])


def test_hostile_names_show_as_text(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)
    for name in ("metrics.json", "calibrators.json", "run.json"):
        text = (copied / name).read_text(encoding="utf-8")
        # The task and the calibrator of another package, by their names.
        text = text.replace('"near"', json.dumps(HOSTILE)).replace('"isotonic"', json.dumps(HOSTILE))
        (copied / name).write_text(
            text.replace(f'"shift": {json.dumps(HOSTILE)}', '"shift": "near"'), "utf-8"
        )
    edit_json(copied / "calibrators.json", lambda kept: [one for one in kept if one["calibrator"] != HOSTILE])
    page = Page(render_report([copied]))
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    own = page.text.partition("as it says?")[2]
    assert own.count("<script>alert(1)</script>") > 5


def test_the_model_card_says_the_same(run: Path) -> None:
    card = render_model_card(run)
    own = card.partition("## Calibration")[2].partition("### Where the numbers come from")[0]
    told = summary(CalibrationRecords.of(read_run(run)))
    for sentence in told:
        assert f"- {sentence.markdown}" in own
    assert "On shifted data the promise does not hold" in own
    plain = re.sub(r"`[^`]*`", "", own)
    rates = {
        percent(record["value"])
        for record in records(run)
        if record["metric"] in ("false_alarm_rate", "false_alarm_rate_pac") and record["value"] is not None
    }
    assert rates <= set(NUMBER.findall(plain))
    tables = [line for line in own.splitlines() if line.startswith("|")]
    widths = {line.replace("\\|", "").count("|") for line in tables if "uncalibrated" in line}
    assert widths == {7}
    assert "nan" not in own.lower()


def test_a_hostile_name_stays_a_name_on_the_card(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)
    for name in ("metrics.json", "run.json", "calibrators.json"):
        text = (copied / name).read_text(encoding="utf-8")
        (copied / name).write_text(text.replace('"platt"', json.dumps(HOSTILE + "|*x*")), "utf-8")
    own = render_model_card(copied).partition("## Calibration")[2].partition("### Where")[0]
    assert HOSTILE in own
    assert "<script" not in re.sub(r"`[^`]*`", "", own)


def test_too_few_rows_are_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMOOD_CACHE", str(tmp_path / "store"))
    run = calibrated_run(tmp_path, kept=6, scorers=["likelihood_ratio"])
    html = section(run)
    assert "No calibrator could be fitted to <code>likelihood_ratio</code>" in html
    assert "Nothing is promised of <code>likelihood_ratio</code>" in html
    assert "Undefined: " in html
    assert "nan" not in html.lower()


def test_a_run_without_calibration_has_no_such_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMOOD_CACHE", str(tmp_path / "store"))
    run = calibrated_run(tmp_path, calibration=False)
    assert HEADING not in render_report([run])


def test_what_calibrating_buys_goes_by_the_interval_of_the_change(run: Path, tmp_path: Path) -> None:
    def told(low: float | None, high: float | None) -> str:
        copied = copy_of(run, tmp_path / f"{low}")

        def edited(found: list[dict[str, Any]]) -> None:
            for record in found:
                if record["metric"] == "log_loss_change":
                    record.update(ci_low=low, ci_high=high)
                elif record["metric"] == "log_loss":
                    record["value"] = 0.9 if record["calibrator"] is None else 0.7

        edit_json(copied / "metrics.json", edited)
        words = [sentence.words for sentence in summary(CalibrationRecords.of(read_run(copied)))]
        (own,) = (each for each in words if "takes the log loss" in each)
        return own

    assert "from 0.900 to 0.700, better (interval of the change −0.300 to −0.100)" in told(-0.3, -0.1)
    assert "0.700, which these answers can't tell from no change (interval of the change −0.3" in told(
        -0.31, 0.1
    )
    # A run of before these records.
    assert "from 0.900 to 0.700, better; " in told(None, None)
