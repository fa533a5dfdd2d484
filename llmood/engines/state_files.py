"""Hidden states in a file beside their Parquet shard: safetensors of the same name, one tensor a layer and position.

A tensor has a row for each of the shard's. The file holds a digest of each tensor, and the shard one of the file's
header (its seal): whoever reads one tensor has checked it, and read nothing else.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from llmood.errors import StoreError
from llmood.identity import canonical_json, digest_bytes

SUFFIX = ".safetensors"
DAMAGED = "its states are missing, or are not those that were written with it"


def beside(shard: Path) -> Path:
    """Where a shard's states are."""
    return shard.with_suffix(SUFFIX)


def tensor_name(layer: int, position: str) -> str:
    """What a layer's states at a position are called in the file."""
    return f"{layer}/{position}"


def weight_of(rows: Sequence[Mapping[str, Any]]) -> int:
    """The bytes of the states in rows of one capture; 0 where it isn't of states."""
    return len(rows) * int(rows[0]["states"].nbytes) if rows and "states" in rows[0] else 0


def packed(rows: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], bytes]:
    """Take the states (layers, positions, size) out of rows.

    Returns:
        (the rows, which know where their states are; the file of the states).
    """
    first = rows[0]
    tensors = {
        tensor_name(layer, position): np.stack([row["states"][i, j] for row in rows])
        for i, layer in enumerate(first["layer"])
        for j, position in enumerate(first["position"])
    }
    digests = {name: digest_bytes(values.tobytes()) for name, values in tensors.items()}
    # One key: safetensors writes several in any order.
    content = save(tensors, metadata={"digests": canonical_json(digests)})
    seal = digest_bytes(content[: _header_end(content)])
    kept = [
        {name: value for name, value in row.items() if name != "states"} | {"shard": seal, "row": index}
        for index, row in enumerate(rows)
    ]
    return kept, content


def read_states(path: Path, seal: str, layer: int, position: str) -> NDArray[np.generic]:
    """One layer's states at one position, (rows, size), of all rows of a file.

    Raises:
        KeyError: the file holds no such layer or position.
        StoreError: the file is gone or damaged.
    """
    name = tensor_name(layer, position)
    digests = _digests(path, seal)
    if name not in digests:
        raise KeyError(name)
    return _tensor(path, name, digests[name])


def fault_of(shard: Path) -> str | None:
    """What is wrong with the states of a shard that itself is whole; None where nothing is.

    One tensor at a time is in memory.
    """
    try:
        seals = pq.read_table(shard, columns=["shard"])["shard"].unique().to_pylist()
    except (OSError, pa.ArrowException):
        return DAMAGED
    path = beside(shard)
    try:
        for seal in seals:
            for name, digest in _digests(path, seal).items():
                _tensor(path, name, digest)
    except StoreError:
        return DAMAGED
    return None


def orphans(root: Path) -> Iterable[Path]:
    """Files of states whose shard isn't there: of a run that was killed between the two, or is between them now."""
    return sorted(path for path in root.glob(f"*/*/*{SUFFIX}") if not path.with_suffix(".parquet").exists())


def _digests(path: Path, seal: str) -> Mapping[str, str]:
    """The digest of each tensor, from a header that is the sealed one."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0]
            header = file.read(min(length, path.stat().st_size))
    except (OSError, struct.error):
        raise _damaged(path) from None
    if digest_bytes(start + header) != seal:
        raise _damaged(path)
    found: Mapping[str, str] = json.loads(json.loads(header)["__metadata__"]["digests"])
    return found


def _tensor(path: Path, name: str, digest: str) -> NDArray[np.generic]:
    try:
        with safe_open(path, framework="numpy") as file:
            values: NDArray[np.generic] = file.get_tensor(name)
    except (OSError, SafetensorError):
        raise _damaged(path) from None
    if digest_bytes(values.tobytes()) != digest:
        raise _damaged(path)
    return values


def _damaged(path: Path) -> StoreError:
    return StoreError(f"{path}: {DAMAGED}", hint="'llmood cache prune --broken', and run it again")


def _header_end(content: bytes) -> int:
    return 8 + int(struct.unpack("<Q", content[:8])[0])
