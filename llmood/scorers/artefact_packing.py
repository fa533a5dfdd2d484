"""Scorers as JSON and arrays: the registered id, the arguments, and what ends in `_`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from llmood.errors import ConfigError, LlmoodError
from llmood.scorers.artefact_values import Arrays, UnsavableError, decode, encode
from llmood.scorers.base import Scorer, ScorerEntry, parameters_of, scorers
from llmood.scorers.combined import Combination
from llmood.scorers.on_adapter import OnAdapter

AGAIN = "'llmood rescore RUN' writes it anew"


def state_of(scorer: Scorer) -> dict[str, Any]:
    """What it has learned."""
    return {name: value for name, value in vars(scorer).items() if name.endswith("_")}


def pack(scorer: Scorer, arrays: Arrays) -> dict[str, Any]:
    """A scorer as JSON: its id, its arguments, what it has learned, and the scorers that it is made of."""
    if isinstance(scorer, OnAdapter):
        return pack(scorer.scorer, arrays) | {"role": scorer.role}

    def inner(value: Any) -> Any:
        if not isinstance(value, Scorer):
            raise UnsavableError(f"no artefact can hold a {type(value).__name__}")
        return pack(value, arrays)

    given = {name: getattr(scorer, name) for name in parameters_of(type(scorer))}
    members = scorer.members if isinstance(scorer, Combination) else {}
    if isinstance(scorer, Combination):
        given.pop("make", None)  # the members are kept in its place
    return {
        "id": _entry_of(scorer).id,
        "arguments": {name: encode(value, {}) for name, value in given.items()},
        "members": {name: pack(member, arrays) for name, member in members.items()},
        "state": {name: encode(value, arrays, inner) for name, value in state_of(scorer).items()},
        "role": None,
    }


def _entry_of(scorer: Scorer) -> ScorerEntry:
    """The registered id of a scorer: that which says most of its arguments."""
    fitting = [
        entry
        for _, entry in scorers
        if entry.factory is type(scorer)
        and all(getattr(scorer, name) == value for name, value in entry.arguments.items())
    ]
    if not fitting:
        raise UnsavableError(f"{type(scorer).__name__} is not registered")
    return max(fitting, key=lambda entry: len(entry.arguments))


def _learned_names(scorer: Scorer) -> set[str]:
    """What a class says that it learns; of a scorer that learned nothing, only why."""
    named = {
        name
        for parent in type(scorer).__mro__
        for name in vars(parent).get("__annotations__", {})
        if name.endswith("_") and not name.startswith("_")
    }
    return named if getattr(scorer, "unfit_", None) is None else {"unfit_"}


def unpack(
    packed: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], place: str, *, fitted: bool = True
) -> Scorer:
    """The scorer that `pack` made JSON of.

    Args:
        place: the file, for messages.
        fitted: whether it has learned something; what a combination is made of has not yet.

    Raises:
        ConfigError: no such scorer is registered here, or not with these arguments.
        ValueError: it is nothing that `pack` makes; so may be a KeyError, TypeError or AttributeError.
    """
    entry = scorers.get(packed["id"], place=place)
    given = {name: decode(value, {}) for name, value in packed["arguments"].items()}
    for name, fixed in entry.arguments.items():
        if given.pop(name, fixed) != fixed:
            raise ConfigError(f"{place}: {entry.id} has another {name} in this llmood", hint=AGAIN)
    members, role = packed["members"], packed["role"]
    if not isinstance(members, Mapping) or not (role is None or re.fullmatch(r"tuned:\d+", role)):
        raise ValueError("members or a role of another kind")
    if members:
        given["make"] = lambda name: unpack(members[name], arrays, place, fitted=False)
    try:
        scorer = entry.make(given)
    except LlmoodError as error:
        raise ConfigError(f"{place}: {error.message}", hint=error.hint or AGAIN) from None
    for name, value in packed["state"].items():
        if not re.fullmatch(r"[a-z][a-z0-9_]*_", name):
            raise ValueError(f"state of the name {name[:40]!r}")
        setattr(scorer, name, decode(value, arrays, lambda inner: unpack(inner, arrays, place)))
    lacking = sorted(_learned_names(scorer) - packed["state"].keys())
    if lacking and fitted and scorer.fitted_on:
        raise ValueError(f"no {lacking[0]}, which {entry.id} has learned")
    return scorer if role is None else OnAdapter(scorer=scorer, role=role)
