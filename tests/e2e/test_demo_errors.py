"""The demo's own model is asked ten times, and what its answers have in common tells where it is wrong."""

from __future__ import annotations

import pytest

import llmood

pytestmark = pytest.mark.slow
OF_DRAWS = {"semantic_entropy", "semantic_entropy.discrete", "self_consistency", "lexical_similarity"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> llmood.Run:
    """The demo's configuration on its ID questions, all of them."""
    folder = tmp_path_factory.mktemp("errors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMOOD_CACHE", str(folder / "store"))
        overrides = ["benchmark={name: demo, id: demo}", "bootstrap.draws=200"]
        return llmood.evaluate("demo", output_dir=folder / "run", overrides=overrides)


def test_semantic_entropy_and_four_others_find_wrong_answers(run: llmood.Run) -> None:
    found = {
        record["scorer"]: record["value"]
        for record in run.records()
        if (record["question"], record["metric"], record["population"]) == ("error_detection", "auroc", "id")
    }
    good = {scorer for scorer, value in found.items() if value > 0.75}
    assert good >= OF_DRAWS
    assert len(good - {"semantic_entropy"}) >= 4
    assert 0.4 < found["random"] < 0.6


def test_the_report_has_the_table(run: llmood.Run) -> None:
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    table = page[page.index('aria-label="Error detection on demo"') :]
    table = table[: table.index("</table>")]
    assert all(f"<code>{scorer}</code>" in table for scorer in OF_DRAWS)


def test_calibrating_on_id_rows_lowers_the_log_loss_of_id_rows(run: llmood.Run) -> None:
    found = {
        record["calibrator"]: record["value"]
        for record in run.records()
        if (record["question"], record["metric"], record["scorer"])
        == ("calibration", "log_loss", "sequence_probability")
    }
    assert found["temperature"] < found[None]
    assert found["beta"] < found[None]


def test_false_alarms_are_as_rare_as_promised(run: llmood.Run) -> None:
    found = [record for record in run.records() if record["metric"] == "false_alarm_rate"]
    assert len(found) > 15
    for record in found:
        assert record["value"] <= record["params"]["expected_high"], record["scorer"]
