"""A request to end, from Ctrl-C or SIGTERM, that holds even where its exception is lost.

Python ignores what is raised while it frees an object, and a library may catch more than it should while it is
imported. So the handler also notes the request, and long work asks for it wherever its finished part is safe.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


class _Process:
    """What this process was asked, as its signals are its own."""

    is_to_end = False


@contextmanager
def listening() -> Iterator[None]:
    """Within the block SIGTERM ends work as Ctrl-C does, and `check` sees both. For the main thread."""
    _Process.is_to_end = False
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        # A shell makes the jobs that it starts with `&` deaf to Ctrl-C, and a program may have a handler of its own.
        if number == signal.SIGTERM or handler is signal.default_int_handler:
            signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _Process.is_to_end = False


def check() -> None:
    """Raise again what may have been swallowed.

    Raises:
        KeyboardInterrupt: this process was asked to end.
    """
    if _Process.is_to_end:
        raise KeyboardInterrupt


def _interrupt(_number: int, _frame: object) -> NoReturn:
    _Process.is_to_end = True
    raise KeyboardInterrupt
