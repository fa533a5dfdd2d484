"""Questions of the domain that a detector keeps, where that was asked for: what a page shows beside a new one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from llmood.config import RunConfig
from llmood.detector.form import TEXT, Form
from llmood.errors import ConfigError
from llmood.seeds import unit_interval
from llmood.tasks.row_errors import RowError

QUESTIONS = "questions.json"
MOST = 20_000
_MARK = "\ue000the question\ue000"  # private use: in no template


def check_keeping(config: RunConfig, most: int) -> None:
    """Refuse to keep what may not be kept.

    Raises:
        ConfigError: the configuration keeps no text, or the number is none.
    """
    if not 0 <= most <= MOST:
        raise ConfigError(f"--keep-questions {most}: from 0 to {MOST} is needed")
    if most and not config.text:
        raise ConfigError(
            "--keep-questions: this configuration keeps no text (--no-text)", hint="leave one of them out"
        )


def draw_questions(samples: pa.Table, form: Form, most: int, seed: int) -> tuple[str, ...]:
    """At most so many different questions of some rows: the same for a seed, whatever order the rows are in.

    Args:
        samples: of `tables.SAMPLES`.
        form: what the task puts around a question is left out.
    """
    before, after = _frame(form)
    found = set()
    for turns in samples["messages"].to_pylist() if most else ():
        found.add(_last_question(json.loads(turns)).removeprefix(before).removesuffix(after).strip())
    drawn = sorted(found - {""}, key=lambda text: (unit_interval(seed, "kept questions", text), text))
    return tuple(drawn[:most])


def write_questions(folder: Path, questions: Sequence[str]) -> None:
    """Write them, where there are any."""
    if questions:
        (folder / QUESTIONS).write_bytes(json.dumps(list(questions), indent=1).encode("ascii") + b"\n")


def parse_questions(content: bytes) -> tuple[str, ...]:
    """What `write_questions` wrote.

    Raises:
        ValueError: something else.
    """
    found = json.loads(content)
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ValueError(f"{QUESTIONS}: a list of texts is needed")
    return tuple(found)


def _last_question(turns: Sequence[Mapping[str, Any]]) -> str:
    for turn in reversed(turns):
        if turn["role"] == "user":
            return "".join(part["text"] for part in turn["content"])
    return ""


def _frame(form: Form) -> tuple[str, str]:
    """What the task's prompt puts before and after a question."""
    try:
        said = form.read({TEXT: _MARK}, 0).sample.messages[-1].content
    except RowError:  # a question of several columns
        return "", ""
    before, mark, after = said.partition(_MARK)
    return (before, after) if mark else ("", "")
