"""What `llmood serve` is given, checked before a model loads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from llmood.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from llmood.detector.detector import Detector
    from llmood.events import EventStore
    from llmood.serve.settings import OnFailure, OnFlag, Policy, Upstream

LOOPBACK = ("localhost", "127.0.0.1", "::1")
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


def warnings_of(
    upstream: Upstream | None, wording: str | None, host: str, token: str | None
) -> Iterator[str]:
    """What an operator should know at the start.

    Args:
        wording: of the detector's task, as `Form.wording`.
    """
    from llmood.serve.settings import is_this_machine

    if upstream is None:
        return
    if wording is not None:
        yield (
            f"requests to the model are scored as they come, and this detector knows prompts that are worded as "
            f"{wording!r:.300}: of clients that word theirs otherwise, most may be flagged"
        )
    if upstream.key is not None and token is None and not is_this_machine(host):
        yield "whoever reaches this port uses the key of --upstream-key-env: --token-env would ask for a token"


def store_of(folder: Path | None, detector: Detector, *, private: bool) -> EventStore | None:
    """Where decisions are kept, with what a report needs of the detector."""
    from llmood.events import EventStore, write_description

    if folder is None:
        return None
    store = EventStore(folder, private=private)
    write_description(folder, detector)
    return store


def policy_of(
    upstream: str | None, on_flag: OnFlag | None, on_failure: OnFailure | None, message: str | None
) -> Policy:
    """What follows from a decision, with what isn't given as it is by default.

    Raises:
        ConfigError: there is no model that it could follow for.
    """
    from llmood.serve.settings import Policy

    given: dict[str, Any] = {"on_flag": on_flag, "on_failure": on_failure, "message": message}
    given = {name: value for name, value in given.items() if value is not None}
    if given and upstream is None:
        option = {"on_flag": "--policy", "on_failure": "--on-failure", "message": "--message"}[min(given)]
        raise ConfigError(f"{option}: there is no model behind the guard", hint="name one with --upstream")
    if message is not None and not message.strip():
        raise ConfigError("--message: is empty", hint="say what a refused question is answered with")
    return Policy(**given)


def upstream_of(
    url: str | None, key_env: str | None, timeout: float | None, *, host: str, port: int
) -> Upstream | None:
    """The server behind the guard, which listens on this port.

    Raises:
        ConfigError: its address or its key is none.
    """
    from llmood.serve.proxy_paths import base_of
    from llmood.serve.settings import Upstream

    if url is None:
        for option, value in (("--upstream-key-env", key_env), ("--upstream-timeout", timeout)):
            if value is not None:
                raise ConfigError(f"{option}: there is no upstream", hint="name one with --upstream")
        return None
    key = token_of(key_env)
    if key is not None and not (key.isascii() and key.isprintable()):
        raise ConfigError(f"the environment variable {key_env} holds what no key does", hint="set it anew")
    address, base = base_of(url)
    if urlsplit(address).port == port and urlsplit(address).hostname in (host, *LOOPBACK):
        raise ConfigError(
            f"--upstream {url}: is the guard itself", hint="choose another --port for the guard"
        )
    more = {} if timeout is None else {"timeout": timeout}
    return Upstream(address, base, key, **more)
