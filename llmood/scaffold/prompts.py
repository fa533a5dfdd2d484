"""What the rows will be to a model, to be shown before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmood.scaffold.columns import Columns
from llmood.tasks.chat import ChatColumn
from llmood.tasks.prompt import Template
from llmood.tasks.row_errors import RowError

LAST_TURN = "the last assistant turn"


def first_prompt(columns: Columns, rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The prompt of the first row that has one, before any chat template; None where none has."""
    template = Template(columns.prompt, place="prompt") if columns.prompt is not None else None
    chat = ChatColumn(columns.messages_column) if columns.messages_column is not None else None
    for row in rows:
        try:
            if chat is not None:
                return "\n".join(f"[{turn.role}] {turn.content}" for turn in chat.messages(row))
            if template is not None and (text := template.read(row)).strip():
                return text
        except RowError:
            continue
    return None


def ends_with_answers(columns: Columns, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether chats end with a turn of the assistant, which is then the reference."""
    if columns.messages_column is None:
        return False
    chat = ChatColumn(columns.messages_column)
    return any(_answer(chat, row) is not None for row in rows)


def _answer(chat: ChatColumn, row: Mapping[str, Any]) -> str | None:
    try:
        return chat.answer(row)
    except RowError:
        return None
