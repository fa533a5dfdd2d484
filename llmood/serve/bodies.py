"""The JSON of a request: its size and depth are bounded before anything reads it."""

from __future__ import annotations

import json
import re
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
        return json.loads(text.decode("utf-8-sig"), parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise RequestError(400, "the body is not UTF-8", "invalid_json") from None
    except json.JSONDecodeError as error:
        raise RequestError(
            400,
            f"the body is no JSON: {error.msg.lower()} (line {error.lineno}, column {error.colno})",
            "invalid_json",
        ) from None
    except ValueError as error:  # NaN, or an integer of thousands of digits
        raise RequestError(400, f"the body is no JSON: {error}", "invalid_json") from None


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
    raise ValueError(f"{name} is no number of JSON")
