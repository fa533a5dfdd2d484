"""The cookbook's and the guide's commands, run as they stand: a few samples each, on the engine without a model."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.task_files import write_jsonl
from tests.worlds import llmood

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "pages"
BLOCK = re.compile(r"^```\n(.*?)^```", re.MULTILINE | re.DOTALL)
SMALL = ["--limit", "12", "--set", "engine.kind=fake", "--set", "bootstrap.draws=100"]
RUN = "llmood run configs/demo.yaml -o runs/"

# Each page, and what its first command takes for granted.
RECIPES = {
    "guide/getting-started.md": [RUN + "demo"],
    "guide/gates.md": [RUN + "demo", RUN + "a", RUN + "b"],
    "cookbook/out-of-domain.md": [],
    "cookbook/cheap-baseline.md": [],
    "cookbook/which-adapter.md": [],
    "cookbook/typos.md": [],
    "cookbook/logs.md": [],
}


def commands(page: str) -> list[list[str]]:
    text = (PAGES / page).read_text(encoding="utf-8")
    lines = [line for block in BLOCK.findall(text) for line in block.splitlines()]
    found = [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("llmood ")]
    return [words for words in found if words[0] != "finetune"]  # tests/e2e tunes


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("configs", "tasks"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name, word in (("mine", "opening hours"), ("others", "the moons of Saturn")):
        rows = [
            {
                "prompt": f"What about {word}, case {number}?",
                "response": "Nothing.",
                "prompt_tokens": 4,
                "prompt_logprobs": [None, -1.0, -0.5 * number, -len(word)],
                "response_tokens": ["Nothing", "."],
                "response_logprobs": [-0.1 * number - len(word), -0.2],
            }
            for number in range(12)
        ]
        write_jsonl(tmp_path / f"{name}.jsonl", rows)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", RECIPES)
def test_the_commands_of_a_page_work_one_after_the_other(place: Path, page: str) -> None:
    shown = commands(page)
    assert shown
    for words in [*(shlex.split(line)[1:] for line in RECIPES[page]), *shown]:
        outcome = llmood(*words, *(SMALL if words[0] == "run" else []))
        allowed = {0, 3} if "--gate" in words else {0}  # the numbers are made up here, and may miss a gate
        assert outcome.code in allowed, f"llmood {shlex.join(words)}\n{outcome.out}\n{outcome.err}"
        if "-o" in words and "--dry-run" not in words:
            assert any((place / words[words.index("-o") + 1]).iterdir())


def test_every_page_of_the_cookbook_is_tried() -> None:
    pages = {str(path.relative_to(PAGES)) for path in (PAGES / "cookbook").glob("*.md")}
    # A list; tunings, which take minutes; real data, which tests/real tries it with.
    untried = {"cookbook/index.md", "cookbook/contamination.md", "cookbook/several-models.md"}
    assert pages - untried <= set(RECIPES)
