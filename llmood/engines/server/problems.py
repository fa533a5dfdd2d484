"""What can go wrong between us and a server, and whether asking again helps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import numpy as np

from llmood.clean import clean
from llmood.errors import ConfigError, EngineError, LlmoodError

# Asked again: too slow, in conflict, too early, too many. What a server can't do now it may do later (5xx).
RETRIED = frozenset({408, 409, 425, 429})
KEY_REFUSED = frozenset({401, 403})
NO_MONEY_LEFT = "insufficient_quota"  # comes as 429, and no waiting helps
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0  # seconds
LONGEST_ASKED_WAIT = 120.0  # a server that asks for more than that is asked again by the next run
WORDS_SHOWN = 200
_KEY_LIKE = re.compile(r"\b(?:sk|pk|key|hf)[-_][\w*.-]{4,}")
_CONTEXT_CODE = "context_length_exceeded"
_CONTEXT_WORDS = re.compile(r"context length|max_model_len|maximum model length", re.IGNORECASE)


class RequestError(Exception):
    """A request that got no usable answer.

    Args:
        what: in words, without anything that the server said.
        status: the HTTP status, where there was one.
        code: the server's own name for it.
        said: the server's own words, cut short and cleaned; they may quote what was sent.
        again: whether asking again may help.
        wait: the seconds that the server asked to wait for.
        unreachable: whether nobody answered at that address at all.
    """

    def __init__(
        self,
        what: str,
        *,
        status: int | None = None,
        code: str | None = None,
        said: str | None = None,
        again: bool = False,
        wait: float | None = None,
        unreachable: bool = False,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.status = status
        self.code = code
        self.said = said
        self.again = again
        self.wait = wait
        self.unreachable = unreachable

    def __str__(self) -> str:
        return f"{self.what}: {self.said}" if self.said else self.what

    @property
    def hopeless(self) -> bool:
        """Whether no other request would fare better now."""
        return (
            self.unreachable
            or self.status in KEY_REFUSED
            or self.status == 404
            or self.code == NO_MONEY_LEFT
            or (self.wait or 0.0) > LONGEST_ASKED_WAIT
        )

    @property
    def over_context(self) -> bool:
        """Whether the server refuses because the prompt is too long."""
        return self.code == _CONTEXT_CODE or (
            self.status == 400 and bool(_CONTEXT_WORDS.search(self.said or ""))
        )


def of_status(status: int, body: Any, headers: Mapping[str, str], secret: str | None = None) -> RequestError:
    """What a status that is no success means.

    Args:
        body: what came with it, decoded where it was JSON; an `error` within it may be its own mapping.
        secret: a key that must not be shown, should the server repeat it.
    """
    found = error_of(body)
    code = found.get("code") or found.get("type")
    code = code if isinstance(code, str) else None
    wait = asked_wait(headers)
    again = status in RETRIED or (status >= 500 and status != 501)
    return RequestError(
        f"it answers {status}",
        status=status,
        code=code,
        said=shown(found.get("message"), secret),
        again=again and code != NO_MONEY_LEFT and (wait or 0.0) <= LONGEST_ASKED_WAIT,
        wait=wait,
    )


def error_of(body: Any) -> Mapping[str, Any]:
    """The mapping that describes an error, under `error` or bare; a text becomes its message."""
    if isinstance(body, Mapping) and isinstance(body.get("error"), Mapping | str):
        body = body["error"]
    if isinstance(body, Mapping):
        return body
    return {"message": body} if isinstance(body, str) else {}


def shown(text: Any, secret: str | None = None) -> str | None:
    r"""A server's words on one line, short, without what looks like a key; None where it said nothing.

    >>> shown("Incorrect API key\nprovided: sk-abc***wxyz")
    'Incorrect API key provided: …'
    """
    if not isinstance(text, str) or not text.strip():
        return None
    if secret:
        text = text.replace(secret, "…")
    text = " ".join(_KEY_LIKE.sub("…", clean(text)).split())
    return text if len(text) <= WORDS_SHOWN else f"{text[:WORDS_SHOWN]}…"


def asked_wait(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """The seconds that `Retry-After` asks for: a number, or a date; None where it asks for nothing readable."""
    try:
        return max(0.0, float(headers["retry-after-ms"]) / 1000)
    except (KeyError, ValueError):
        pass
    value = headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - (now or datetime.now(UTC))).total_seconds())


def backoff(attempt: int, generator: np.random.Generator) -> float:
    """Seconds before asking again: uniform below a bound that doubles with each attempt (full jitter).

    Args:
        attempt: how often it was asked so far, from 1.
    """
    return float(generator.uniform(0.0, min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (attempt - 1))))


def complaint(problem: RequestError, url: str, *, before: bool) -> LlmoodError:
    """What the user is told of a problem that ends a run, with what to do about it.

    Args:
        before: whether nothing was asked in earnest yet: a refused key is then a mistake like any other in the set-up.
    """
    goes_on = "" if before else "; what is finished is kept, and the same command goes on"
    if problem.status in KEY_REFUSED:
        kind = ConfigError if before else EngineError
        return kind(
            f"engine.server: {url} refuses the key: {problem}",
            hint=f"export the right one in the environment variable that engine.server.key_env names{goes_on}",
        )
    if problem.unreachable:
        return EngineError(
            f"engine.server: {url} can't be reached: {problem}",
            hint=f"see that the server runs and that engine.server.url is its address{goes_on}",
        )
    if (problem.wait or 0.0) > LONGEST_ASKED_WAIT:
        return EngineError(
            f"engine.server: {url} asks to wait for {problem.wait:.0f} s: {problem}",
            hint=f"ask again then{goes_on}",
        )
    if problem.code == NO_MONEY_LEFT:
        return EngineError(
            f"engine.server: {url}: the quota is used up: {problem}", hint=f"raise it{goes_on}"
        )
    if problem.status == 404:
        return EngineError(
            f"engine.server: {url} no longer serves that: {problem}", hint=f"see what it serves{goes_on}"
        )
    return EngineError(
        f"engine.server: {url} gives no answer: {problem}", hint=f"see the server's own log{goes_on}"
    )
