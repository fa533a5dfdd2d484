"""A few samples scored a second way, and once more the first way: are a run's numbers those of the models it names?

An adapter that was not applied, a cache that gave stale values, a head that was rounded: each gives plausible numbers
without an error. The second path has no batch, no cache and no code of the first (`models/plain.py`). Asking the engine
itself again, among fewer mates, shows how far its own numbers move: the noise floor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from llmood.engines.base import Captured, Engine, Pictures, Request
from llmood.engines.beside import CANARIES, OBSERVATIONS
from llmood.engines.store import Location, Store
from llmood.errors import EngineError, StoreError
from llmood.identity import digest
from llmood.manifest import read_canary
from llmood.paths import cache_root
from llmood.records import OK, CaptureSpec
from llmood.tables import write_json

VERSION = 1
MOST_TOKENS = 512  # of a text that are scored again: what comes later changes nothing before
KINDS = ("prompt_logprobs", "response")
FARTHEST = 1e30  # a difference that no JSON file can hold


_Row = tuple[tuple[int, ...], Pictures]


@dataclass(frozen=True, slots=True)
class Watched:
    """One sample's request of a capture, and where the store holds what came of it."""

    sample_id: str
    spec: CaptureSpec
    request: Request
    location: Location


@dataclass(frozen=True, slots=True)
class _Observed:
    """What the engine gave: the ids that it read (and answered), and the log-probabilities of the last of them."""

    spec: CaptureSpec
    request: Request
    ids: tuple[int, ...]
    logprobs: NDArray[np.float64]


def examine(engine: Engine, store: Store, watched: Sequence[Watched]) -> dict[str, Any] | None:
    """Compare what was captured with a second path and with itself; the engine is closed on the way.

    A comparison of the very same stored observations is taken from the store.

    Returns:
        For `run.json`: `samples`, `path`, `dtype`, and by role `differences` (`tokens`, `largest`, `mean`, and for an
        adapter `closer_to_base`), `noise` (`tokens`, `largest`, `mean`, and `sum`, the largest of a whole text), and
        `answers` (`asked`, `same`). `reason` says why there is no second path. None where there is nothing to compare.
    """
    if not watched or not engine.has_model:
        return None
    path = cache_root() / CANARIES / f"{_key(engine, watched)}.json"
    stored = read_canary(path)
    if stored is not None:
        return {key: value for key, value in stored.items() if key != OBSERVATIONS}
    observed = [found for each in watched if (found := _observed(store, each)) is not None]
    result = {
        "samples": len({each.sample_id for each in watched}),
        "dtype": engine.identity(engine.roles[0]).get("dtype"),
    }
    result |= _again(engine, observed)
    engine.close()
    result |= _second_way(engine, observed)
    write_json(path, {**result, OBSERVATIONS: sorted({each.location.shard for each in watched})})
    return result


def _key(engine: Engine, watched: Sequence[Watched]) -> str:
    # The shard is named by its bytes: observations that were made anew are examined anew.
    places = sorted((each.spec.id, each.location.shard, each.location.row) for each in watched)
    return digest(["canary", VERSION, {role: engine.identity(role) for role in engine.roles}, places])


def _observed(store: Store, each: Watched) -> _Observed | None:
    try:
        row: dict[str, Any] = (
            store.read(each.location.shard).take(pa.array([each.location.row])).to_pylist()[0]
        )
    except StoreError:
        return None
    if row["status"] != OK or row["logprobs"] is None:
        return None
    ids = each.request.token_ids
    if each.spec.kind == "response":
        if row["token_ids"] is None:  # kept private
            return None
        return _Observed(
            each.spec, each.request, (*ids, *row["token_ids"]), np.array(row["logprobs"], np.float64)
        )
    return _Observed(each.spec, each.request, ids, np.array(row["logprobs"][1:], np.float64))


def _again(engine: Engine, observed: Sequence[_Observed]) -> dict[str, Any]:
    """The same requests to the same engine, among each other alone."""
    noise: dict[str, list[NDArray[np.float64]]] = {}
    answers: dict[str, dict[str, int]] = {}
    for spec in dict.fromkeys(each.spec for each in observed):
        own = [each for each in observed if each.spec == spec]
        results: dict[int, Captured] = {}
        for finished in engine.run(spec, [each.request for each in own]):
            results |= dict(finished)
        for index, each in enumerate(own):
            if results[index].status != OK:
                continue
            values = results[index].values
            if spec.kind == "response":
                counts = answers.setdefault(spec.model, {"asked": 0, "same": 0})
                counts["asked"] += 1
                counts["same"] += each.ids == (*each.request.token_ids, *values["token_ids"])
            else:
                again = np.array(values["logprobs"][1:], np.float64)
                known = ~np.isnan(each.logprobs)  # places of a picture have none
                noise.setdefault(spec.model, []).append(_apart(again[known], each.logprobs[known]))
    return {
        "noise": {
            role: {**_spread(rows), "sum": max(abs(float(row.sum())) for row in rows)}
            for role, rows in noise.items()
        },
        "answers": answers,
    }


def _second_way(engine: Engine, observed: Sequence[_Observed]) -> dict[str, Any]:
    rows = [each for each in observed if len(each.ids) > len(each.logprobs) and _scored(each).stop > 0]
    by_role: dict[str, dict[_Row, None]] = {}  # each row once
    for each in rows:
        for role in (role for role in engine.roles if role in (each.spec.model, "base")):
            by_role.setdefault(role, {})[_row(each)] = None
    wanted = {role: [ids for ids, _ in own] for role, own in by_role.items()}
    shown = {role: [pictures for _, pictures in own] for role, own in by_role.items()}
    try:
        sees = any(pictures for own in shown.values() for pictures in own)
        found = engine.second_path(wanted, shown) if sees else engine.second_path(wanted)
    except EngineError as error:
        return {"path": None, "reason": str(error), "differences": {}}
    if found is None:
        reason = f"the engine '{engine.kind}' shows no weights to load a second way"
        return {"path": None, "reason": reason, "differences": {}}
    by_row = {role: dict(zip(by_role[role], values, strict=True)) for role, values in found.items()}
    roles = dict.fromkeys(each.spec.model for each in rows)
    differences = {
        role: _compared([each for each in rows if each.spec.model == role], by_row) for role in roles
    }
    return {"path": "transformers, each text alone", "reason": None, "differences": differences}


def _compared(
    rows: Sequence[_Observed], second: Mapping[str, Mapping[_Row, NDArray[np.float32]]]
) -> dict[str, Any]:
    role = rows[0].spec.model
    to_itself = [_apart_from(each, second[role]) for each in rows]
    found: dict[str, Any] = _spread(to_itself)
    if role != "base" and "base" in second:
        to_base = [_apart_from(each, second["base"]) for each in rows]
        found["closer_to_base"] = _spread(to_base)["mean"] < found["mean"]
    return found


def _scored(each: _Observed) -> slice:
    """Which of the observed log-probabilities are of tokens that the second path reads."""
    first = len(each.ids) - len(each.logprobs)
    return slice(0, max(0, len(_row(each)[0]) - first))


def _row(each: _Observed) -> _Row:
    """What the second path reads; a picture's places are all needed, however many they are."""
    pictures = each.request.pictures
    return (each.ids if pictures else each.ids[:MOST_TOKENS]), pictures


def _apart_from(each: _Observed, second: Mapping[_Row, NDArray[np.float32]]) -> NDArray[np.float64]:
    scored = _scored(each).stop
    values = second[_row(each)].astype(np.float64)
    observed = each.logprobs[:scored]
    known = ~np.isnan(observed)  # places of a picture have none
    return _apart(observed[known], values[len(values) - scored :][known])


def _apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Differences, all of them numbers: equal infinities are none apart, and what is no number is as far as can be."""
    with np.errstate(invalid="ignore"):
        return np.where(
            one == other, 0.0, np.nan_to_num(one - other, nan=FARTHEST, posinf=FARTHEST, neginf=-FARTHEST)
        )


def _spread(rows: Sequence[NDArray[np.float64]]) -> dict[str, Any]:
    apart = np.abs(np.concatenate(rows)) if rows else np.zeros(0)
    return {
        "tokens": len(apart),
        "largest": float(apart.max(initial=0.0)),
        "mean": float(apart.mean()) if len(apart) else 0.0,
    }


def worst(found: Sequence[Mapping[str, Any] | None]) -> dict[str, Any] | None:
    """What several examinations say together: the largest of each difference, over the samples of all.

    `shards_without` counts those that examined nothing.
    """
    made = [each for each in found if each]
    if not made:
        return None
    without = next((each for each in made if each["path"] is None), made[0])
    answers: dict[str, dict[str, int]] = {}
    for role, counts in (item for each in made for item in each["answers"].items()):
        known = answers.setdefault(role, {"asked": 0, "same": 0})
        answers[role] = {name: known[name] + counts[name] for name in known}
    return {
        "samples": sum(each["samples"] for each in made),
        "dtype": made[0]["dtype"],
        "noise": _worst_of([each["noise"] for each in made]),
        "answers": answers,
        "path": without["path"],
        "reason": without["reason"],
        "differences": _worst_of([each["differences"] for each in made]),
        "shards_without": len(found) - len(made),
    }


def _worst_of(found: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    by_role: dict[str, list[Mapping[str, Any]]] = {}
    for role, apart in (item for each in found for item in each.items()):
        by_role.setdefault(role, []).append(apart)
    return {
        role: {
            name: sum(each[name] for each in several)
            if name == "tokens"
            else max(each[name] for each in several)
            for name in several[0]
        }
        for role, several in by_role.items()
    }
