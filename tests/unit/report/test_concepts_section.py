"""The section on concepts: every number a record, undefined ones with their reason, and none without a detector."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import llmood
from llmood.displays import ConceptCurve
from llmood.report import render_report
from llmood.report.concepts import concepts_part
from llmood.report.read import read_run
from llmood.report.text import number
from tests.unit.report.tiny_runs import copy_of, edit_json, records
from tests.worlds import BANK, no_report, write_world

HEADING = "Do a few directions explain a detector?"
DETECTORS = ["knn", "mahalanobis.one_class"]
TRAIN = [{"text": f"pay the bill number {i} by card {i % 7}"} for i in range(60)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("concepts")
        patch.setenv("LLMOOD_CACHE", str(folder / "store"))
        no_report(patch)
        world = write_world(folder, {"train": TRAIN, "test": BANK}, scorers=["likelihood", *DETECTORS])
        made = llmood.evaluate(world.config, output_dir=folder / "run")
        before = [record for record in made.records() if record["question"] == "concepts"]
        again = llmood.rescore(made.folder)
        assert before == [record for record in again.records() if record["question"] == "concepts"]
        return made.folder


def section(run: Path) -> str:
    return render_report([run]).partition(f">{HEADING}<")[2].partition("</section>")[0]


def test_every_number_is_a_record(run: Path) -> None:
    own = [record for record in records(run) if record["question"] == "concepts"]
    assert {record["scorer"] for record in own} == set(DETECTORS)
    assert {record["ood_task"] for record in own} == {"near", "far"}
    assert all(record["reason"] for record in own if record["value"] is None)
    keys = [tuple(record[key] for key in ("metric", "scorer", "ood_task", "slice")) for record in own]
    assert len(keys) == len(set(keys))
    found = section(run)
    shown = re.findall(r'<span class="v">([^<]+)</span>', found)
    assert len(shown) == len(own)
    assert set(shown) <= {"–", *(number(record["value"]) for record in own if record["value"] is not None)}
    assert found.count("<svg") == 2
    others = render_report([run]).partition("Other records")[2]
    assert "concept" not in others.partition("</table>")[0]
    # Whoever reads records by metric and slice gets the whole as before.
    whole = read_run(run).find("auroc", "knn", "near")
    assert whole is not None
    assert whole["question"] == "ood_detection"


def test_all_dimensions_keep_all(run: Path) -> None:
    """The fake engine's states are narrower than the most concepts, so the last row is the identity."""
    own = [record for record in records(run) if record["metric"] == "concept_completeness"]
    most = max(record["params"]["concepts"] for record in own)
    values = [record["value"] for record in own if record["params"]["concepts"] == most]
    defined = [value for value in values if value is not None]
    assert defined
    np.testing.assert_allclose(defined, 1.0, atol=1e-6)


def test_what_is_undefined_has_its_reason(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)

    def spoil(found: list[dict[str, object]]) -> None:
        for record in found:
            if record["question"] == "concepts":
                record.update(value=None, ci_low=None, ci_high=None, reason="no <direction>")

    edit_json(copied / "metrics.json", spoil)
    assert "no &lt;direction&gt;" in section(copied)
    own = [record for record in records(copied) if record["question"] == "concepts"]
    display = ConceptCurve(own, ood_task="near", scorers=DETECTORS)
    assert display.frame()["completeness"].isna().all()
    assert display.describe() == "Completeness on near by number of concepts: undefined for every scorer."
    assert display.plot().axes


def test_without_such_a_detector_there_is_no_section(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)
    edit_json(copied / "metrics.json", lambda found: [one for one in found if one["question"] != "concepts"])
    assert concepts_part(read_run(copied), "r1") is None
    assert HEADING not in render_report([copied])


def test_a_frame_is_what_the_records_say() -> None:
    def record(metric: str, count: int, value: float) -> dict[str, object]:
        return {
            "question": "concepts",
            "metric": metric,
            "scorer": "knn",
            "ood_task": "near",
            "slice": f"{count}_concepts",
            "params": {"concepts": count, "variance": 0.5},
            "value": value,
            "ci_low": None,
            "ci_high": None,
        }

    made = [record("concept_completeness", n, n / 10) for n in (2, 8)]
    made += [record("concept_separability", n, float(n)) for n in (2, 8)]
    frame = ConceptCurve(made, ood_task="near", scorers=["knn", "absent"]).frame()
    assert frame["concepts"].tolist() == [2, 8]
    assert frame["completeness"].tolist() == [0.2, 0.8]
    assert frame["separability"].tolist() == [2.0, 8.0]
    assert "knn 0.200 of 2, 0.800 of 8" in ConceptCurve(made, ood_task="near", scorers=["knn"]).describe()
