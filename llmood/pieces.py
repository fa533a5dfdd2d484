"""The pieces of text that a run's token ids stand for, kept for the report: no tokenizer is needed to read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from llmood.engines.observations import Observations
from llmood.errors import ConfigError
from llmood.manifest import read_checked
from llmood.records import EVALUATED, CaptureSpec
from llmood.run_folder import RunFolder
from llmood.tables import write_json

PIECES = "observations/pieces.json"
KIND = "prompt_logprobs"

Pieces = Mapping[int, str]


def explained_captures(captures: Sequence[CaptureSpec]) -> list[CaptureSpec]:
    """Those of the tuned model whose tokens a ratio to the base model can be told of."""
    captures = [spec for spec in captures if spec.control is None]
    of_base = {(spec.target, spec.params) for spec in captures if (spec.kind, spec.model) == (KIND, "base")}
    return [
        spec
        for spec in captures
        if (spec.kind, spec.model) == (KIND, "tuned") and (spec.target, spec.params) in of_base
    ]


def pieces_of(
    observations: Observations, captures: Sequence[CaptureSpec], decode: Callable[[Sequence[int]], str]
) -> dict[int, str]:
    """The text of each token of what is measured; nothing in a run without text, whose store holds no ids."""
    found: set[int] = set()
    for spec in filter(observations.has, captures):  # a shard without samples captured nothing
        for block in observations.of(EVALUATED).blocks([spec], {KIND: ["token_ids"]}):
            ids = pc.list_flatten(block[spec]["token_ids"])
            found |= set(np.unique(ids.to_numpy()).tolist())
    try:
        return {number: decode([number]) for number in sorted(found)}
    except ConfigError:  # a server's tokenizer that isn't here: its tokens are not shown
        return {}


def write_pieces(folder: RunFolder, pieces: Pieces) -> None:
    """Write `observations/pieces.json`; where there are none, none are left of an earlier run."""
    path = folder.file(PIECES)
    if pieces:
        write_json(path, {str(number): pieces[number] for number in sorted(pieces)})
    else:
        path.unlink(missing_ok=True)


def read_pieces(path: Path) -> dict[int, str]:
    """What `write_pieces` wrote; nothing where it wrote none.

    Raises:
        StoreError: the file is damaged.
    """
    return dict(read_checked(path, dict[int, str])) if path.is_file() else {}


def joined(parts: Iterable[Pieces]) -> dict[int, str]:
    """The pieces of all shards of a run."""
    return {number: text for part in parts for number, text in part.items()}
