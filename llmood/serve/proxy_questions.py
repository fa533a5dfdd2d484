"""What a request of OpenAI's protocol asks, and what was answered, as records for a detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmood.detector.form import MESSAGES, PROMPT, RESPONSE
from llmood.serve.answers import RequestError
from llmood.serve.forms import MOST_RECORDS
from llmood.serve.proxy_paths import Kind

TURN = ("role", "content")


@dataclass(frozen=True, slots=True)
class Question:
    """A request to a model.

    Attributes:
        body: as it was read; what goes to the upstream are its bytes.
    """

    route: Kind
    body: Mapping[str, Any]

    @property
    def model(self) -> str | None:
        """The model that it names."""
        name = self.body.get("model")
        return name if isinstance(name, str) else None

    @property
    def is_streamed(self) -> bool:
        """Whether it wants the answer piece by piece."""
        return self.body.get("stream") is True

    @property
    def each(self) -> int:
        """How many answers it wants to each prompt."""
        wanted = self.body.get("n")
        return wanted if type(wanted) is int and wanted > 0 else 1

    @property
    def prompts(self) -> Sequence[Any]:
        """Its prompts; token ids are one, which can't be read as text."""
        prompt = self.body.get(PROMPT)
        # A list of token ids is one prompt; a list of lists of them, or of strings, is several.
        is_several = isinstance(prompt, list) and bool(prompt) and not isinstance(prompt[0], int)
        return prompt if isinstance(prompt, list) and is_several else [prompt]

    def records(self) -> list[dict[str, Any]]:
        """What is to be scored before it is answered."""
        if self.route == "chat":
            return [{MESSAGES: self.body.get(MESSAGES)}]
        return [{PROMPT: prompt} for prompt in self.prompts]

    def lacks(self) -> str | None:
        """Why it can't be scored, where that is plain."""
        if self.route == "chat":
            return None
        if len(self.prompts) > MOST_RECORDS:
            return f"over {MOST_RECORDS} prompts at once"
        if any(isinstance(prompt, list) for prompt in self.prompts):
            return "the prompt is token ids, which are no text"
        return None

    def answered(self, answers: Mapping[int, str]) -> list[dict[str, Any]]:
        """The records with the answers to them, by the index of the choice."""
        records = self.records()
        return [
            {**record, RESPONSE: self._own(record, text)}
            for index, text in sorted(answers.items())
            for record in records[index // self.each : index // self.each + 1]
        ]

    def _own(self, record: Mapping[str, Any], text: str) -> str:
        """An answer without the prompt that `echo` put before it."""
        prompt = record.get(PROMPT)
        return (
            text.removeprefix(prompt) if self.body.get("echo") is True and isinstance(prompt, str) else text
        )


def check_plain(body: Mapping[str, Any]) -> None:
    """See that every server reads what the guard reads: some take a key in any case.

    Raises:
        RequestError: one may read something else.
    """
    turns = body.get(MESSAGES)
    objects = [
        (body, (MESSAGES, PROMPT)),
        *((turn, TURN) for turn in (turns if isinstance(turns, list) else [])),
    ]
    for each, names in objects:
        for key in each if isinstance(each, Mapping) else ():
            name = key.casefold()
            if name in names and key not in names:
                raise RequestError(
                    400, f"the body holds a key that may be read as '{name}'", "invalid_request"
                )


class Heard:
    """What the choices of an answer say, as far as it has come."""

    def __init__(self, route: Kind) -> None:
        self._route = route
        self._parts: dict[int, list[str]] = {}
        self._calling: set[int] = set()

    def note(self, value: Mapping[str, Any]) -> None:
        """A whole answer, or a piece of a streamed one."""
        choices = value.get("choices")
        for choice in choices if isinstance(choices, list) else []:
            index = choice.get("index", 0) if isinstance(choice, Mapping) else None
            if type(index) is not int or index < 0:
                continue
            parts = self._parts.setdefault(index, [])
            said = choice if self._route == "completions" else choice.get("message", choice.get("delta"))
            if isinstance(said, Mapping):
                text = said.get("text" if self._route == "completions" else "content")
                parts.extend([text] if isinstance(text, str) else [])
                self._calling.update([index] if said.get("tool_calls") or said.get("function_call") else [])

    @property
    def answers(self) -> dict[int, str] | None:
        """The text of each choice, by its index; None where one says nothing, such as a call of a tool."""
        found = {index: "".join(parts) for index, parts in self._parts.items()}
        is_whole = all(
            parts and (found[index] or index not in self._calling) for index, parts in self._parts.items()
        )
        return found if found and is_whole else None
