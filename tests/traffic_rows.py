"""Detectors and records for the tests of `llmood score`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.detecting import detecting_world
from tests.worlds import llmood

HOME = [{"id": f"h{i}", "text": f"a bank card number {i} of mine in travel"} for i in range(200, 260)]
AWAY = [{"id": f"a{i}", "text": f"zyx {i} qqq vvv www"} for i in range(30)]


def fit_two(folder: Path) -> Path:
    """`detector`, a likelihood ratio over the fake engine, and `cheap`, which takes no model."""
    world = detecting_world(folder / "world")
    assert llmood("fit", world.config, "-o", folder / "detector").code == 0
    assert llmood("fit", world.config, "-o", folder / "cheap", "--scorer", "tfidf_knn").code == 0
    return folder


def jsonl(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def rows_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]
