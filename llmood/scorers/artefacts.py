"""Fitted scorers as folders: `scorer.json`, and its arrays beside it in `state.safetensors`.

A folder says what its scorer was fitted on and with which models, and is refused where that or its own content is not
what it was. Nothing outside of it is read, and no code that it names is run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from llmood.engines.observations import Observations
from llmood.errors import ConfigError, NotFittedError, StoreError
from llmood.identity import digest, digest_bytes
from llmood.records import CaptureSpec
from llmood.scorers.artefact_packing import AGAIN, pack, state_of, unpack
from llmood.scorers.artefact_values import Arrays, UnsavableError
from llmood.scorers.base import Scorer
from llmood.scorers.on_adapter import OnAdapter
from llmood.tables import atomic, write_text

FORMAT = 1
RECORD, ARRAYS = "scorer.json", "state.safetensors"
KEYS = frozenset("name scorer captures fit_captures models samples seed arrays llmood".split())
LARGEST = {RECORD: 1 << 28, ARRAYS: 1 << 33}  # bytes
FIT_AGAIN = "fit it anew: 'llmood run' with these models and settings"


@dataclass(frozen=True, slots=True)
class Origin:
    """What a scorer was fitted with.

    Attributes:
        models: role → identity, of the models behind the captures that it reads or learned from.
        samples: how many rows it was fitted on and chosen by, and a digest of them: {"rows", "digest"}.
        seed: the run's.
    """

    models: Mapping[str, Any]
    samples: Mapping[str, Any]
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Fitted:
    """A scorer as it was loaded, and where it comes from."""

    name: str
    scorer: Scorer
    origin: Origin
    llmood: str

    def check(self, models: Mapping[str, Any], observations: Observations) -> None:
        """Refuse observations of other models, or of other layers, than those that it learned from.

        Args:
            models: role → identity, of the models that made the observations.

        Raises:
            ConfigError: they are others.
        """
        for role in roles_of(self.scorer.needs):
            if role in (models.keys() | self.origin.models.keys()) and (
                models.get(role) != self.origin.models.get(role)
            ):
                raise ConfigError(f"{self.name}: was fitted with another model as '{role}'", hint=FIT_AGAIN)
        for spec in self.scorer.needs:
            if not observations.has(spec):
                kind = spec.id.partition("?")[0]
                like = [name for name in observations.captures if name.partition("?")[0] == kind]
                there = f"there is only {', '.join(like)}" if like else "there is none"
                raise ConfigError(f"{self.name}: reads {spec.id}, and {there}", hint=FIT_AGAIN)


def roles_of(needs: Iterable[CaptureSpec]) -> list[str]:
    """The roles of the models behind captures: that run, that gave the answers, that compared these."""
    needs = list(needs)
    compares = {"nli": "nli", "embedding": "encoder", "judge": "judge"}
    found = {spec.model for spec in needs}
    found |= {str(dict(spec.params).get("responder", "tuned")) for spec in needs if spec.needs_response}
    rules = {str(dict(spec.params).get("rule")) for spec in needs if spec.kind == "equivalence"}
    return sorted(found | {compares[rule] for rule in rules if rule in compares})


def save_scorer(scorer: Scorer, folder: str | Path, origin: Origin, *, name: str | None = None) -> None:
    """Write a fitted scorer into a folder. The same scorer gives the same bytes.

    Args:
        name: what it is called, by default its id.

    Raises:
        NotFittedError: it learned nothing yet.
        UnsavableError: it isn't registered, or has learned what no artefact can hold.
        StoreError: it can't be written, or is too large.
    """
    arrays: Arrays = {}
    packed = pack(scorer, arrays)
    if not state_of(scorer.scorer if isinstance(scorer, OnAdapter) else scorer):
        raise NotFittedError(f"{packed['id']}: was not fitted, there is nothing to save")
    try:
        content = save(arrays) if arrays else b""
    except SafetensorError as error:  # more of them than the format has room for
        raise UnsavableError(f"no artefact can hold what it learned: {error}") from None
    record = {
        "format": FORMAT,
        "llmood": version("llmood"),
        "name": name or packed["id"],
        "scorer": packed,
        "fitted_on": scorer.fitted_on,
        "chosen_on": scorer.chosen_on,
        "captures": [spec.id for spec in scorer.needs],
        "fit_captures": [spec.id for spec in scorer.fit_needs],
        "models": dict(origin.models),
        "samples": dict(origin.samples),
        "seed": origin.seed,
        "arrays": digest_bytes(content) if arrays else None,
    }
    text = json.dumps(record | {"digest": digest(record)}, allow_nan=False) + "\n"
    target = Path(folder)
    for file, size in {RECORD: len(text), ARRAYS: len(content)}.items():
        if size > LARGEST[file]:
            raise StoreError(f"{target / file}: would have {size} bytes, more than {LARGEST[file]}")
    if arrays:
        with atomic(target / ARRAYS) as partial:
            partial.write_bytes(content)
    else:
        (target / ARRAYS).unlink(missing_ok=True)
    write_text(target / RECORD, text)


def load_scorer(folder: str | Path) -> Fitted:
    """Read a fitted scorer.

    Raises:
        ConfigError: the folder holds none, or one that this llmood doesn't know.
        StoreError: it is damaged, or of a newer format.
    """
    path = Path(folder) / RECORD
    record = _record(path)
    arrays = _arrays(Path(folder) / ARRAYS, record["arrays"])
    try:
        scorer = unpack(record["scorer"], arrays, str(path))
        captures = [[spec.id for spec in needs] for needs in (scorer.needs, scorer.fit_needs)]
        origin = Origin(record["models"], record["samples"], record["seed"])
        found = Fitted(str(record["name"]), scorer, origin, str(record["llmood"]))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise _damaged(path, f"it holds {error}") from None
    if captures != [record["captures"], record["fit_captures"]]:
        raise StoreError(f"{path}: reads other captures in this llmood than it learned from", hint=AGAIN)
    return found


def _record(path: Path) -> dict[str, Any]:
    content = _read(path)
    if content is None:
        raise ConfigError(f"{path.parent}: holds no fitted scorer (it has no {RECORD})")
    try:
        record = json.loads(content)
    except (ValueError, RecursionError):
        raise _damaged(path, "it is not JSON") from None
    if not isinstance(record, dict) or not isinstance(record.get("format"), int):
        raise _damaged(path, "it has no format")
    if record["format"] != FORMAT:
        hint = "update llmood" if record["format"] > FORMAT else AGAIN
        raise StoreError(f"{path}: format {record['format']}, this llmood reads {FORMAT}", hint=hint)
    said = record.pop("digest", None)
    try:
        whole = digest(record) == said
    except (ValueError, RecursionError):
        whole = False
    if not whole:
        raise _damaged(path, "its content is not what its digest says")
    lacking = sorted(KEYS - record.keys())
    if lacking:
        raise _damaged(path, f"it lacks {lacking[0]}")
    return record


def _arrays(path: Path, expected: str | None) -> Mapping[str, NDArray[Any]]:
    if expected is None:
        return {}
    content = _read(path)
    if content is None:
        raise _damaged(path, "it is missing")
    if digest_bytes(content) != expected:
        raise _damaged(path, f"its content is not what {RECORD} says")
    try:
        return {name: values.copy() for name, values in load(content).items()}  # aligned
    except SafetensorError as error:
        raise _damaged(path, str(error)) from None


def _read(path: Path) -> bytes | None:
    return read_own_file(path, LARGEST[path.name], hint=AGAIN)


def read_own_file(path: Path, largest: int, *, hint: str) -> bytes | None:
    """A file's content; None where there is none. A link is not followed: it may lead out of the folder.

    Raises:
        StoreError: it is a link, larger than so many bytes, or can't be read.
    """
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise StoreError(
                f"{path}: is no file of its own, and nothing outside its folder is read", hint=hint
            )
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as stream:
            if os.fstat(stream.fileno()).st_size > largest:
                raise StoreError(f"{path}: is larger than {largest} bytes", hint=hint)
            return stream.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path}: can't be read: {error.strerror}", hint=hint) from None


def _damaged(path: Path, why: str) -> StoreError:
    return StoreError(f"{path}: is damaged: {why}", hint=AGAIN)
