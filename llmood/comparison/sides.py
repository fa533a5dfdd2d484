"""What stands on the two sides of a comparison: a run as it was read, and which of its scorers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from llmood.errors import ConfigError
from llmood.lineage import group_keys
from llmood.manifest import check_planned
from llmood.registry import suggest
from llmood.report.read import Record, RunFiles, read_run
from llmood.scorers.baselines import BASELINES
from llmood.scorers.on_adapter import is_on_adapter


@dataclass(frozen=True, eq=False)
class ComparedRun:
    """A run folder that takes part; itself alone, even beside another reading of the same folder."""

    files: RunFiles
    samples: pa.Table

    @property
    def folder(self) -> str:
        return str(self.files.folder)

    @property
    def id_task(self) -> str:
        return str(self.files.tasks[0]["name"])

    @property
    def ood_tasks(self) -> dict[str, Record]:
        """The OOD sets' entries in `run.json`, by name: near, far, covariate."""
        return {task["name"]: task for task in self.files.ood_tasks}

    @cached_property
    def places(self) -> Mapping[str, Mapping[str, int]]:
        """Task → sample id → its row, of the evaluated samples, in the run's order."""
        found: dict[str, dict[str, int]] = {}
        pairs = zip(self.column("task"), self.column("sample_id"), strict=True)
        for row, (task, sample_id) in enumerate(pairs):
            found.setdefault(task, {})[sample_id] = row
        return found

    @cached_property
    def groups(self) -> NDArray[np.str_]:
        """What each sample is resampled with, as in the run itself."""
        return np.array(group_keys(self.samples))

    def column(self, name: str) -> list[Any]:
        """A column of the samples."""
        return list(self.samples[name].to_pylist())


@dataclass(frozen=True)
class Side:
    """One side: the letter that tables call it, its run, and its scorer where the sides are scorers of one run."""

    letter: str
    run: ComparedRun
    scorer: str | None = None

    def describe(self) -> dict[str, Any]:
        """What it is, for a reader and for `comparison.json`."""
        manifest = self.run.files.manifest
        return {
            "letter": self.letter,
            "run": self.run.folder,
            "name": manifest.get("name"),
            "status": manifest["status"],
            "scorer": self.scorer,
            "models": {role: model.get("name") for role, model in manifest["models"].items()},
        }


def read_compared(folder: Path) -> ComparedRun:
    """Read a run folder that has scores.

    Raises:
        ConfigError: it is no run, or one that didn't get as far as its scores.
        StoreError: one of its tables is broken.
    """
    files = read_run(folder)
    missing = [name for name in files.missing if name.endswith(".parquet")]
    if missing or files.samples is None:
        raise ConfigError(
            f"{folder}: has no {' and no '.join(missing)} to compare",
            hint="the run didn't get that far: 'llmood run' goes on",
        )
    check_planned(folder, files.manifest)
    return ComparedRun(files, files.samples)


def sides_of_runs(folders: Sequence[Path]) -> list[Side]:
    """A side for each run; the first is compared with each other one."""
    if len(folders) > len(ascii_uppercase):
        raise ConfigError(f"compare: at most {len(ascii_uppercase)} runs at once, not {len(folders)}")
    return [
        Side(letter, read_compared(folder)) for letter, folder in zip(ascii_uppercase, folders, strict=False)
    ]


def sides_of_scorers(folder: Path, scorers: Sequence[str]) -> list[Side]:
    """A side for each scorer of one run; the first is compared with each other one."""
    if len(scorers) < 2:
        raise ConfigError(
            f"compare: one run, {folder}, and not two of its scorers",
            hint="name a second run, or --scorers likelihood_ratio,likelihood",
        )
    if len(scorers) > len(ascii_uppercase):
        raise ConfigError(f"compare: at most {len(ascii_uppercase)} scorers at once, not {len(scorers)}")
    run = read_compared(folder)
    for scorer in scorers:
        check_scorer(run, scorer, "--scorers")
    return [Side(letter, run, name) for letter, name in zip(ascii_uppercase, scorers, strict=False)]


def check_scorer(run: ComparedRun, scorer: str, place: str) -> None:
    """Make sure that a run has a scorer's scores."""
    if scorer not in run.files.scores:
        raise ConfigError(
            f"{place}: {run.folder} has no scores of '{scorer}'", hint=suggest(scorer, run.files.scores)
        )


def shared_scorers(first: ComparedRun, second: ComparedRun, wanted: Sequence[str]) -> list[str]:
    """Those that are asked for; else all that both runs have, without the baselines and those on further adapters.

    Raises:
        ConfigError: a run lacks one that is asked for, or there is none.
    """
    for scorer in wanted:
        for run in (first, second):
            check_scorer(run, scorer, "--scorer")
    if wanted:
        return list(dict.fromkeys(wanted))
    found = [
        name
        for name in first.files.scores
        if name in second.files.scores and name not in BASELINES and not is_on_adapter(name)
    ]
    if not found:
        raise ConfigError(
            f"{first.folder} and {second.folder} have no scorer in common",
            hint=f"{first.folder} has {_listed(first.files.scorers)}; "
            f"{second.folder} has {_listed(second.files.scorers)}",
        )
    return found


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (", …" if len(names) > 6 else "") if names else "none"
