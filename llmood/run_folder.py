"""The run folder: which files it holds, whose it is, and how far it got."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePath
from typing import Any, Literal

from llmood.config import RunConfig
from llmood.errors import ConfigError
from llmood.identity import canonical_json
from llmood.manifest import VERSION, read_manifest
from llmood.strict import parse
from llmood.tables import write_json

RunStatus = Literal["running", "complete", "partial", "failed", "interrupted"]

PACKAGES = ("llmood", "torch", "transformers", "peft", "numpy", "pyarrow", "datasets", "scikit-learn")

BESIDE = {"finetune"}  # sections that say how a model is made: its weights decide, whatever made them


def config_hash(config: RunConfig) -> str:
    """8 hex digits of all in the resolved configuration that decides a run's numbers."""
    deciding = config.model_dump(mode="json", exclude=BESIDE)
    return hashlib.sha256(canonical_json(deciding).encode()).hexdigest()[:8]


def default_folder(config: RunConfig, name: str) -> Path:
    """Where a run goes that names no folder."""
    # A configuration given as a mapping bears its benchmark's name, which may be a path.
    stem = PurePath(name).name.removesuffix(".yaml").removesuffix(".yml")
    return Path("runs") / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', stem)}-{config_hash(config)}"


class RunFolder:
    """One run's folder on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, name: str) -> Path:
        return self.path / name

    @property
    def manifest(self) -> dict[str, Any]:
        """`run.json`.

        Raises:
            ConfigError: the folder is no run.
        """
        return read_manifest(self.path)

    def claim(self, config: RunConfig) -> None:
        """Make sure that this folder may hold a run of this configuration.

        Raises:
            ConfigError: it holds another configuration's run, or files that are no run's.
        """
        if self.file("run.json").exists():
            # Compared as configurations: a key that is new since then has its default in both.
            made = parse(RunConfig, self.manifest["config"], place=f"{self.path}/run.json: config")
            differing = _differing(made.model_dump(exclude=BESIDE), config.model_dump(exclude=BESIDE))
            if differing:
                raise ConfigError(
                    f"{self.path}: holds the run of another configuration: {'; '.join(differing)}",
                    hint="choose another folder with -o",
                )
        elif self.path.is_dir() and any(not entry.name.startswith(".") for entry in self.path.iterdir()):
            raise ConfigError(
                f"{self.path}: is not empty and holds no run", hint="choose another folder with -o"
            )
        elif self.path.exists() and not self.path.is_dir():
            raise ConfigError(f"{self.path}: is a file, not a folder")

    def claim_content(self, described: Mapping[str, Any]) -> None:
        """Make sure that a complete run isn't replaced by one of the same words and other content.

        Two folders may hold a configuration of the same text beside other models; a model may be trained anew in
        place.

        Args:
            described: `Plan.describe()`.

        Raises:
            ConfigError: the complete run here was made of other weights or other data.
        """
        made = self.manifest if self.file("run.json").exists() else {}
        if made.get("status") == "complete" and _content(made) != _content(described):
            raise ConfigError(
                f"{self.path}: holds a complete run of the same configuration with other weights or data",
                hint="choose another folder with -o",
            )

    def begin(self, config: RunConfig, name: str, command: Sequence[str] | None) -> None:
        """Note in `run.json` what runs now. A run that goes on keeps the time at which it first started."""
        made = provenance(command)
        if self.file("run.json").exists():
            made |= {"started": self.manifest.get("started", made["started"]), "resumed": made["started"]}
        self.write_manifest(
            "running",
            name=name,
            seed=config.seed,
            config=config.model_dump(mode="json"),
            **made,
            error=None,
            rescored=None,
        )

    def write_manifest(self, status: RunStatus, **entries: Any) -> None:
        """Write `run.json`; entries that are not named stay as they are."""
        known = self.manifest if self.file("run.json").exists() else {}
        write_json(self.file("run.json"), {**known, "schema_version": VERSION, "status": status, **entries})

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second process out while one writes. The system lets go of the lock when a process dies.

        Raises:
            ConfigError: another run is writing here, or the folder can't be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            stream = self.file(".lock").open("w")
        except OSError as error:
            raise ConfigError(f"{self.path}: can't be written: {error.strerror}") from None
        with stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigError(
                    f"{self.path}: another run is writing here", hint="wait for it to end"
                ) from None
            yield


def _differing(made: Mapping[str, Any], asked: Mapping[str, Any], under: str = "") -> list[str]:
    """The keys of two configurations that differ, with both values."""
    found: list[str] = []
    for key in asked:
        old, new = made.get(key), asked[key]
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += _differing(old, new, f"{under}{key}.")
        elif old != new:
            found.append(f"{under}{key} was {_short(old)}, now {_short(new)}")
    return found


def _short(value: Any) -> str:
    text = canonical_json(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _content(manifest: Mapping[str, Any]) -> str:
    """What a run was made of: weights and data by digest, whatever their names."""
    models = {
        role: [model["identity"].get(key) for key in ("weights", "adapter", "model")]
        for role, model in manifest.get("models", {}).items()
    }
    return canonical_json([models, [task["source"] for task in manifest.get("tasks", [])]])


def provenance(command: Sequence[str] | None) -> dict[str, Any]:
    """What made a run: command, time, versions, hardware."""
    return {
        "command": list(command) if command else None,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), **_versions()},
        "hardware": _hardware(),
    }


def _versions() -> Mapping[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _hardware() -> dict[str, Any]:
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "accelerators": _accelerators(),
    }


def _accelerators() -> list[str]:
    torch = sys.modules.get("torch")  # not imported for this alone
    if torch is None or not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
