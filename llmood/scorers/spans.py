"""Which tokens a likelihood scorer sums, and the variants that its name spells.

A name's parts stand in this order: `.base`, one of `.response`, `.prompt_response`, `.response_given_prompt`, `.mean`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from llmood.engines.observations import Block
from llmood.measures.token_statistics import sum_scored_tokens
from llmood.records import OK, CaptureSpec

Target = Literal["prompt", "response", "prompt_response", "response_given_prompt"]
TARGETS: tuple[Target, ...] = ("prompt", "response", "prompt_response", "response_given_prompt")


def variants(*, base: bool, mean: bool) -> Mapping[str, Mapping[str, Any]]:
    """Name suffix → constructor arguments, for all combinations that a scorer has."""
    found: dict[str, dict[str, Any]] = {}
    for model in ("tuned", "base") if base else ("tuned",):
        for target in TARGETS:
            for averaged in (False, True) if mean else (False,):
                suffix = ".base" if model == "base" else ""
                suffix += "" if target == "prompt" else f".{target}"
                suffix += ".mean" if averaged else ""
                arguments: dict[str, Any] = {"target": target}
                found[suffix] = (
                    arguments | ({"model": model} if base else {}) | ({"mean": averaged} if mean else {})
                )
    return found


def capture_of(model: str, target: Target, kind: str = "prompt_logprobs", **params: str) -> CaptureSpec:
    """What is recorded of a target's tokens, by default the log-probabilities that it is summed from."""
    fed = "prompt_response" if target == "response_given_prompt" else target
    return CaptureSpec.of(kind, model, fed, **params)


def log_likelihood(block: Block, model: str, target: Target) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """ℓ of the target's tokens under a model, and their number, for each row of a block."""
    table = block[capture_of(model, target)]
    values, offsets = token_column(table, "logprobs")
    return sum_scored_tokens(values, offsets, target_start(table, target))


def token_column(table: pa.Table, name: str) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
    """One number a token, flat, NaN where a token has none, and each row's offsets."""
    lists = _one_array(table[name])
    # A missing observation is a null list: Arrow gives it no length, and so no tokens.
    offsets = np.concatenate(
        [[0], np.cumsum(pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False))]
    )
    return lists.flatten().to_numpy(zero_copy_only=False), offsets.astype(np.int64)


def any_missing(values: NDArray[np.floating], offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows have a token without a value."""
    row = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return np.bincount(row, np.isnan(values), len(offsets) - 1) > 0


def target_start(table: pa.Table, target: Target) -> NDArray[np.int64] | None:
    """The first token of each row that counts for a target; None where all of them do."""
    if target in ("prompt", "prompt_response"):
        return None
    return _response_start(_one_array(table["spans"]), table.num_rows)


def status_of(block: Block, *specs: CaptureSpec) -> tuple[list[str], list[str | None]]:
    """Each row's status and reason: those of the first capture that isn't there."""
    status: list[str] = [OK] * len(block)
    reasons: list[str | None] = [None] * len(block)
    for spec in specs:
        table = block[spec]
        for row, (state, reason) in enumerate(
            zip(table["status"].to_pylist(), table["reason"].to_pylist(), strict=True)
        ):
            if status[row] == OK and state != OK:
                status[row], reasons[row] = state, reason
    return status, reasons


def _response_start(spans: pa.ListArray, rows: int) -> NDArray[np.int64]:
    start = np.zeros(rows, dtype=np.int64)
    for row, parts in enumerate(spans.to_pylist()):
        start[row] = next((part["start"] for part in parts or () if part["name"] == "response"), 0)
    return start


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
