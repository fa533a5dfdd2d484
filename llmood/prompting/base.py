"""What a template is, how one is registered, and what it makes a prompt of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from llmood.records import DERIVED, Message
from llmood.registry import Registry

Part = Literal["response", "draws", "references", "shots"]
TRUE, FALSE = "A", "B"
"""The letters that stand before "True" and "False"."""


@dataclass(frozen=True, slots=True)
class Shot:
    """An example that a prompt shows: a question, an answer to it, and whether that is right."""

    question: str
    answer: str
    right: bool


@dataclass(frozen=True, slots=True)
class Material:
    """What a prompt is derived from.

    Attributes:
        messages: the sample's prompt before any chat template; one message where it isn't a chat.
        response: the greedy answer, to the letter.
        draws: further answers, each different one once, none of them blank.
        references: right answers, where they are known.
        shots: judged answers to other questions.
    """

    messages: Sequence[Message]
    response: str = ""
    draws: Sequence[str] = ()
    references: Sequence[str] = ()
    shots: Sequence[Shot] = ()

    @property
    def question(self) -> str:
        """What was asked: the last turn's words."""
        return self.messages[-1].content.strip() if self.messages else ""

    @property
    def answer(self) -> str:
        return self.response.strip()


@dataclass(frozen=True, slots=True)
class Turns:
    """A derived prompt.

    Attributes:
        messages: its turns, for a chat template.
        lead: what stands before the model's answer where there is no template, and nothing says whose turn it is.
    """

    messages: tuple[Message, ...]
    lead: str

    @property
    def text(self) -> str:
        """All of it as plain text; an answer stands where the model wrote it, right behind its prompt."""
        text = ""
        for message in self.messages:
            behind = not text or message.role == "assistant"
            text += message.content if behind else f"\n\n{message.content}"
        return f"{text}\n{self.lead}"


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt made of another, under a name and a version.

    The version rises with every change of what it makes: what was observed under the last one stays as it was.

    Attributes:
        make: pure.
        reads: what it asks for besides the sample's own messages.
        bare: whether it is the words of one turn and nothing else: no chat template, no lead, no special tokens.
    """

    name: str
    version: int
    make: Callable[[Material], Turns]
    reads: frozenset[Part]
    bare: bool = False

    @property
    def target(self) -> str:
        """What a capture of it names as its target."""
        return f"{DERIVED}{self.name}@{self.version}"


templates: Registry[Template] = Registry("template", "llmood.prompting", "llmood.prompting")


def register(
    name: str, *, version: int, reads: Sequence[Part], bare: bool = False
) -> Callable[[Callable[[Material], Turns]], Template]:
    """List a function as a template; what stands under its name then is the template."""

    def decorate(make: Callable[[Material], Turns]) -> Template:
        template = Template(name, version, make, frozenset(reads), bare)
        templates.add(f"{name}@{version}", template)
        return template

    return decorate


def template_of(target: str) -> Template:
    """The template that a capture's target names.

    Raises:
        UnknownNameError: there is none of that name and version.
    """
    return templates.get(target.removeprefix(DERIVED))


def user(text: str) -> tuple[Message, ...]:
    """One turn of the user's."""
    return (Message("user", text),)
