"""An adapter's folder: whose it is, how far its training got, and the adapter once it is whole.

Until then all stands in a folder `.tuning` within it, so that no half-made adapter can be taken for one.
"""

from __future__ import annotations

import errno
import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save

from llmood.engines.folders import ADAPTER_WEIGHTS
from llmood.errors import SHORTER, ConfigError, StoreError
from llmood.identity import digest_bytes
from llmood.tables import atomic, write_json, write_text
from llmood.training.weights import DIGEST, check_weights

WORK = ".tuning"
RECORD = "training.json"
DIGESTS = ("base", "processor", "train", "validation")
ANOTHER = "choose another folder with -o, or remove it"
ADAPTER_CONFIG = "adapter_config.json"  # written last: a folder without it is no adapter

Tensors = Mapping[str, NDArray[Any]]
Identity = Mapping[str, Any]


class AdapterFolder:
    """Where one adapter is made.

    Args:
        path: the adapter's folder.
        identity: all that decides the adapter, as JSON. Another one in the same folder is refused.
        versions: of the packages that compute it: an unfinished training goes on only with the same ones.
    """

    def __init__(self, path: Path, identity: Identity, versions: Mapping[str, str]) -> None:
        self.path = path
        self.work = path / WORK
        self._identity = dict(identity)
        self._versions = dict(versions)

    @property
    def record(self) -> dict[str, Any] | None:
        """What `training.json` says of the finished adapter; None where there is none yet.

        Raises:
            ConfigError: the folder holds something else, or the adapter is damaged.
        """
        if not (self.path / ADAPTER_CONFIG).is_file():
            return None
        record = _read_json(self.path / RECORD) if (self.path / RECORD).is_file() else {}
        if not isinstance(record.get("identity"), dict):
            raise ConfigError(f"{self.path}: holds an adapter that llmood didn't make", hint=ANOTHER)
        _refuse_finished(self.path, record["identity"], self._identity)
        check_weights(self.path, record)
        return record

    def claim(self) -> None:
        """Make sure that nothing else is in the folder; nothing is written.

        Raises:
            ConfigError: it holds another adapter, another's beginnings, or something else.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ConfigError(f"{self.path}: is a file, not a folder")
        if self.record is not None:
            return
        if (self.work / "identity.json").is_file():
            mine = self._identity | {"versions": self._versions}
            _refuse_begun(self.path, _read_json(self.work / "identity.json"), mine)
        elif self.path.is_dir() and any(entry.name != WORK for entry in self.path.iterdir()):
            raise ConfigError(
                f"{self.path}: is not empty and holds no adapter", hint="choose another folder with -o"
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second process out while one trains here.

        Raises:
            ConfigError: another one does, or the folder can't be made.
        """
        try:
            self.work.mkdir(parents=True, exist_ok=True)
            stream = (self.work / "lock").open("w")
        except OSError as error:
            hint = SHORTER if error.errno == errno.ENAMETOOLONG else None
            raise ConfigError(f"{self.path}: can't be written: {error.strerror}", hint=hint) from None
        with stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigError(
                    f"{self.path}: another 'llmood finetune' is writing here", hint="wait for it to end"
                ) from None
            try:
                self.claim()  # again: another one may have ended here since
                yield
            finally:
                if not (self.work / "identity.json").is_file():
                    self.clear()  # nothing was begun

    def begin(self) -> None:
        """Note whose beginnings these are."""
        write_json(self.work / "identity.json", self._identity | {"versions": self._versions})

    def read_state(self) -> tuple[dict[str, Any], Tensors] | None:
        """What the last checkpoint holds: how far it got, and the tensors."""
        path = self.work / "state.safetensors"
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="numpy") as file:
                progress = json.loads((file.metadata() or {})["progress"])
            return progress, load_file(path)
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise StoreError(
                f"{path}: can't be read: {error}", hint=f"remove {self.work} to begin again"
            ) from error

    def write_state(self, progress: Mapping[str, Any], tensors: Tensors) -> None:
        """Replace the checkpoint: one file, so that numbers and tensors are always of the same step."""
        text = json.dumps(progress, allow_nan=False)
        self._write(self.work / "state.safetensors", tensors, {"progress": text})

    def write_best(self, epoch: int, tensors: Tensors) -> None:
        """Keep an epoch's adapter; the one before stays until a checkpoint names this one."""
        self._write(self._best(epoch), tensors, {"format": "pt"})

    def drop_others(self, epoch: int) -> None:
        """Remove the adapters of other epochs than the best."""
        for path in self.work.glob("best-*.safetensors"):
            if path != self._best(epoch):
                path.unlink()

    def finish(self, epoch: int, config: Mapping[str, Any], record: Mapping[str, Any], card: str) -> None:
        """Put the best epoch's adapter, its record and its card in place, and remove what the training needed."""
        weights = self._best(epoch).read_bytes()
        with atomic(self.path / ADAPTER_WEIGHTS) as partial:
            partial.write_bytes(weights)
        write_json(self.path / RECORD, {**record, DIGEST: digest_bytes(weights), "identity": self._identity})
        write_text(self.path / "README.md", card)
        write_json(self.path / ADAPTER_CONFIG, config)
        self.clear()

    def clear(self) -> None:
        """Remove all that the training needed, and the folder itself where it holds nothing else."""
        shutil.rmtree(self.work, ignore_errors=True)
        if self.path.is_dir() and not any(self.path.iterdir()):
            self.path.rmdir()

    def _best(self, epoch: int) -> Path:
        return self.work / f"best-{epoch}.safetensors"

    @staticmethod
    def _write(path: Path, tensors: Tensors, metadata: dict[str, str]) -> None:
        content = save(
            dict(tensors), metadata
        )  # to memory first: safetensors' own writing hides a full disk's error
        with atomic(path) as partial:
            partial.write_bytes(content)


def refuse_other(path: Path, known: Identity) -> None:
    """Refuse a folder whose adapter, finished or begun, is another one by what is known before any data is read.

    Args:
        known: a part of the identity; of what it doesn't name nothing is said.

    Raises:
        ConfigError: the adapter differs in some of it.
    """
    if (path / ADAPTER_CONFIG).is_file() and (path / RECORD).is_file():
        made = _read_json(path / RECORD).get("identity")
        if isinstance(made, dict):
            _refuse_finished(path, _part(made, known), known)
    elif (path / WORK / "identity.json").is_file():
        _refuse_begun(path, _part(_read_json(path / WORK / "identity.json"), known), known)


def _refuse_finished(path: Path, made: Identity, wanted: Identity) -> None:
    different = _differences(made, wanted)
    if different:
        raise ConfigError(f"{path}: holds an adapter tuned with {'; '.join(different)}", hint=ANOTHER)


def _refuse_begun(path: Path, begun: Identity, wanted: Identity) -> None:
    different = _differences(begun, wanted)
    if different:
        raise ConfigError(
            f"{path}: holds an unfinished adapter with {'; '.join(different)}",
            hint=f"choose another folder with -o, or remove {path / WORK}",
        )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: can't be read: {error}", hint="choose another folder with -o") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: is not a JSON object", hint="choose another folder with -o")
    return value


def _part(made: Identity, known: Identity) -> dict[str, Any]:
    """Of an identity, what another one names too."""
    found = {}
    for key, value in known.items():
        if key in made:
            nested = isinstance(value, dict) and isinstance(made[key], dict)
            found[key] = _part(made[key], value) if nested else made[key]
    return found


def _differences(made: Identity, wanted: Identity) -> list[str]:
    """What two identities differ in, both values said; nested keys by their own name."""
    found = []
    for key in sorted(made.keys() | wanted.keys()):
        one, two = made.get(key), wanted.get(key)
        if isinstance(one, dict) and isinstance(two, dict):
            found += _differences(one, two)
        elif one != two:
            # Two digests would say nothing to anybody.
            found.append(f"another {key}" if key in DIGESTS else f"{key} {_said(one)}, now {_said(two)}")
    return found


def _said(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
