"""A run as one JSONL file in the row format of `llmood import`. Its numbers are written to the last bit."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from llmood.engines.observations import Observations
from llmood.engines.store import Store
from llmood.errors import ConfigError
from llmood.export.reading import read_run_tables
from llmood.records import BACKGROUND, OK, CaptureSpec
from llmood.runs import Run
from llmood.tables import SEVERAL_ROWS, atomic

ROWS_AT_ONCE = 32_768
PLAIN = (
    "task",
    "population",
    "shift",
    "severity",
    "split",
    "domain",
    "label",
    "group",
    "parent_id",
    "language",
)
AS_PARQUET = "without --jsonl they are written as Parquet, which holds all"
# What a row is made of: the other captures have no place in it.
CARRIED = ("prompt_logprobs", "response", "generations")

Captured = dict[str, Any]


def export_rows(run: str | Path, path: Path) -> tuple[int, list[str]]:
    """Write a run as rows, in its samples' order.

    Returns:
        (rows, the captures that rows have no place for).

    Raises:
        ConfigError: the folder is no run, keeps no text, or holds what JSON can't.
        StoreError: the store no longer has what the run made, or the disk is full.
    """
    loaded = Run(run)
    if not loaded.config.text:
        raise ConfigError(f"{run}: keeps no text (--no-text), and rows begin with a prompt", hint=AS_PARQUET)
    samples, index = read_run_tables(loaded)
    # A row format of what was asked and said: a background is neither ID nor OOD.
    samples = samples.filter(pc.not_equal(samples["split"], BACKGROUND))
    specs = [CaptureSpec.from_id(capture) for capture in loaded.manifest["captures"]]
    carried = [spec for spec in specs if _is_carried(spec)]
    own = _own_keys(loaded, samples)
    families = {task["name"]: task.get("family") for task in loaded.manifest["tasks"]}
    with atomic(path) as partial, partial.open("w", encoding="utf-8") as stream:
        for part, captures in _parts(samples, index, carried):
            for sample, captured in zip(part.to_pylist(), captures, strict=True):
                row = _row(sample, captured, own, families[sample["task"]])
                stream.write(_as_json(row, sample["source_line"]) + "\n")
    return samples.num_rows, [spec.id for spec in specs if spec not in carried]


def _is_carried(spec: CaptureSpec) -> bool:
    if spec.kind == "prompt_logprobs":
        return not spec.params
    own = (spec.model, spec.target, spec.control) == ("tuned", "prompt", None)
    return spec.kind in CARRIED and own


def _parts(
    samples: pa.Table, index: pa.Table, specs: list[CaptureSpec]
) -> Iterator[tuple[pa.Table, list[dict[CaptureSpec, list[Captured]]]]]:
    """Some samples at a time, with the observations of each that are there, so that memory stays flat."""
    position = {name: row for row, name in enumerate(samples["sample_id"].to_pylist())}
    places = np.array([position.get(name, -1) for name in index["sample_id"].to_pylist()], dtype=np.int64)
    order = np.argsort(places, kind="stable")
    store = Store()
    for start in range(0, samples.num_rows, ROWS_AT_ONCE):
        part = samples.slice(start, ROWS_AT_ONCE)
        low, high = np.searchsorted(places[order], [start, start + part.num_rows])
        observations = Observations(part, index.take(pa.array(order[low:high])), store)
        there = [spec for spec in specs if observations.has(spec)]
        found: list[dict[CaptureSpec, list[Captured]]] = [{} for _ in range(part.num_rows)]
        for block in observations.blocks(there):
            for spec in there:
                rows = block[spec].to_pylist()
                owners = (
                    block.many(spec)[0]["row"].to_pylist() if spec.kind in SEVERAL_ROWS else range(len(rows))
                )
                for owner, row in zip(owners, rows, strict=True):
                    found[block.positions[owner]].setdefault(spec, []).append(row)
        yield part, found


def _own_keys(loaded: Run, samples: pa.Table) -> tuple[str, ...]:
    """What an import put into `meta`, and a row has keys of its own for."""
    if loaded.config.engine.kind != "imported":
        return ()
    names = [json.loads(text).get("id") for text in samples["meta"].to_pylist()]
    texts = [name for name in names if isinstance(name, str)]
    # Two files may each have named their rows from 1 on, and here they are one.
    return (*(["id"] if len(set(texts)) == len(texts) else []), "confidence", "correct")


def _is_own(name: str, value: Any) -> bool:
    """Whether a value in `meta` is what the row's key of that name holds, not a user's own."""
    if name == "confidence":
        return isinstance(value, float) and 0 <= value <= 1
    return isinstance(value, bool) if name == "correct" else isinstance(value, str) and bool(value.strip())


def _row(
    sample: Mapping[str, Any],
    captures: Mapping[CaptureSpec, list[Captured]],
    own: tuple[str, ...],
    family: str | None,
) -> dict[str, Any]:
    if sample["images"]:
        raise ConfigError(f"{sample['source_line']}: has images, which rows can't hold", hint=AS_PARQUET)
    meta = json.loads(sample["meta"])
    row: dict[str, Any] = {name: meta.pop(name) for name in own if _is_own(name, meta.get(name))}
    row |= _prompt(sample)
    row |= {name: sample[name] for name in PLAIN if sample[name] is not None}
    row |= {} if family is None else {"family": family}
    row |= {name: sample[name] for name in ("references", "choices") if sample[name]}
    row |= {"meta": meta} if meta else {}
    if sample["prompt_tokens"] is not None:
        row["prompt_tokens"] = sample["prompt_tokens"]
    for spec, rows in captures.items():
        if spec.kind == "generations":
            row |= _draws(rows, sample)
        elif rows[0]["status"] == OK:
            _add(row, spec, rows[0])
    return row


def _prompt(sample: Mapping[str, Any]) -> dict[str, Any]:
    turns = [
        {"role": turn["role"], "content": "".join(part["text"] for part in turn["content"])}
        for turn in json.loads(sample["messages"])
    ]
    if turns == [{"role": "user", "content": sample["prompt"]}]:
        return {"prompt": sample["prompt"]}
    return {"prompt": sample["prompt"], "messages": turns}


def _add(row: dict[str, Any], spec: CaptureSpec, found: Captured) -> None:
    if spec.kind == "response":
        known = ("finish", "temperature", "top_p", "seed")
        row["response"] = found["text"]
        row |= {name: _exact(found[name]) for name in known if found[name] is not None}
        row |= {} if found["token_ids"] is None else {"response_tokens": found["token_ids"]}
        if found["logprobs"]:
            row.setdefault("response_logprobs", {})["tuned"] = [_exact(value) for value in found["logprobs"]]
        return
    logprobs = [_exact(value) for value in found["logprobs"]]
    spans = {span["name"]: slice(span["start"], span["end"]) for span in found["spans"]}
    if spec.target == "response":
        row.setdefault("response_alone_logprobs", {})[spec.model] = logprobs[spans["response"]]
        return
    row.setdefault(f"{spec.target}_logprobs", {})[spec.model] = logprobs
    if found["token_ids"] is not None:
        row["prompt_tokens"] = found["token_ids"][spans["prompt"]]


def _draws(rows: list[Captured], sample: Mapping[str, Any]) -> dict[str, Any]:
    if rows[0]["draw"] is None:
        return {}
    draws = []
    for place, found in enumerate(rows):
        if found["status"] != OK or found["draw"] != place:
            raise ConfigError(
                f"{sample['source_line']}: draw {place} is missing, and rows can't say so", hint=AS_PARQUET
            )
        known = ("text", "token_ids", "logprobs", "finish", "temperature", "top_p", "seed")
        draw = {name: found[name] for name in known if found[name] is not None and found[name] != []}
        draws.append(
            {
                name: [_exact(item) for item in value] if name == "logprobs" else _exact(value)
                for name, value in draw.items()
            }
        )
    return {"draws": draws}


def _exact(value: Any) -> Any:
    """A float32's shortest decimal that reads back as the same; anything else as it is."""
    if not isinstance(value, float) or not math.isfinite(value):
        return value
    return float(str(np.float32(value)))


def _as_json(row: Mapping[str, Any], place: str | None) -> str:
    try:
        return json.dumps(row, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise ConfigError(
            f"{place}: has a log-probability of −∞, which JSON can't hold", hint=AS_PARQUET
        ) from None
