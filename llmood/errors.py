"""The error tree. A user's mistake is one line with its place and its remedy; a bug keeps its traceback."""

from __future__ import annotations

SHORTER = "choose a shorter name"  # of what no file system can hold


class LlmoodError(Exception):
    """Something that the user can put right.

    Args:
        message: one line that names the place and what is wrong there.
        hint: one line that says what to do about it.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigError(LlmoodError):
    """A usage or configuration mistake, found before any model loads."""

    exit_code = 2


class UnknownNameError(ConfigError):
    """A task, scorer, metric or engine that no registry knows."""


class MissingModelError(ConfigError):
    """A model or an adapter that is no folder here, and that the hub doesn't have or can't be asked for."""


class DataError(ConfigError):
    """A task whose data can't be used at all: a missing file, an empty split, one class only."""


class MissingExtraError(ConfigError):
    """A package that an optional extra would have brought."""

    def __init__(self, package: str, *extras: str) -> None:
        ways = " or ".join(f"'llmood[{extra}]'" for extra in extras)
        super().__init__(f"the package '{package}' is not installed", hint=f"pip install {ways}")


class EngineError(LlmoodError):
    """A model could not be loaded or run."""


class StoreError(LlmoodError):
    """The observation store can't be read or written."""


class UnfinishedError(LlmoodError):
    """What is to be put together isn't all there yet."""


class NotFittedError(LlmoodError):
    """A scorer or calibrator was used before it was fitted."""

    exit_code = 2


def kind_of(value: object) -> str:
    """What a message calls a value of the wrong type.

    >>> kind_of("a"), kind_of(3)
    ('a str', 'an int')
    """
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def first_line(error: BaseException) -> str:
    r"""What an error of somebody else's says, as far as a message of one line has room.

    >>> first_line(ValueError("no such file\nTraceback")), first_line(KeyError())
    ('no such file', 'KeyError')
    """
    return (str(error).strip() or type(error).__name__).splitlines()[0]
