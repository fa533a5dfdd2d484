"""The JSON of a request: its size and depth are bounded before anything reads it."""

from __future__ import annotations

import json
import re
from collections import Counter
from math import isinf
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from llmood.serve.answers import RequestError

# A string, or a bracket outside of one. What is no JSON at all is the parser's to refuse.
_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)

Model = TypeVar("Model", bound=BaseModel)


def depth_of(text: bytes, most: int) -> int:
    """How deep JSON is nested, counted no further than one beyond `most`.

    >>> depth_of(b'{"a": ["[[["]}', 10)
    2
    """
    deepest = depth = 0
    for match in _BRACKETS.finditer(text):
        mark = match.group()
        if mark in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
            if deepest > most:
                break
        elif mark in (b"]", b"}"):
            depth -= 1
    return deepest


def parse_json(text: bytes, most_depth: int) -> Any:
    """The value of a JSON text.

    Raises:
        RequestError: it is none, or is nested too deep.
    """
    if depth_of(text, most_depth) > most_depth:
        raise RequestError(400, f"the body is nested deeper than {most_depth} levels", "too_deep")
    try:
        # Decoded here: json would also take UTF-16, in which the brackets above could hide.
        return json.loads(
            text.decode("utf-8-sig"),
            object_pairs_hook=_unique,
            parse_float=_finite,
            parse_constant=_no_constant,
        )
    except UnicodeDecodeError:
        raise RequestError(400, "the body is not UTF-8", "invalid_json") from None
    except json.JSONDecodeError as error:
        raise RequestError(
            400,
            f"the body is no JSON: {error.msg.lower()} (line {error.lineno}, column {error.colno})",
            "invalid_json",
        ) from None
    except ValueError:
        raise RequestError(400, "the body holds a number of thousands of digits", "invalid_json") from None


def validated(model: type[Model], value: Any) -> Model:
    """A value as this model.

    Raises:
        RequestError: it isn't; the first mistake, with its place.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the body"
        raise RequestError(422, f"{place}: {first['msg'].lower()}", "invalid_request") from None


async def read_json(request: Request, most_depth: int) -> Any:
    """The JSON of a request.

    Raises:
        RequestError: it has none, or a broken one.
    """
    return parse_json(await request.body(), most_depth)


def _no_constant(name: str) -> Any:
    raise RequestError(400, f"the body is no JSON: {name} is no number of JSON", "invalid_json")


def _finite(digits: str) -> float:
    value = float(digits)
    if isinf(value):
        raise RequestError(400, f"the body holds a number that is too large: {digits:.40}", "invalid_json")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object. One key twice is two questions: of two readers, one may take the first and one the last."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise RequestError(400, f"the body holds the key '{twice:.40}' twice in one object", "invalid_json")
    return found
