"""The section on text that the base model knows: every number a record, and a line where it is left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llmood.report import render_report
from llmood.report.familiarity import familiarity_part
from llmood.report.read import read_run
from llmood.report.text import number
from tests.unit.report.tiny_runs import copy_of, edit_json, records, tiny_run

HEADING = "Is it harder where the base model knows the text?"
OOD = {
    name: [f"{name} {'quartz ' * (n % 4)}{n} wilderness" for n in range(33)] for name in ("away", "abroad")
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("sliced")
        patch.setenv("LLMOOD_CACHE", str(folder / "store"))
        names = ["likelihood", "likelihood.mean", "likelihood_ratio", "likelihood_ratio.mean", "perplexity"]
        return tiny_run(folder, OOD, scorers=names)


def section(run: Path) -> str:
    return render_report([run]).partition(f">{HEADING}<")[2].partition("</section>")[0]


def test_one_table_and_a_figure_a_set(run: Path) -> None:
    found = section(run)
    assert found.count('class="scores"') == 1
    assert found.count("<svg") == len(OOD)
    part = familiarity_part(read_run(run), "r1")
    assert part is not None
    assert part.scorers[0] == "likelihood"
    assert len(part.scorers) == 4
    assert part.others == 4  # the fifth and the baselines
    assert [each.task for each in part.sets] == list(OOD)
    assert [row.name for row in part.sets[0].rows] == [
        "familiar",
        "middle",
        "unfamiliar",
        "unfamiliar − familiar",
    ]


def test_every_number_of_the_section_is_a_record(run: Path) -> None:
    shown = re.findall(r'<span class="v">([^<]+)</span>', section(run))
    own = [record for record in records(run) if record["question"] == "familiarity"]
    assert len(shown) == len(OOD) * 4 * 4
    assert set(shown) <= {number(record["value"]) for record in own}


def test_slices_stand_in_their_section_alone(run: Path) -> None:
    page = render_report([run])
    assert "Other records" not in page
    files = read_run(run)
    whole = files.find("auroc", "likelihood", "away")
    assert whole is not None
    assert (whole["question"], whole["slice"]) == ("ood_detection", None)


def test_a_clear_gap_is_marked_by_its_side(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)

    def widen(found: list[dict[str, object]]) -> None:
        ends = {"likelihood": (0.1, 0.3), "likelihood_ratio": (-0.3, -0.1)}
        for record in found:
            if record["metric"] == "auroc_familiarity_gap":
                low, high = ends.get(str(record["scorer"]), (-0.1, 0.1))
                record.update(value=(low + high) / 2, ci_low=low, ci_high=high)

    edit_json(copied / "metrics.json", widen)
    found = section(copied)
    assert found.count(">familiar text is harder<") == len(OOD)
    assert found.count(">unfamiliar text is harder<") == len(OOD)


def test_samples_in_no_slice_are_said(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)

    def lose(found: list[dict[str, object]]) -> None:
        for record in found:
            if record["question"] == "familiarity" and isinstance(record["params"], dict):
                record["params"]["not_sliced"] = {"over <the> context": 3}

    edit_json(copied / "metrics.json", lose)
    assert section(copied).count("3 in no slice: over &lt;the&gt; context") == len(OOD)


def test_a_run_without_it_says_why(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)
    edit_json(
        copied / "metrics.json", lambda found: [one for one in found if one["question"] != "familiarity"]
    )
    found = section(copied)
    assert "Left out: this takes the base model’s log-probabilities" in found
    assert "<table" not in found
