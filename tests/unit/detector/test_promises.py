"""What a detector promises, and what it refuses to promise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import llmood
from llmood.calibrators.logistic import Logistic
from llmood.detector.targets import Targets
from llmood.errors import ConfigError, EngineError
from llmood.measures.threshold import Threshold
from llmood.questions.calibration_rows import CalibrationRows
from tests.detecting import CALIBRATION, SPLITS, detecting_world
from tests.worlds import World, no_report
from tests.worlds import llmood as command

FIELDS = {"fields": {"references": "answer"}}


RIGHT = ("yes", "no", "seven", "twelve")  # what the fake model answers to about half of all questions


def answered_world(folder: Path, rows: int = 300, right: Sequence[str] = RIGHT, **keys: Any) -> World:
    """Rows with references."""
    named = [
        {"text": f"a bank card number {i} of mine in travel", "answer": list(right)} for i in range(rows)
    ]
    splits = {name: [{**row, "answer": ["yes"]} for row in own] for name, own in SPLITS.items()}
    given = {"correctness": "exact_match", "scorers": ["likelihood.response"], **keys}
    return detecting_world(
        folder, bank={**splits, "calibration": named}, task=FIELDS, near=None, far=None, **given
    )


def test_the_first_threshold_is_that_of_false_alarms(tmp_path: Path) -> None:
    detector = llmood.fit_detector(detecting_world(tmp_path / "world").config, false_alarms=0.1)
    ranked = detector.content.calibration["score/thresholds"]
    assert detector.thresholds == [Threshold.false_alarms(ranked, 0.1)]
    found = detector.score([{"text": row["text"]} for row in CALIBRATION])
    assert list(found["flag"]) == list(found["score"] > detector.thresholds[0].value)
    # A row is flagged exactly where its p-value is at most α.
    assert list(found["flag"]) == list(found["p_value"] <= 0.1)
    assert 0 < found["flag"].sum() < 30


def test_for_most_calibration_sets(tmp_path: Path) -> None:
    world = detecting_world(tmp_path / "world")
    detector = llmood.fit_detector(world.config, false_alarms=0.1, delta=0.1, output_dir=tmp_path / "d")
    ranked = detector.content.calibration["score/thresholds"]
    assert detector.thresholds == [Threshold.false_alarms_for_most(ranked, 0.1, 0.1)]
    assert (
        detector.thresholds[0].value > llmood.fit_detector(world.config, false_alarms=0.1).thresholds[0].value
    )
    assert "for all but 10 % of calibration sets" in (tmp_path / "d" / "card.md").read_text()
    with pytest.raises(
        ConfigError, match=r"--false-alarms: .* calibration rows can promise no α below 0\.0\d+"
    ):
        llmood.fit_detector(world.config, false_alarms=0.01, delta=0.1)


def test_tied_scores_are_not_flagged(tmp_path: Path) -> None:
    detector = llmood.fit_detector(detecting_world(tmp_path / "world").config, scorers=["constant"])
    found = detector.score([{"text": "anything"}, {"text": "else"}])
    assert list(found["p_value"]) == [1.0, 1.0]
    assert not found["flag"].any()


def test_wrong_answers(tmp_path: Path) -> None:
    world = answered_world(tmp_path / "world")
    detector = llmood.fit_detector(
        world.config, wrong_answered=0.2, error_among_answered=0.6, output_dir=tmp_path / "detector"
    )
    assert [each.target for each in detector.thresholds] == [
        "false_alarms",
        "wrong_answered",
        "error_among_answered",
    ]
    loaded = llmood.load_detector(tmp_path / "detector")
    assert loaded.thresholds == detector.thresholds
    whole = loaded.score([{"text": f"a new bank card {i}"} for i in range(60)])
    found = whole[whole["status"] == "ok"]  # an empty answer has no score
    assert 40 < len(found) < 60
    assert whole[whole["status"] != "ok"]["answer_wrong_answered"].isna().all()
    for threshold in loaded.thresholds[1:]:
        column = f"answer_{threshold.target}"
        assert list(found[column]) == list(found["score"] <= threshold.value)
    assert found["confidence"].between(0, 1, inclusive="neither").all()
    order = np.argsort(found["score"].to_numpy())
    assert (np.diff(found["confidence"].to_numpy()[order]) <= 0).all()
    said = loaded.content.data["confidence"]
    assert said["calibrator"] == "platt"
    assert 0 < said["right"] < said["rows"]


def test_the_configuration_names_rates_and_calibrators(tmp_path: Path) -> None:
    chosen = {"calibrators": ["temperature", "isotonic"], "false_alarms": 0.2, "wrong_answered": 0.3}
    world = answered_world(tmp_path / "world", calibration=chosen)
    detector = llmood.fit_detector(world.config)
    assert [(each.target, each.alpha, each.delta) for each in detector.thresholds] == [
        ("false_alarms", 0.2, None),
        ("wrong_answered", 0.3, None),
    ]
    assert detector.content.data["confidence"]["calibrator"] == "isotonic"
    assert llmood.fit_detector(world.config, false_alarms=0.1).thresholds[0].alpha == 0.1


TWO = ["likelihood.response", "likelihood.response.mean"]


def test_one_confidence_of_several_scorers(tmp_path: Path) -> None:
    world = answered_world(tmp_path / "world", scorers=TWO)
    given = {"scorers": TWO, "output_dir": tmp_path / "detector"}
    detector = llmood.fit_detector(world.config, calibrator="logistic", **given)
    fitted = detector.content.calibrator
    assert isinstance(fitted, Logistic)
    said = detector.content.data["confidence"]
    assert (said["calibrator"], len(fitted.slopes_)) == ("logistic", 2)
    assert 0 < said["right"] < said["rows"]
    records = [{"text": f"a new bank card {i}"} for i in range(60)]
    found = llmood.load_detector(tmp_path / "detector").score(records)
    there = found["status"] == "ok"  # an empty answer has no score
    assert 40 < there.sum() < 60
    np.testing.assert_array_equal(found["confidence"][there], fitted.confidence(found.loc[there, TWO]))
    assert found["confidence"][~there].isna().all()
    # Thresholds are of the combined score, whatever makes its confidence.
    platt = llmood.fit_detector(world.config, scorers=TWO).score(records)
    pd.testing.assert_frame_equal(found.drop(columns="confidence"), platt.drop(columns="confidence"))
    assert (platt["confidence"][there] != found["confidence"][there]).all()


def test_a_configuration_names_it_for_several_scorers(tmp_path: Path) -> None:
    world = answered_world(
        tmp_path / "world", scorers=TWO, calibration={"calibrators": ["logistic", "isotonic"]}
    )
    for scorers, name in ((TWO, "logistic"), (TWO[:1], "isotonic")):
        detector = llmood.fit_detector(world.config, scorers=scorers)
        assert detector.content.data["confidence"]["calibrator"] == name
    with pytest.raises(ConfigError, match="a run calibrates each by itself"):
        llmood.evaluate(world.config)


def test_what_nobody_judged_is_not_promised(tmp_path: Path) -> None:
    world = detecting_world(tmp_path / "world")
    with pytest.raises(ConfigError, match="--wrong-answered: takes answers"):
        llmood.fit_detector(world.config, wrong_answered=0.2)
    detector = llmood.fit_detector(world.config)
    assert detector.content.calibrator is None
    assert "no answer" in detector.content.data["confidence"]["reason"]
    for name, why in (
        ("temperature", "a probability"),
        ("logistic", "several scorers, and likelihood_ratio is one"),
        ("plat", "did you mean"),
    ):
        with pytest.raises(ConfigError, match=why):
            llmood.fit_detector(world.config, calibrator=name)


def test_all_answers_wrong_gives_no_confidence(tmp_path: Path) -> None:
    detector = llmood.fit_detector(answered_world(tmp_path / "world", 120, right=["who knows"]).config)
    assert detector.content.calibrator is None
    assert "every answer" in detector.content.data["confidence"]["reason"]


def test_an_answer_of_the_models_own_words_is_the_models_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_report(monkeypatch)
    world = detecting_world(tmp_path / "world", scorers=["likelihood.response"])
    detector = llmood.fit_detector(world.config, output_dir=tmp_path / "detector")
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    prompts = run.samples().query("split == 'test'")["prompt"].to_list()
    answers = said_by("fake-tuned:bank card travel", prompts)
    own = detector.score([{"prompt": prompt} for prompt in prompts])
    brought = detector.score(
        [{"prompt": prompt, "response": said} for prompt, said in zip(prompts, answers, strict=True)]
    )
    np.testing.assert_array_equal(own["score"], brought["score"])
    assert detector.content.end == 1


def said_by(name: str, prompts: list[str]) -> list[str]:
    """What a fake model answers."""
    from llmood.engines.fake_model import FakeModel, FakeTokenizer

    model = FakeModel(name)
    return [model.answer(ids)[0] for ids in FakeTokenizer().encode(prompts, rendered=False)]


def test_a_model_that_is_its_base_is_refused(tmp_path: Path) -> None:
    world = detecting_world(tmp_path / "world", models={"base": "same", "tuned": "same"})
    with pytest.raises(EngineError, match="is the base model"):
        llmood.fit_detector(world.config)
    done = command("fit", world.config, "-o", tmp_path / "detector")
    assert done.code == 1
    assert not (tmp_path / "detector").exists()


def test_rows_that_fail_leave_no_detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from llmood.engines.base import Captured
    from llmood.engines.fake import FakeEngine
    from llmood.records import FAILED

    def broken(self: FakeEngine, spec: Any, requests: Any) -> list[Captured]:
        return [Captured(status=FAILED, reason="broke") for _ in requests]

    monkeypatch.setattr(FakeEngine, "capture", broken)
    with pytest.raises(EngineError, match="calibration rows failed, the first: broke"):
        llmood.fit_detector(detecting_world(tmp_path / "world").config, output_dir=tmp_path / "detector")
    assert not (tmp_path / "detector").exists()


def test_rows_without_a_score_are_counted_and_not_ranked(tmp_path: Path) -> None:
    long = [{"text": f"{i} " + "x" * 5000} for i in range(7)]
    world = detecting_world(tmp_path / "world", bank={**SPLITS, "calibration": [*CALIBRATION, *long]})
    data = llmood.fit_detector(world.config).content.data
    assert sum(data["halves"].values()) == len(CALIBRATION)
    assert sum(data["unscored"].values()) == len(long)


def test_no_row_beside_the_tested_ones_is_said() -> None:
    scores, every = {"mine": np.arange(100.0)}, np.ones(100, dtype=bool)
    rows = CalibrationRows(scores, judged=every, wrong=~every, for_calibrators=~every)
    with pytest.raises(
        ConfigError, match="--error-among-answered: no calibration row of the calibrators' half"
    ):
        Targets(error_among_answered=0.2).thresholds(rows, "mine")
