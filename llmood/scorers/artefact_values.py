"""What a scorer has learned as JSON and arrays, and back: no pickle, and no code that a file names is run.

Plain JSON stands for itself; everything else is a mapping of one key, which says what it is.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmood.errors import LlmoodError

MEASURES = "llmood.measures"
KINDS = "biuf"  # of arrays: truth values, integers, floating point numbers
SPARSE = ("csr", "csc")


class UnsavableError(LlmoodError):
    """A scorer that no artefact can hold: it isn't registered, or has learned something of another kind."""


Arrays = dict[str, NDArray[Any]]
Other = Callable[[Any], Any]


def encode(value: Any, arrays: Arrays, other: Other | None = None) -> Any:
    """A value as JSON; its arrays are put into `arrays`.

    Args:
        other: makes JSON of a scorer; without it there may be none.

    Raises:
        UnsavableError: it is of a kind that no artefact can hold.
    """

    def inner(part: Any) -> Any:
        return encode(part, arrays, other)

    if isinstance(value, np.generic):  # before its Python kind: a float64 is a float
        return {"number": _array(np.asarray(value), arrays)}
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, np.ndarray):
        return _array(value, arrays)
    return _several(value, inner) or _object(value, inner, other)


def _several(value: Any, inner: Other) -> Any:
    """What holds other values; None for anything else."""
    if isinstance(value, list):
        return {"list": [inner(item) for item in value]}
    if type(value) is tuple:
        return {"tuple": [inner(item) for item in value]}
    if isinstance(value, Mapping):
        return {"dict": [[inner(key), inner(item)] for key, item in value.items()]}
    return None


def _object(value: Any, inner: Other, other: Other | None) -> Any:
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode("ascii")}
    if getattr(value, "format", None) in SPARSE and hasattr(value, "indptr"):
        parts = [inner(part) for part in (value.data, value.indices, value.indptr)]
        return {"sparse": [value.format, list(value.shape), parts]}
    if type(value).__module__.startswith(f"{MEASURES}."):
        module = type(value).__module__.removeprefix(f"{MEASURES}.")
        held = {name: inner(part) for name, part in _parts(value).items()}
        return {"measure": [module, type(value).__name__, held]}
    if other is not None:
        return {"scorer": other(value)}
    raise UnsavableError(f"no artefact can hold a {type(value).__name__}")


def decode(value: Any, arrays: Mapping[str, NDArray[Any]], other: Other | None = None) -> Any:
    """What `encode` made JSON of.

    Args:
        other: makes a scorer of JSON.

    Raises:
        ValueError: it is nothing that `encode` makes; so may be a TypeError.
    """

    def inner(part: Any) -> Any:
        return decode(part, arrays, other)

    made: dict[str, Other] = {
        "number": lambda content: inner(content)[()],
        "float": float,
        "bytes": lambda content: base64.b64decode(content, validate=True),
        "array": lambda content: _laid_out(arrays, *content),
        "list": lambda content: [inner(item) for item in content],
        "tuple": lambda content: tuple(inner(item) for item in content),
        "dict": lambda content: {inner(key): inner(item) for key, item in content},
        "sparse": lambda content: _sparse(content[0], content[1], [inner(part) for part in content[2]]),
        "measure": lambda content: _measure(
            content[0], content[1], {name: inner(part) for name, part in content[2].items()}
        ),
    }
    if other is not None:
        made["scorer"] = other
    if not isinstance(value, dict | list):
        return value
    if not isinstance(value, dict) or len(value) != 1 or not made.keys() >= value.keys():
        raise ValueError("a value of an unknown kind")
    ((kind, content),) = value.items()
    return made[kind](content)


def _array(value: NDArray[Any], arrays: Arrays) -> Any:
    """An array in the order in which it lies in memory: sums in another order are rounded in another way."""
    if value.dtype.kind not in KINDS or value.dtype.itemsize > 8:  # what safetensors knows
        raise UnsavableError(f"no artefact can hold an array of {value.dtype}")
    # The stride of an axis of one place means nothing.
    strides = [step if places > 1 else 0 for step, places in zip(value.strides, value.shape, strict=True)]
    axes = sorted(range(value.ndim), key=lambda axis: -abs(strides[axis]))
    flipped = [axis for axis, step in enumerate(strides) if step < 0]
    name = str(len(arrays))
    straight = np.flip(value, flipped).transpose(axes)
    # A shape of () stays one: ascontiguousarray would make it (1,).
    arrays[name] = np.array(straight, dtype=value.dtype.newbyteorder("="), order="C")
    return {"array": [name, axes, flipped]}


def _laid_out(
    arrays: Mapping[str, NDArray[Any]], name: str, axes: list[int], flipped: list[int]
) -> NDArray[Any]:
    if name not in arrays:
        raise ValueError(f"the array {name[:40]!r} is missing")
    held = arrays[name]
    if sorted(axes) != list(range(held.ndim)) or not {*flipped} <= {*axes}:
        raise ValueError(f"the array {name[:40]!r} has another shape")
    return np.asarray(np.flip(held.transpose(np.argsort(axes) if axes else None), flipped))


def _sparse(form: str, shape: list[int], parts: list[NDArray[Any]]) -> Any:
    from scipy.sparse import csc_matrix, csr_matrix

    data, indices, indptr = parts
    if form not in SPARSE:
        raise ValueError("a sparse matrix of an unknown kind")
    made = {"csr": csr_matrix, "csc": csc_matrix}[form]((data, indices, indptr), shape=tuple(shape))
    made.check_format(full_check=True)
    return made


def _parts(value: Any) -> dict[str, Any]:
    if isinstance(value, tuple):
        return dict(value._asdict())  # type: ignore[attr-defined]  # a tuple with names
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return dict(vars(value))


def _measure(module: str, name: str, held: dict[str, Any]) -> Any:
    """A value of a class of `llmood.measures`: of those that are there, and of no other."""
    made = None
    if re.fullmatch(r"[a-z][a-z_]*", module):
        try:
            made = getattr(import_module(f"{MEASURES}.{module}"), name, None)
        except ModuleNotFoundError:
            made = None
    if not isinstance(made, type) or made.__module__ != f"{MEASURES}.{module}":
        raise ValueError(f"this llmood has no {module[:40]}.{name[:40]}")
    if issubclass(made, tuple):
        wanted = getattr(made, "_fields", None)
    else:
        wanted = tuple(field.name for field in fields(made)) if is_dataclass(made) else None
    if wanted is not None:
        if {*wanted} != held.keys():
            raise ValueError(f"{module}.{name} has other parts in this llmood")
        return made(**held)
    found: Any = object.__new__(made)
    vars(found).update(held)
    return found
