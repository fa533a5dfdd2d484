"""An adapter's card says what task and model files say, and lets none of it become markup or metadata."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from llmood.training.card import make_card
from tests.unit.report.html_reading import Page

ATTACK = (
    "---\nlicense: mit\n---\n# Title\n```\n</code></pre><script>alert(1)</script> ![x](http://e.org/x.png) "
    "[link](javascript:alert(1)) <http://e.org> | cell | `code` $$x$$ &lt; \\\\ \x07 *b* _i_"
)
EPOCH = {"epoch": 0, "training_loss": 1.5, "validation_loss": 1.25}
COUNTS = {"rows": 4, "tokens": 30, "learned_tokens": 30, "longest": 9, "digest": "d"}


def record_of(base: str = "org/base", **changes: Any) -> dict[str, Any]:
    data = {
        "task": "bank",
        "version": 1,
        "description": "Questions.",
        "licence": "MIT",
        "citation": None,
        "homepage": None,
        "language": "en",
        "source": {"kind": "files", "files": {"train": {"name": "train.jsonl", "digest": "abc"}}},
        "samples": {"train": 4, "validation": 2},
        "carved": {"validation": "train"},
        "mixed_rows": None,
    }
    return {
        "base": {"name": base, "commit": "c", "digest": "d"},
        "profile": "small",
        "settings": {"learning_rate": 0.01, "targets": ["q_proj"], "warmup": None},
        "seed": 0,
        "limit": None,
        "data": [data | changes],
        "train": COUNTS | {"left_out": {"is too long": 2}},
        "validation": COUNTS | {"left_out": {}},
        "loss": {"before": 2.0, "epochs": [EPOCH], "best": EPOCH},
        "steps": 3,
        "device": "cpu",
        "versions": {"torch": "2"},
    }


def rendered(card: str) -> Page:
    """The body as a site that lets HTML through would show it."""
    return Page(MarkdownIt("commonmark", {"html": True}).enable("table").render(ModelCard(card).text))


def tags(page: Page) -> set[str]:
    return {tag for tag, _ in page.tags}


def test_what_the_record_says_stands_in_the_card() -> None:
    card = make_card(record_of())
    assert yaml.safe_load(card.split("---\n")[1]) == {
        "base_model": "org/base",
        "library_name": "peft",
        "tags": ["lora", "llmood"],
        "language": ["en"],
    }
    for line in (
        "# LoRA adapter of org/base, tuned on bank",
        "- **bank**, version 1: Questions.",
        "  - licence: MIT",
        "  - citation: not stated",
        "  - language: en",
        "  - source: train.jsonl (`abc`)",
        "  - splits: train 4, validation 2; validation carved from train",
        "| train | 4 | 30 | 30 | 9 | 2 is too long |",
        "| 0 (kept) | 1.5000 | 1.2500 |",
        "| learning_rate | 0.01 |",
        "| warmup | default |",
    ):
        assert line in card.splitlines()


@pytest.mark.parametrize("key", ["task", "description", "licence", "citation", "homepage", "language"])
def test_texts_of_a_task_stay_texts(key: str) -> None:
    plain, hostile = make_card(record_of()), make_card(record_of(**{key: ATTACK}))
    front = ModelCard(hostile).data.to_dict()
    language = {} if key == "language" else {"language": ["en"]}
    assert front == {"base_model": "org/base", "library_name": "peft", "tags": ["lora", "llmood"], **language}
    page = rendered(hostile)
    assert tags(page) == tags(rendered(plain))
    assert "<script>alert(1)</script> ![x](http://e.org/x.png) [link](javascript:alert(1))" in page.text


@pytest.mark.parametrize(
    "source",
    [
        {"kind": "files", "files": {"train": {"name": ATTACK, "digest": "abc"}}},
        {"kind": "hub", "hub": ATTACK, "commit": None},
    ],
)
def test_the_names_of_files_and_data_sets_too(source: dict[str, Any]) -> None:
    assert tags(rendered(make_card(record_of(source=source)))) == tags(rendered(make_card(record_of())))


def test_a_base_in_a_folder_with_a_strange_name() -> None:
    folder = "/models/a\n---\nlicense: mit <b>x</b> | *y* [z]: q"
    card = make_card(record_of(folder))
    assert ModelCard(card).data.to_dict()["base_model"] == "b> | *y* [z]: q"
    assert "license" not in ModelCard(card).data.to_dict()
    assert tags(rendered(card)) == tags(rendered(make_card(record_of())))
