"""Questions on a terminal, each with the guess as its default; and a record of what was decided, and from what."""

from __future__ import annotations

import sys
from collections.abc import Callable

from llmood.cli.terminal import printable
from llmood.errors import ConfigError

GUESSED, ASKED, OPTION = "guessed", "your answer", "your option"

Check = Callable[[str], object]


def on_terminal() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


class Asking:
    """Asks, or takes the guess where nobody is to be asked.

    Args:
        silent: ask nothing.
    """

    def __init__(self, *, silent: bool) -> None:
        self.silent = silent
        self.decisions: list[tuple[str, str, str]] = []
        self.notes: list[str] = []

    def decide(
        self,
        what: str,
        question: str,
        guess: str,
        given: str | None = None,
        *,
        guessed: str = GUESSED,
        check: Check | None = None,
    ) -> str:
        """One decision: what an option says, else what the user answers, else the guess.

        Args:
            what: its name in the table of decisions.
            guessed: what the guess comes from.
            check: raises a ConfigError for a wrong value. Only on a terminal can it be put right, and is asked again.

        Raises:
            ConfigError: an option, or a guess that nobody was asked about, is wrong.
        """
        value, source = guess, guessed
        if given is None and not self.silent:
            value = self.ask(question, guess, check)
            source = guessed if value == guess else ASKED
        else:
            if given is not None:
                value, source = given, OPTION
            if check is not None:
                check(value)
        self.decisions.append((what, value or "none", source))
        return value

    def ask(self, question: str, default: str | None = None, check: Check | None = None) -> str:
        """Ask until the answer is right: one wrong answer must not cost the ones before it."""
        import typer

        while True:
            # On stderr: stdout is for results.
            value = str(typer.prompt(question, default=default, err=True))
            try:
                if check is not None:
                    check(value)
            except ConfigError as error:
                self.tell(str(error))
            else:
                return value

    def tell(self, text: str) -> None:
        """A line for whoever is asked; nobody else needs it."""
        if not self.silent:
            import typer

            typer.echo(printable(text), err=True)
