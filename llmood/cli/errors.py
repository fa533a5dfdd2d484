"""How a command ends: one line and the right exit code for a user's mistake, a traceback for a bug of ours."""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import typer

from llmood.errors import LlmoodError

INTERRUPTED = 130
FAILED = 1
GATE_MISSED = 3

F = TypeVar("F", bound=Callable[..., Any])


def handled(command: F) -> F:
    """Wrap a command: errors become one line on stderr, interrupts exit with 130."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            command(*args, **kwargs)
        except LlmoodError as error:
            typer.echo(f"llmood: {error}", err=True)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            typer.echo("llmood: interrupted; the same command goes on from here", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # The reader of our output went away (`| head`): nothing is wrong, and nothing more can be said.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None

    return run  # type: ignore[return-value]


def _interrupt(_number: int, _frame: object) -> NoReturn:
    # SIGTERM ends a run as Ctrl-C does: what is finished is written, and it can be resumed.
    raise KeyboardInterrupt
