"""Hidden states beside an exported capture: files of some rows each, named by the seal that the rows give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from llmood.engines.observations import Block, Observations
from llmood.engines.state_files import SUFFIX, packed
from llmood.records import OK, CaptureSpec
from llmood.tables import atomic

FILE_BYTES = 32 << 20


def rows_of_a_file(observations: Observations, spec: CaptureSpec) -> int:
    """How many samples' states one file holds: an import has them all in memory."""
    first = next(observations.blocks([spec], size=1), None)
    weight = 0 if first is None else first.readers[spec].row_bytes
    return max(1, FILE_BYTES // max(1, weight))


def write_states(folder: Path, spec: CaptureSpec, block: Block) -> tuple[pa.Table, Path | None]:
    """Write the states of a block's samples.

    Returns:
        (the capture's rows, which name the file; the file, None where no sample has states).
    """
    table = block[spec]
    rows = table.to_pylist()
    there = [index for index, row in enumerate(rows) if row["status"] == OK]
    if not there:
        return table, None
    first = rows[there[0]]
    states = [
        [block.states(spec, layer, position)[there].astype(first["dtype"]) for position in first["position"]]
        for layer in first["layer"]
    ]
    by_row = np.moveaxis(np.array(states), 2, 0)  # (n, layers, positions, size)
    kept, content = packed([rows[index] | {"states": own} for index, own in zip(there, by_row, strict=True)])
    path = folder / f"{kept[0]['shard']}{SUFFIX}"
    with atomic(path) as partial:
        partial.write_bytes(content)
    for index, row in zip(there, kept, strict=True):
        rows[index] = row
    return pa.Table.from_pylist(rows, schema=table.schema), path
