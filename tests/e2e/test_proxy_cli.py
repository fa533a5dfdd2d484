"""The options of `llmood serve` for a guard in front of a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmood.cli.serving import warnings_of
from llmood.serve.server import Server
from llmood.serve.settings import Upstream
from tests.detecting import detecting_world
from tests.worlds import llmood, refused

UP = ("--upstream", "http://localhost:8000/v1")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--policy", "refuse"), ("--policy", "no model behind", "--upstream")),
        (("--on-failure", "closed"), ("--on-failure", "no model behind")),
        (("--message", "no"), ("--message", "no model behind")),
        (("--upstream-key-env", "X"), ("--upstream-key-env", "no upstream")),
        (("--upstream-timeout", "3"), ("--upstream-timeout", "no upstream")),
        (("--upstream", "localhost:8000"), ("--upstream localhost:8000", "is no address")),
        (("--upstream", "http://localhost:8080/v1"), ("is the guard itself", "--port")),
        ((*UP, "--message", " "), ("--message", "is empty")),
        ((*UP, "--upstream-key-env", "NO_SUCH_KEY"), ("NO_SUCH_KEY is not set",)),
    ],
)
def test_mistakes_are_said_before_anything_is_read(
    tmp_path: Path, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    refused(llmood("serve", tmp_path / "none", *options), *words)


def test_a_key_that_no_header_can_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_KEY", "a\nb")
    outcome = llmood("serve", tmp_path, *UP, "--upstream-key-env", "MODEL_KEY")
    refused(outcome, "MODEL_KEY holds what no key does")


@pytest.mark.parametrize(
    ("prompt", "options", "warns"),
    [
        ("Q: {{ text }}\nA:", UP, True),
        ("Q: {{ text }}\nA:", (), False),
        ("{{ text }}", UP, False),
    ],
)
def test_a_detector_whose_task_words_its_prompts_warns_in_front_of_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prompt: str, options: tuple[str, ...], warns: bool
) -> None:
    world = detecting_world(tmp_path / "world", task={"prompt": prompt})
    folder = tmp_path / "detector"
    assert llmood("fit", world.config, "-o", folder, "--scorer", "tfidf_knn").code == 0
    monkeypatch.setattr(Server, "run", lambda _: None)
    served = llmood("serve", folder, "--port", 0, *options)
    assert served.code == 0, served.err
    said = [line for line in map(json.loads, served.err.splitlines()) if line["event"] == "warning"]
    assert [r"'Q: {{ text }}\nA:'" in line["message"] for line in said] == [True] * warns


@pytest.mark.parametrize(
    ("key", "host", "token", "warns"),
    [
        ("k", "0.0.0.0", None, True),
        ("k", "0.0.0.0", "t", False),
        ("k", "127.0.0.1", None, False),
        (None, "0.0.0.0", None, False),
    ],
)
def test_a_key_that_everybody_may_use_is_warned_of(
    key: str | None, host: str, token: str | None, warns: bool
) -> None:
    found = list(warnings_of(Upstream("http://model", key=key), None, host, token))
    assert ["--token-env" in line for line in found] == [True] * warns


def test_help_shows_how() -> None:
    assert "--upstream http://localhost:8000/v1" in llmood("serve", "--help").out
