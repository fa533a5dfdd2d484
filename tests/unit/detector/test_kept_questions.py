"""Questions of the domain stay in a detector only where that was asked for, and never more than that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import llmood
from llmood.errors import ConfigError, StoreError
from tests.detecting import CALIBRATION, detecting_world
from tests.worlds import llmood as command
from tests.worlds import refused, tree

ALL = {row["text"] for row in CALIBRATION}


def test_by_default_no_question_is_kept(tmp_path: Path) -> None:
    detector = llmood.fit_detector(detecting_world(tmp_path / "world").config, output_dir=tmp_path / "d")
    assert detector.content.questions == ()
    held = b"".join(tree(tmp_path / "d").values())
    assert not any(text.encode() in held for text in ALL)


def test_some_calibration_questions_are_kept_and_read_again(tmp_path: Path) -> None:
    world = detecting_world(tmp_path / "world")
    done = command("fit", world.config, "-o", tmp_path / "d", "--keep-questions", 10, "--json")
    assert done.json()["questions"] == 10
    found = llmood.load_detector(tmp_path / "d")
    assert len({*found.content.questions}) == 10
    assert {*found.content.questions} <= ALL
    assert "questions.json" in (tmp_path / "d" / "card.md").read_text()
    found.save(tmp_path / "copy")
    assert tree(tmp_path / "copy") == tree(tmp_path / "d")
    more = llmood.fit_detector(world.config, keep_questions=1000).content.questions
    assert {*more} == ALL
    assert more[:10] == found.content.questions  # drawn by hash: fewer are the first of more


def test_what_the_prompt_puts_around_a_question_is_left_out(tmp_path: Path) -> None:
    world = detecting_world(tmp_path / "world", task={"prompt": "Question: {{ text }}\nAnswer:"})
    detector = llmood.fit_detector(world.config, keep_questions=20)
    assert {*detector.content.questions} < ALL


def test_changed_questions_are_refused(tmp_path: Path) -> None:
    world = detecting_world(tmp_path / "world")
    llmood.fit_detector(world.config, keep_questions=3, output_dir=tmp_path / "d")
    (tmp_path / "d" / "questions.json").write_text(json.dumps(["another"]))
    with pytest.raises(StoreError, match=r"questions\.json"):
        llmood.load_detector(tmp_path / "d")


def test_private_data_and_silly_numbers_are_refused(tmp_path: Path) -> None:
    world = detecting_world(tmp_path / "world")
    for flags in (("--keep-questions", "-1"), ("--keep-questions", "5", "--no-text")):
        refused(command("fit", world.config, "-o", tmp_path / "d", *flags), "--keep-questions")
    with pytest.raises(ConfigError, match="keep-questions"):
        llmood.fit_detector(world.config, keep_questions=10**9)
