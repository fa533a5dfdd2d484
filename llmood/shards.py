"""The shards of a run, found and checked: all there, all finished, all of the one run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from llmood.errors import ConfigError, UnfinishedError
from llmood.manifest import SHARD, SHARDS, check_planned
from llmood.run_folder import RunFolder, ShardFolder
from llmood.sameness import deciding, differing, short

FINISHED = ("complete", "partial")
SHOWN = 3  # of what may be many, in a message of one line
# What the run's `run.json` keeps of each shard: how it was made, and what it gave.
OF_SHARD = ("status", "command", "started", "resumed", "versions", "hardware", "observed", "canary")


class FoundShard:
    """A shard on disk, its `shard.json` read.

    Raises:
        StoreError: that is damaged.
    """

    def __init__(self, folder: ShardFolder) -> None:
        self.folder = folder
        self.manifest = folder.manifest
        self.index = int(self.manifest["shard"]["index"])
        self.count = int(self.manifest["shard"]["count"])

    def __str__(self) -> str:
        return f"shard {self.index}/{self.count}"

    @property
    def finished(self) -> bool:
        """Whether all of its samples were seen to, well or not."""
        return self.manifest["status"] in FINISHED

    @property
    def is_empty(self) -> bool:
        """Whether no sample fell to it: there may be more shards than prompts."""
        return bool(self.manifest["shard"]["samples"] == 0)

    @property
    def origin(self) -> dict[str, Any]:
        """What the run's `run.json` says of it."""
        known = {key: self.manifest[key] for key in OF_SHARD if key in self.manifest}
        return {"index": self.index, "samples": self.manifest["shard"]["samples"], **known}

    def deciding(self) -> dict[str, Any]:
        """All that must be the same in every shard of a run."""
        check_planned(self.folder.path, self.manifest, SHARD)
        shard = self.manifest["shard"]
        return {**deciding(self.manifest), "shard": {key: shard[key] for key in ("of", "digest")}}


def find_shards(runs: Sequence[Path]) -> list[FoundShard]:
    """Every shard of a run once, by number. Of one that is there twice, the first that is finished.

    Args:
        runs: folders that shards were written to, or shards' own.

    Raises:
        ConfigError: there are none, or they are of several runs.
        UnfinishedError: one is missing or not finished.
    """
    found = [
        FoundShard(folder)
        for run in runs
        for folder in ([ShardFolder(run)] if (run / SHARD).is_file() else RunFolder(run).shards())
    ]
    if not found:
        raise ConfigError(
            f"{', '.join(map(str, runs))}: no shard is there ({SHARDS}/*/{SHARD})",
            hint="'llmood run CONFIG --shard 0/4' makes the first of four",
        )
    counts = sorted({shard.count for shard in found})
    if len(counts) > 1:
        raise ConfigError(f"shards of {' and of '.join(map(str, counts))}: they are not of one run")
    chosen: dict[int, FoundShard] = {}
    for shard in sorted(found, key=lambda shard: not shard.finished):
        chosen.setdefault(shard.index, shard)
    _check_finished(chosen, counts[0])
    shards = [chosen[index] for index in range(counts[0])]
    _check_same(shards)
    return shards


def _check_finished(chosen: Mapping[int, FoundShard], count: int) -> None:
    wanting: list[int] = []
    index = 0
    while len(wanting) < SHOWN and index < count:
        if index not in chosen or not chosen[index].finished:
            wanting.append(index)
        index += 1
    if not wanting:
        return
    said = [
        f"{chosen[index]} is not finished ({chosen[index].manifest['status']})"
        if index in chosen
        else f"shard {index}/{count} is missing"
        for index in wanting
    ]
    more = count - sum(shard.finished for shard in chosen.values() if shard.index < count) - len(wanting)
    raise UnfinishedError(
        "; ".join([*said, *([f"and {more} more"] if more else [])]),
        hint=f"'{_command(chosen, wanting[0], count)}' makes shard {wanting[0]}/{count}",
    )


def _command(chosen: Mapping[int, FoundShard], index: int, count: int) -> str:
    """The command that makes a shard, told from the one that began it, or that made another."""
    own = [chosen[index]] if index in chosen else []
    name = f"{index}/{count}"
    for shard in (*own, *chosen.values()):
        made = (shard.manifest.get("command") or [])[1:]
        words = [f"--shard={name}" if word.startswith("--shard=") else word for word in made]
        words = [
            name if before == "--shard" else word for before, word in zip(["", *words], words, strict=False)
        ]
        if any(word.startswith("--shard") for word in words):
            return shlex.join(["llmood", *words])
    return f"llmood.evaluate(…, shard=({index}, {count}))"


def _check_same(shards: Sequence[FoundShard]) -> None:
    """All of one configuration, the same weights and data, and of the llmood that is to merge them."""
    first, lines = shards[0], []
    wanted = first.deciding()
    for shard in shards[1:]:
        found = differing(wanted, shard.deciding())
        if found:
            key, theirs, own = found[0]
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            lines.append(
                f"{shard} is of another run than {first}: {key} is {short(own)}, not {short(theirs)}{more}"
            )
    made, mine = wanted["versions"]["llmood"], version("llmood")
    if not lines and made != mine:
        lines.append(f"{first.folder.path}: was made by llmood {made}, and this is llmood {mine}")
    if lines:
        raise ConfigError("\n".join(lines))
