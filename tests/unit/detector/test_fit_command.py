"""`llmood fit` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import llmood
from tests.detecting import CALIBRATION, SPLITS, detecting_world
from tests.worlds import BANK, no_model_runs, refused, write_world
from tests.worlds import llmood as command


def test_a_detector_and_what_it_says(tmp_path: Path) -> None:
    world = detecting_world(tmp_path / "world")
    done = command("fit", world.config, "-o", tmp_path / "detector")
    assert done.code == 0, done.err
    assert "small: likelihood_ratio, decides before the model answers" in done.out
    assert "At most 5 % of the questions" in done.out
    assert f"next: llmood score {tmp_path / 'detector'} FILE" in done.out
    card = (tmp_path / "detector" / "card.md").read_text()
    for words in (
        "# small",
        "At most 5 %",
        "doesn't promise",
        "Other traffic",
        "`fake-tuned:bank card travel`",
    ):
        assert words in card
    shown = command(
        "fit", world.config, "-o", tmp_path / "detector", "--json", "--scorer", "tfidf_knn"
    ).json()
    assert shown["scorers"] == ["tfidf_knn"]
    assert shown["thresholds"][0]["alpha"] == 0.05
    assert llmood.load_detector(tmp_path / "detector").content.scorers.keys() == {"tfidf_knn"}


def test_a_dry_run_loads_no_model_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_model_runs(monkeypatch)
    world = detecting_world(tmp_path / "world")
    done = command("fit", world.config, "-o", tmp_path / "detector", "--dry-run")
    assert done.code == 0, done.err
    assert "prompt_logprobs/tuned/prompt" in done.out
    planned = command("fit", world.config, "-o", tmp_path / "detector", "--dry-run", "--json").json()
    assert sum(planned["calibration"].values()) == len(CALIBRATION)
    assert {cost["requests"] for cost in planned["captures"]} == {len(CALIBRATION)}
    assert not (tmp_path / "detector").exists()


def test_too_few_rows_name_what_they_can_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_model_runs(monkeypatch)
    world = detecting_world(tmp_path / "world", bank={**SPLITS, "calibration": CALIBRATION[:20]})
    refused(command("fit", world.config, "-o", tmp_path / "detector"), "0.05", "calibration rows")


def test_mistakes_before_any_model_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_model_runs(monkeypatch)
    world = detecting_world(tmp_path / "world")
    out = ("-o", tmp_path / "detector")
    refused(command("fit", world.config, *out, "--scorer", "likelihod"), "likelihod", "did you mean")
    refused(command("fit", world.config, *out, "--scorer", "tfidf_knn", "--no-text"), "tfidf_knn keeps words")
    refused(
        command("fit", world.config, *out, "--scorer", "p_true_few_shot", "--set", "correctness=task"),
        "p_true",
    )
    for share in ("0", "1", "1.5", "nan"):
        refused(command("fit", world.config, *out, "--false-alarms", share), "false-alarms")


def test_rows_that_cannot_be_read_end_in_exit_1(tmp_path: Path) -> None:
    world = detecting_world(tmp_path / "world", bank={**SPLITS, "calibration": [*CALIBRATION, "broken"]})
    done = command("fit", world.config, "-o", tmp_path / "detector")
    assert done.code == 1
    assert "1 rows of the task can't be read" in done.out
    assert json.loads((tmp_path / "detector" / "detector.json").read_text())["data"]["rejects"] == 1


def test_calibration_is_carved_where_the_data_has_none(tmp_path: Path) -> None:
    many = [{"text": f"my bank card {i} for trip {i * 7}"} for i in range(1200)]
    world = write_world(tmp_path / "world", bank={"train": many, "test": BANK})
    done = command("fit", world.config, "-o", tmp_path / "detector", "--json").json()
    assert done["data"]["carved"] == "train"
    assert 60 < done["data"]["rows"] < 180
