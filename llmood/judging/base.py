"""What a rule of correctness is, and how one is registered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any, NamedTuple, TypeVar

from llmood.errors import ConfigError
from llmood.records import EMPTY_ANSWER, NO_REFERENCE
from llmood.registry import Registry, suggest

NO_CHOICES = "no choices"
# What a rule may ask for by the names of its parameters; every other parameter is an argument of the rule.
COLUMNS = ("references", "choices")  # what a task has to have
FROM_MODELS = ("reply", "entailed")  # what a model has to be asked
GIVEN = (*COLUMNS, "label", *FROM_MODELS)


class Judgement(NamedTuple):
    """What a rule says of one answer.

    Attributes:
        correct: whether it is right; None where the rule is undefined for it, and then `reason` says why.
        quality: how good it is, in [0, 1], 1 is best; None where `correct` is.
        reason: why it is undefined, or how a judged answer was read where that is worth saying. It never quotes the
            answer: a run that keeps no text keeps reasons.
    """

    correct: bool | None
    quality: float | None
    reason: str | None = None

    @classmethod
    def undefined(cls, reason: str) -> Judgement:
        return cls(None, None, reason)

    @classmethod
    def of(cls, correct: bool, reason: str | None = None) -> Judgement:
        """Right or wrong, with nothing between."""
        return cls(correct, float(correct), reason)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the right answer to one prompt.

    Attributes:
        reply: what a judge said of the answer, word by word.
        entailed: whether the answer and one of the references entail each other.
    """

    references: Sequence[str] = ()
    choices: Sequence[str] = ()
    label: str | None = None
    reply: str | None = None
    entailed: bool | None = None


@dataclass(frozen=True)
class Rule:
    """A rule with its arguments.

    Attributes:
        name: as registered.
        function: (answer, what it asks for of `GIVEN`, its arguments) to a judgement; pure.
        arguments: those that differ from the function's defaults.
        graded: whether its quality has values between right and wrong.
    """

    name: str
    function: Callable[..., Judgement]
    arguments: Mapping[str, Any]
    graded: bool = False
    summary: str = ""

    @property
    def id(self) -> str:
        """What records call it: its name, and the arguments that are not the defaults."""
        shown = ", ".join(f"{name}={value}" for name, value in sorted(self.arguments.items()))
        return f"{self.name}({shown})" if shown else self.name

    @property
    def reads(self) -> frozenset[str]:
        """What of `GIVEN` it asks for."""
        return frozenset(signature(self.function).parameters) & frozenset(GIVEN)

    @property
    def asks_model(self) -> bool:
        """Whether a model has to be asked about each answer."""
        return not self.reads.isdisjoint(FROM_MODELS)

    @property
    def options(self) -> dict[str, Any]:
        """The arguments that it takes, with their defaults."""
        parameters = signature(self.function).parameters.values()
        return {each.name: each.default for each in parameters if each.kind is Parameter.KEYWORD_ONLY}

    def judge(self, answer: str, known: Known) -> Judgement:
        """What the rule says of an answer."""
        return self.function(answer, **{name: getattr(known, name) for name in self.reads}, **self.arguments)

    def made(self, arguments: Mapping[str, Any], *, place: str) -> Rule:
        """The same rule with arguments.

        Raises:
            ConfigError: it takes no such argument, or not that value.
        """
        options = self.options
        for name, value in arguments.items():
            if name not in options:
                hint = suggest(name, options) if options else "it takes none"
                raise ConfigError(f"{place}: {self.name} has no argument '{name}'", hint=hint)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(f"{place}: {self.name}: '{name}' is a number, not {value!r}")
        told = {name: float(value) for name, value in arguments.items() if value != options[name]}
        rule = Rule(self.name, self.function, told, self.graded, self.summary)
        try:
            rule.judge("", Known(references=("-",), choices=("-",)))
        except ValueError as error:
            raise ConfigError(f"{place}: {self.name}: {error}") from None
        return rule


def by_quality(
    answer: str, references: Sequence[str], threshold: float, qualities: Iterable[float]
) -> Judgement:
    """Right from a quality on; an answer without words is wrong, whatever it is measured by.

    Args:
        threshold: that quality, in (0, 1].
        qualities: what the answer may be worth, of which the best counts.
    """
    if not 0.0 < threshold <= 1.0:
        raise ValueError(f"threshold lies above 0 and at most at 1, not at {threshold:g}")
    if not references:
        return Judgement.undefined(NO_REFERENCE)
    if not answer.strip():
        return Judgement.of(False, EMPTY_ANSWER)
    quality = max(qualities)
    return Judgement(quality >= threshold, quality)


rules: Registry[Rule] = Registry("rule", "llmood.judging", "llmood.judging")

F = TypeVar("F", bound=Callable[..., Judgement])


def register(*, graded: bool = False) -> Callable[[F], F]:
    """List a function as a rule under its own name. Its keyword-only parameters are the arguments, numbers all."""

    def decorate(function: F) -> F:
        name = function.__name__
        summary = (function.__doc__ or "").strip().partition("\n")[0]
        rules.add(name, Rule(name, function, {}, graded, summary))
        return function

    return decorate
