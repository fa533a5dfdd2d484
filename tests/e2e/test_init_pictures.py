"""`llmood init` of questions about pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.pictures import speckled
from tests.task_files import write_jsonl
from tests.worlds import llmood, refused


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with questions about pictures, and others about none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "seen").mkdir()
    for n in range(60):
        speckled(12, 10, n).save(tmp_path / "seen" / f"{n}.png")
    rows = [{"picture": f"seen/{n}.png", "question": "How many?", "answer": str(n % 7)} for n in range(60)]
    write_jsonl(tmp_path / "mine.jsonl", rows)
    write_jsonl(tmp_path / "blind.jsonl", [{"question": f"Who is {n}?"} for n in range(9)])
    return tmp_path


def read(path: str) -> Any:
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


def test_the_pictures_are_shown() -> None:
    outcome = llmood("init", "mine.jsonl", "--ood", "far:mine.jsonl", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    found = {each["what"]: (each["value"], each["why"]) for each in outcome.json()["decisions"]}
    assert found["images"] == ("picture", "its columns")
    assert found["base model"][0] == "HuggingFaceTB/SmolVLM-256M-Instruct"
    assert read("mine/mine.yaml")["fields"] == {"images": "picture", "references": "answer"}
    assert read("mine/mine_2.yaml")["fields"]["images"] == "picture"
    spoilt = [
        ood["corruption"] for ood in read("mine/config.yaml")["benchmark"]["ood"] if "corruption" in ood
    ]
    assert spoilt == ["typos", "blur"]
    assert llmood("validate", "mine/mine.yaml").code == 0


def test_no_pictures_if_you_say_so() -> None:
    outcome = llmood("init", "mine.jsonl", "--ood", "far:mine.jsonl", "--image-column", "none", "--json")
    assert outcome.code == 0
    assert "images" not in read("mine/mine.yaml")["fields"]
    assert "blur" not in Path("mine/config.yaml").read_text(encoding="utf-8")
    assert "images" not in read("mine/mine_2.yaml")["fields"]


def test_one_question_about_all_pictures() -> None:
    assert llmood("init", "mine.jsonl", "--prompt", "How many?", "-o", "one").code == 0
    assert read("one/mine.yaml")["prompt"] == "How many?"
    refused(llmood("init", "blind.jsonl", "--prompt", "How many?", "-o", "none"), "uses no column")


def test_the_column_that_is_named_is_shown_everywhere_and_is_no_prompt(home: Path) -> None:
    rows = [
        {
            "thumbnail": f"seen/{n}.png",
            "photo": f"a very long name of file {n} without an ending",
            "q": f"Who, {n}?",
        }
        for n in range(60)
    ]
    write_jsonl(home / "two.jsonl", rows)
    done = llmood("init", "two.jsonl", "--ood", "far:two.jsonl", "--image-column", "photo", "-o", "two")
    assert done.code == 0, done.err
    for name in ("two", "two_2"):
        assert read(f"two/{name}.yaml")["fields"]["images"] == "photo"
        assert read(f"two/{name}.yaml")["prompt"] == "{{ q }}"


def test_one_question_needs_a_picture_that_is_shown() -> None:
    constant = ("init", "mine.jsonl", "--prompt", "How many?", "-o", "none", "--image-column", "none")
    refused(llmood(*constant), "--prompt", "uses no column")


def test_what_will_not_fit_is_said(home: Path) -> None:
    (home / "base").mkdir()
    (home / "base" / "config.json").write_text("{}", encoding="utf-8")
    notes = llmood("init", "mine.jsonl", "--ood", "far:blind.jsonl", "--base", "base", "--json").json()[
        "notes"
    ]
    assert any("blind.jsonl: no column of pictures" in note for note in notes)
    assert any("sees no pictures" in note for note in notes)
