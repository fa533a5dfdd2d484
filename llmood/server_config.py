"""Where a server is that models are asked at, and how patiently: the `engine.server` section."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StrictInt

from llmood.strict import Strict

# What changes how long a run takes, who pays for it or when it gives up, and no number: a run may go on with others.
PACING = frozenset(
    {"key_env", "concurrency", "timeout", "total_timeout", "retries", "max_requests", "max_tokens"}
)
DEFAULT_KEY_ENV = "OPENAI_API_KEY"


def _address(value: str) -> str:
    # The messages never show the value: a password or a key may be in it, and it would stand in a log.
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValueError("is no address; one looks like http://localhost:8000/v1") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", value):
        raise ValueError("is no address; one looks like http://localhost:8000/v1")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError(
            "holds more than an address: a key belongs in the environment variable that key_env names"
        )
    return value.rstrip("/")


def _variable(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise ValueError("is the name of an environment variable, never the key itself")
    return value


class ServerConfig(Strict):
    """A server that speaks OpenAI's protocol. A key is only ever read from the environment variable `key_env`.

    `tokenizer` (a folder or a hub name) is the served models' own: prompts then go as token ids, and likelihoods can be
    asked for. Without one, messages or texts go as they are, and only responses can be asked for.

    `timeout` is that of a request, `total_timeout` of all of a run's, both in seconds. `max_requests` and `max_tokens`
    (prompts and answers together) stop a run before it sends more; the same command goes on. The few requests that find
    out what the server can do are not counted.
    """

    url: Annotated[str, AfterValidator(_address)]
    key_env: Annotated[str, AfterValidator(_variable)] = DEFAULT_KEY_ENV
    tokenizer: str | None = None
    api: Literal["auto", "completions", "chat"] = "auto"
    concurrency: StrictInt = Field(default=16, ge=1, le=1024)
    timeout: float = Field(default=60.0, gt=0)
    total_timeout: float | None = Field(default=None, gt=0)
    retries: StrictInt = Field(default=6, ge=0)
    max_requests: StrictInt | None = Field(default=None, ge=1)
    max_tokens: StrictInt | None = Field(default=None, ge=1)
