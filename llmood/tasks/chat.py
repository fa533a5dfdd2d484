"""A prompt that a column already holds as chat turns: OpenAI's form, or ShareGPT's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmood.errors import kind_of
from llmood.records import Message
from llmood.tasks.row_errors import MissingColumnError, RowError

# Where a turn says who speaks, where it says what, and what each speaker is called here.
FORMS: tuple[tuple[str, str, dict[str, str]], ...] = (
    (
        "role",
        "content",
        {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"},
    ),
    ("from", "value", {"system": "system", "human": "user", "user": "user", "gpt": "assistant"}),
)
CALLS = ("tool_calls", "function_call")  # what a turn does instead of speaking


class ChatColumn:
    """A column of turns. What it holds is text, whatever it looks like: it is never read as a template.

    A last turn of the assistant is no part of the prompt: it is the answer.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.columns = frozenset([name])

    def messages(self, row: Mapping[str, Any]) -> tuple[Message, ...]:
        """The turns up to the last of the user.

        Raises:
            RowError: the cell is no list of turns of text, or the user doesn't speak last.
        """
        return self._read(row)[0]

    def answer(self, row: Mapping[str, Any]) -> str | None:
        """The assistant's last turn, where the list ends with one.

        Raises:
            RowError: as for `messages`, or the answer is blank.
        """
        answer = self._read(row)[1]
        if answer is not None and not answer.strip():
            raise RowError(f"{self._name}: the assistant's last turn is empty")
        return answer

    def _read(self, row: Mapping[str, Any]) -> tuple[tuple[Message, ...], str | None]:
        if self._name not in row:
            raise MissingColumnError(self._name)
        cell = row[self._name]
        if not isinstance(cell, list | tuple):
            raise RowError(f"wrong type: {self._name} is {kind_of(cell)}, not a list of turns")
        turns = [self._turn(position, item) for position, item in enumerate(cell)]
        answer = turns.pop().content if turns and turns[-1].role == "assistant" else None
        if not turns or turns[-1].role != "user":
            said = f"ends with the turn of the {turns[-1].role}" if turns else "holds no turn"
            before = " before the answer" if answer is not None else ""
            raise RowError(f"{self._name}: {said}{before}, where the user's is needed")
        return tuple(turns), answer

    def _turn(self, position: int, item: Any) -> Message:
        at = f"{self._name}[{position}]"
        if not isinstance(item, Mapping):
            raise RowError(f"wrong type: {at} is {kind_of(item)}, not a turn")
        form = next((form for form in FORMS if form[0] in item), None)
        if form is None:
            raise RowError(f"{at}: has no 'role'")
        speaker, said, roles = form
        role = item[speaker]
        if not isinstance(role, str) or role not in roles:
            raise RowError(f"{at}: the role {str(role)[:40]!r} is none of {', '.join(roles)}")
        if any(item.get(call) for call in CALLS):
            raise RowError(f"{at}: calls a tool, which is no text")
        return Message(roles[role], _text(at, item.get(said)))


def _text(at: str, content: Any) -> str:
    """The text of a turn: as it stands, or in parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list | tuple):
        raise RowError(f"wrong type: {at} says a {type(content).__name__}, not text")
    parts = []
    for part in content:
        text = part.get("text") if isinstance(part, Mapping) and part.get("type") == "text" else None
        if not isinstance(text, str):
            raise RowError(f"{at}: has a part that is not text")
        parts.append(text)
    return "\n".join(parts)
