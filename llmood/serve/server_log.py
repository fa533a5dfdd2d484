"""What the server below the application has to say, as lines of the guard's own log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb

TOLD_BY = ("uvicorn", "asyncio")
BROKEN_OFF = (
    "ASGI callable returned without completing response."  # on purpose, and the application has said why
)


@contextmanager
def server_log(complain: Callable[[str], None]) -> Iterator[None]:
    """Hand on warnings and errors, one line each, as long as the block lasts."""
    told = _Told(complain)
    loggers = [logging.getLogger(name) for name in TOLD_BY]
    before = [logger.propagate for logger in loggers]
    for logger in loggers:
        logger.addHandler(told)
        logger.propagate = False  # or it would stand on stderr a second time
    try:
        yield
    finally:
        for logger, own in zip(loggers, before, strict=True):
            logger.removeHandler(told)
            logger.propagate = own


class _Told(logging.Handler):
    def __init__(self, complain: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._complain = complain

    def emit(self, record: logging.LogRecord) -> None:
        error = None if record.exc_info is None else record.exc_info[1]
        message = record.getMessage().strip().partition("\n")[0]
        if message != BROKEN_OFF:
            self._complain(message if error is None else f"{message}: {place_of(error)}")


def place_of(error: BaseException) -> str:
    """What kind of error, and where it was raised: what it says may be a user's words."""
    frames = extract_tb(error.__traceback__)[-3:]
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames)]
    return " < ".join([type(error).__name__, *places])
