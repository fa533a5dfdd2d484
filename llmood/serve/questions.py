"""The words of a record that a person would look at."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from llmood.detector.form import MESSAGES, PROMPT, TEXT


def question_of(record: Mapping[str, Any], columns: Collection[str] = ()) -> str:
    """The question that a record asks: its one column of the task, the user's last words, its prompt or its text.

    They are looked for in the order in which `Form.read` takes them. What asks in several columns is shown as JSON.

    Args:
        columns: of the task's prompt.

    >>> turns = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
    >>> question_of({"messages": turns}), question_of({"query": "hello", "id": 3}, ["query"])
    ('hello', 'hello')
    """
    own = record.get(next(iter(columns))) if len(columns) == 1 else None
    for value in (own, record.get(MESSAGES), record.get(PROMPT), record.get(TEXT)):
        if isinstance(value, str):
            return value
        if (said := _last_said(value)) is not None:
            return said
    return json.dumps(record, ensure_ascii=False, default=str)


def _last_said(turns: Any) -> str | None:
    """The user's last words of a chat."""
    for turn in reversed(turns if isinstance(turns, list) else []):
        if isinstance(turn, Mapping) and turn.get("role") == "user":
            return _words(turn.get("content"))
    return None


def _words(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(part["text"] for part in parts if isinstance(part, Mapping) and _is_text(part))


def _is_text(part: Mapping[str, Any]) -> bool:
    return isinstance(part.get("text"), str)
