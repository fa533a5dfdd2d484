"""Questions on a terminal, each with the guess as its default; and a record of what was decided, and from what."""

from __future__ import annotations

import sys

GUESSED, ASKED, OPTION = "guessed", "your answer", "your option"


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
        self, what: str, question: str, guess: str, given: str | None = None, *, guessed: str = GUESSED
    ) -> str:
        """One decision: what an option says, else what the user answers, else the guess.

        Args:
            what: its name in the table of decisions.
            guessed: what the guess comes from.
        """
        value, source = guess, guessed
        if given is not None:
            value, source = given, OPTION
        elif not self.silent:
            import typer

            # On stderr: stdout is for results.
            value = str(typer.prompt(question, default=guess, err=True))
            source = guessed if value == guess else ASKED
        self.decisions.append((what, value or "none", source))
        return value
