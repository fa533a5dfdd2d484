"""The cells of an imported row, checked one by one: log-probabilities, tokens, numbers. Nothing is ever repaired."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llmood.errors import kind_of
from llmood.tasks.cell_values import refuse_unusable
from llmood.tasks.row_errors import RowError

ROLE = re.compile(r"base|tuned(:[1-9][0-9]?)?")
LOWEST = -3.4028234663852886e38  # a float32's: what is below would become −∞ in the store
TOKEN_IDS = range(2**31)
SEEDS = range(-(2**63), 2**63)

Logprobs = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Tokens:
    """What is known of a text's tokens: their ids, or only how many."""

    count: int
    ids: tuple[int, ...] | None = None


def text(name: str, value: Any) -> str:
    """Words, or a whole number as words.

    Raises:
        RowError: it is neither, or no file could hold it.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int):
        raise RowError(f"wrong type: {name} is {kind_of(value)}, not text")
    refuse_unusable(name, value)
    return _digits(name, value) if isinstance(value, int) else value


def word(name: str, value: Any) -> str:
    """Text that isn't blank."""
    found = text(name, value)
    if not found.strip():
        raise RowError(f"{name} is empty")
    return found


def words(name: str, value: Any) -> tuple[str, ...]:
    """One text or a list of them."""
    items = value if isinstance(value, list | tuple) else [value]
    return tuple(word(f"{name}[{place}]", item) for place, item in enumerate(items))


def choice(name: str, value: Any, known: tuple[str, ...]) -> str:
    """One of some words."""
    if not isinstance(value, str) or value not in known:
        raise RowError(f"{name}: {shown(value)} is none of {', '.join(known)}")
    return value


def number(name: str, value: Any, low: float, high: float = math.inf) -> float:
    """A number between two, both allowed."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RowError(f"wrong type: {name} is {kind_of(value)}, not a number")
    if not (math.isfinite(value) if isinstance(value, float) else abs(value) < 10**300):
        raise RowError(f"{name}: {shown(value)} is no finite number")
    if not low <= value <= high:
        bounds = f"from {low:g} to {high:g}" if math.isfinite(high) else f"{low:g} or more"
        raise RowError(f"{name}: {shown(value)} is not {bounds}")
    return float(value)


def whole(name: str, value: Any, allowed: range) -> int:
    """A whole number of a range."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise RowError(f"wrong type: {name} is {kind_of(value)}, not a whole number")
    if value not in allowed:
        raise RowError(f"{name}: {shown(value)} is not from {allowed.start} to {allowed.stop - 1}")
    return value


def yes_or_no(name: str, value: Any) -> bool:
    """Whether: true or false, 1 or 0."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    raise RowError(f"{name}: {shown(value)} is neither true nor false")


def tokens(name: str, value: Any) -> Tokens:
    """Token ids, token texts, or only a count."""
    if isinstance(value, int) and not isinstance(value, bool):
        return Tokens(whole(name, value, TOKEN_IDS))
    if not isinstance(value, list | tuple):
        raise RowError(f"wrong type: {name} is {kind_of(value)}, not a list of tokens or their number")
    if all(isinstance(item, str) for item in value) and value:
        return Tokens(len(value))
    ids = tuple(whole(f"{name}[{place}]", item, TOKEN_IDS) for place, item in enumerate(value))
    return Tokens(len(ids), ids)


def by_role(name: str, value: Any) -> dict[str, Logprobs]:
    """Log-probabilities of each model: a mapping of roles, or one list, which is the tuned model's."""
    if isinstance(value, Mapping) and not _is_openai(value):
        unknown = [role for role in value if not (isinstance(role, str) and ROLE.fullmatch(role))]
        if unknown or not value:
            raise RowError(
                f"{name}: {shown(unknown[0] if unknown else value)} is no model role (base, tuned)"
            )
        given = {role: item for role, item in value.items() if item is not None}
        return {role: logprobs(f"{name}.{role}", item) for role, item in given.items()}
    return {"tuned": logprobs(name, value)}


def logprobs(name: str, value: Any) -> Logprobs:
    """A log-probability a token; null where a token has none.

    Read as a plain list, or in OpenAI's forms: `{"content": [{"token", "logprob"}]}`, its `content` alone, and
    `{"token_logprobs": […]}` of the older completions.
    """
    if isinstance(value, Mapping):
        value = value.get("content", value.get("token_logprobs"))
    if not isinstance(value, list | tuple):
        raise RowError(f"wrong type: {name} is {kind_of(value)}, not a list of log-probabilities")
    if not value:
        raise RowError(f"{name} is empty")
    return tuple(_logprob(f"{name}[{place}]", item) for place, item in enumerate(value))


def shown(value: Any) -> str:
    """A value as a reason quotes it."""
    return repr(str(value)[:40]) if isinstance(value, str) else f"'{_digits('it', value, quoted=True)[:40]}'"


def _is_openai(value: Mapping[Any, Any]) -> bool:
    return "content" in value or "token_logprobs" in value


def _logprob(at: str, item: Any) -> float | None:
    if isinstance(item, Mapping):
        if "logprob" not in item:
            raise RowError(f"{at}: has no 'logprob'")
        item = item["logprob"]
    if item is None:
        return None
    if isinstance(item, bool) or not isinstance(item, int | float):
        raise RowError(f"wrong type: {at} is {kind_of(item)}, not a log-probability")
    # Not a number, infinite, or below what the store's float32 holds: compared, so that no huge integer overflows.
    if not LOWEST <= item <= 0:
        above = item > 0 and item != math.inf
        why = "is above 0, so it is no log-probability" if above else "is no finite float32"
        raise RowError(f"{at}: {shown(item)} {why}")
    return float(item)


def _digits(name: str, value: Any, *, quoted: bool = False) -> str:
    try:
        return str(value)
    except ValueError:  # Python prints no integer of thousands of digits
        if quoted:
            return "a number of thousands of digits"
        raise RowError(f"{name}: a number of thousands of digits") from None
