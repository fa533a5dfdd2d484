"""The words of a record that a person would look at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from llmood.detector.form import MESSAGES, PROMPT, TEXT


def question_of(record: Mapping[str, Any]) -> str:
    """The question that a record asks: its text, or the user's last words; else all of it as JSON.

    >>> question_of(
    ...     {"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]}
    ... )
    'hello'
    """
    for name in (TEXT, PROMPT):
        if isinstance(record.get(name), str):
            return str(record[name])
    turns = record.get(MESSAGES)
    if isinstance(turns, list):
        for turn in reversed(turns):
            if isinstance(turn, Mapping) and turn.get("role") == "user":
                return _words(turn.get("content"))
    return json.dumps(record, ensure_ascii=False, default=str)


def _words(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(part["text"] for part in parts if isinstance(part, Mapping) and _is_text(part))


def _is_text(part: Mapping[str, Any]) -> bool:
    return isinstance(part.get("text"), str)
