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
from typing import Any, ClassVar, Literal

from llmood.config import RunConfig
from llmood.config_file import recorded_config
from llmood.errors import ConfigError
from llmood.identity import canonical_json
from llmood.manifest import RUN, SHARD, SHARDS, VERSION, read_manifest
from llmood.sameness import BESIDE, content_of, differing, short
from llmood.tables import write_json

RunStatus = Literal["running", "complete", "partial", "failed", "interrupted"]

PACKAGES = ("llmood", "torch", "transformers", "peft", "numpy", "pyarrow", "datasets", "scikit-learn")


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

    manifest_name: ClassVar[str] = RUN

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
        return read_manifest(self.path, self.manifest_name)

    @property
    def begun(self) -> bool:
        """Whether it holds a run, however far that got."""
        return self.file(self.manifest_name).exists()

    def shards(self) -> list[ShardFolder]:
        """The shards of this run that were begun, in no order that means anything."""
        return [ShardFolder(path.parent) for path in sorted((self.path / SHARDS).glob(f"*/{SHARD}"))]

    def shard(self, index: int, count: int) -> ShardFolder:
        """Where one of `count` shards of this run goes.

        Raises:
            ConfigError: the run is cut into another number of shards already.
        """
        for other in self.shards()[:1]:  # each was held against one before it
            made = other.manifest["shard"]["count"]
            if made != count:
                raise ConfigError(
                    f"{self.path}: holds a run in {made} shards, not in {count}",
                    hint=f"--shard …/{made} as before, or choose another folder with -o",
                )
        return ShardFolder(self.path / SHARDS / f"{index}-of-{count}")

    def claim(self, config: RunConfig) -> None:
        """Make sure that this folder may hold a run of this configuration.

        Raises:
            ConfigError: it holds another configuration's run, or files that are no run's.
        """
        for shard in self.shards()[:1]:  # each was held against one before it, and the merge looks at all
            shard.claim(config)
        if self.begun:
            # Compared as configurations: a key that is new since then has its default in both.
            made = recorded_config(self.manifest["config"], place=f"{self.path}/{self.manifest_name}: config")
            found = differing(made.model_dump(exclude=BESIDE), config.model_dump(exclude=BESIDE))
            if found:
                said = "; ".join(f"{key} was {short(old)}, now {short(new)}" for key, old, new in found)
                raise ConfigError(
                    f"{self.path}: holds the run of another configuration: {said}",
                    hint="choose another folder with -o",
                )
        elif self.path.is_dir() and any(
            not entry.name.startswith(".") and entry.name != SHARDS for entry in self.path.iterdir()
        ):
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
        made = self.manifest if self.begun else {}
        if made.get("status") == "complete" and content_of(made) != content_of(described):
            raise ConfigError(
                f"{self.path}: holds a complete run of the same configuration with other weights or data",
                hint="choose another folder with -o",
            )

    def begin(self, config: RunConfig, name: str, command: Sequence[str] | None, **entries: Any) -> None:
        """Note in `run.json` what runs now. A run that goes on keeps the time at which it first started."""
        made = provenance(command)
        if self.begun:
            made |= {"started": self.manifest.get("started", made["started"]), "resumed": made["started"]}
        self.write_manifest(
            "running",
            name=name,
            seed=config.seed,
            config=config.model_dump(mode="json"),
            **made,
            error=None,
            rescored=None,
            **entries,
        )

    @contextmanager
    def ending(self, *, text: bool) -> Iterator[None]:
        """Note in `run.json` how the block broke off, where it does.

        Args:
            text: whether an error's message may be kept: it may quote a prompt.
        """
        try:
            yield
        except KeyboardInterrupt:
            self.write_manifest("interrupted")
            raise
        except BaseException as error:
            self.write_manifest("failed", error=type(error).__name__ + (f": {error}" if text else ""))
            raise

    def write_manifest(self, status: RunStatus, **entries: Any) -> None:
        """Write `run.json`; entries that are not named stay as they are."""
        known = self.manifest if self.begun else {}
        write_json(
            self.file(self.manifest_name), {**known, "schema_version": VERSION, "status": status, **entries}
        )

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
            except OSError as error:  # a file system of many machines may have no locks
                raise ConfigError(
                    f"{self.path}: can't be locked: {error.strerror}",
                    hint="choose a folder on another file system with -o",
                ) from None
            yield


class ShardFolder(RunFolder):
    """The folder of one shard of a run. Its manifest has a name of its own: no verb takes it for a run."""

    manifest_name = SHARD


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
