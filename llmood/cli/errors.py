"""How a command ends: one line and the right exit code for a user's mistake, a traceback for a bug of ours."""

from __future__ import annotations

import errno
import functools
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import typer

from llmood import interrupts
from llmood.cli import INTERRUPTED
from llmood.cli.terminal import printable
from llmood.errors import SHORTER, ConfigError, LlmoodError

FAILED = 1
GATE_MISSED = 3

# What the machine refuses, whatever the code does: anything else that goes wrong with a file is a bug.
REFUSALS = frozenset({errno.EACCES, errno.EDQUOT, errno.EIO, errno.ENOSPC, errno.EPERM, errno.EROFS})

F = TypeVar("F", bound=Callable[..., Any])


def handled(command: F) -> F:
    """Wrap a command: errors become one line on stderr, interrupts exit with 130."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            with interrupts.listening(), reader_may_leave():
                command(*args, **kwargs)
        except LlmoodError as error:
            _complain(_with_config(str(error), kwargs.get("config")))
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            _complain("interrupted; the same command goes on from here")
            raise typer.Exit(INTERRUPTED) from None
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:  # whoever gave the name can give another
                _complain(f"{error.filename}: file name too long ({SHORTER})")
                raise typer.Exit(ConfigError.exit_code) from None
            if error.errno not in REFUSALS:
                raise
            if error.filename is None:
                _abandon_stdout()
            _complain(f"{error.filename or 'the output'}: {error.strerror}")
            raise typer.Exit(FAILED) from None

    return run  # type: ignore[return-value]


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """Where the reader of our output goes away (`| head`), nothing is wrong, and the exit code stays as it is."""
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:  # closed by the caller: `>&-`
                sys.stdout.flush()
    except BrokenPipeError:
        _abandon_stdout()


def _abandon_stdout() -> None:
    # What is still in the buffer would fail again when Python ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str) -> None:
    typer.echo(f"llmood: {printable(message)}", err=True)


def _with_config(message: str, config: object) -> str:
    """A message whose remedy is a command on the configuration that this command was given."""
    return message.replace(" CONFIG'", f" {shlex.quote(config)}'") if isinstance(config, str) else message
