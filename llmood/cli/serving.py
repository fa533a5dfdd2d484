"""What `llmood serve` is given, checked before a model loads."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from llmood.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from llmood.detector.detector import Detector
    from llmood.events import EventStore

PACKAGES = ("fastapi", "uvicorn", "httpx2", "prometheus_client")


def check_extra() -> None:
    """Say that the extra is missing.

    Raises:
        MissingExtraError: it is.
    """
    for package in PACKAGES:
        if find_spec(package) is None:
            raise MissingExtraError(package, "serve")


def token_of(variable: str | None) -> str | None:
    """A secret of the environment.

    Raises:
        ConfigError: the variable is not set, or empty.
    """
    if variable is None:
        return None
    value = os.environ.get(variable, "").strip()
    if not value:
        raise ConfigError(f"the environment variable {variable} is not set", hint=f"export {variable}=…")
    return value


def shows_text(host: str, token: str | None, *, private: bool) -> bool:
    """Whether the page may show questions of others: to whoever has the token, else on this machine alone.

    >>> shows_text("127.0.0.1", None, private=False), shows_text("0.0.0.0", None, private=False)
    (True, False)
    """
    from llmood.serve.settings import is_this_machine

    return not private and (token is not None or is_this_machine(host))


def store_of(folder: Path | None, detector: Detector, *, private: bool) -> EventStore | None:
    """Where decisions are kept, with what a report needs of the detector."""
    from llmood.events import EventStore, write_description

    if folder is None:
        return None
    store = EventStore(folder, private=private)
    write_description(folder, detector)
    return store
