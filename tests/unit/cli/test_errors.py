"""How a command ends."""

from __future__ import annotations

import errno
import os
import signal

import pytest
import typer

from llmood import interrupts
from llmood.cli.errors import handled
from llmood.errors import ConfigError, DataError, EngineError, LlmoodError, NotFittedError, StoreError


def end(error: BaseException) -> int:
    @handled
    def command() -> None:
        raise error

    with pytest.raises(typer.Exit) as found:
        command()
    return int(found.value.exit_code)


@pytest.mark.parametrize(
    ("kind", "code"),
    [(ConfigError, 2), (DataError, 2), (NotFittedError, 2), (EngineError, 1), (StoreError, 1)],
)
def test_an_error_is_one_line_and_a_code(
    kind: type[LlmoodError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end(kind("what \x1b[31mis wrong", hint="do this")) == code
    assert capsys.readouterr() == ("", "llmood: what \\x1b[31mis wrong (do this)\n")


def test_an_interrupt(capsys: pytest.CaptureFixture[str]) -> None:
    assert end(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "llmood: interrupted; the same command goes on from here\n"


def test_a_name_that_is_too_long_is_the_users_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert end(OSError(errno.ENAMETOOLONG, "File name too long", "xx")) == 2
    assert capsys.readouterr().err == "llmood: xx: file name too long (choose a shorter name)\n"


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC, errno.EROFS])
def test_what_the_machine_refuses(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert end(OSError(number, os.strerror(number), "/some/file")) == 1
    assert capsys.readouterr().err == f"llmood: /some/file: {os.strerror(number)}\n"


@pytest.mark.parametrize(
    "error", [RuntimeError("a bug"), FileNotFoundError(errno.ENOENT, "no", "x"), OSError("odd")]
)
def test_a_bug_keeps_its_traceback(error: Exception) -> None:
    @handled
    def command() -> None:
        raise error

    with pytest.raises(type(error)):
        command()


def test_an_exit_passes_through() -> None:
    assert end(typer.Exit(3)) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_an_interrupt_only_within_a_command(number: signal.Signals) -> None:
    before = signal.getsignal(number)

    @handled
    def command() -> None:
        signal.raise_signal(number)

    with pytest.raises(typer.Exit) as found:
        command()
    assert found.value.exit_code == 130
    assert signal.getsignal(number) is before
    interrupts.check()  # the next command of this process was not asked to end


def test_who_does_not_hear_ctrl_c_goes_on_not_hearing_it() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts.listening():
            signal.raise_signal(signal.SIGINT)
            interrupts.check()
    finally:
        signal.signal(signal.SIGINT, before)
