"""A detector as a folder: `detector.json`, `scorers/`, `calibration.safetensors`, `card.md` and maybe `questions.json`.

Everything is under one digest: what is damaged or was changed is refused. Nothing outside of the folder is read but the
models, and no code that it names is run. The same fit gives the same bytes, wherever models and data are: `models.json`
alone, which no digest covers, says where models that are folders were.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from llmood.calibrators import Calibrator, calibrators
from llmood.config_file import recorded_config
from llmood.detector.card import card_of
from llmood.detector.content import SCORE, Content
from llmood.detector.form import Form
from llmood.detector.kept_questions import QUESTIONS, parse_questions, write_questions
from llmood.detector.kinds import Kinds
from llmood.detector.places import PLACES, places_of, with_places, without_places
from llmood.errors import ConfigError, StoreError
from llmood.halves import CALIBRATORS, THRESHOLDS
from llmood.identity import digest, digest_bytes
from llmood.measures.threshold import Threshold
from llmood.scorers.artefact_folder import SCORERS, safe_name
from llmood.scorers.artefact_packing import pack, state_of, unpack
from llmood.scorers.artefacts import ARRAYS, RECORD, Origin, load_scorer, read_own_file, save_scorer
from llmood.scorers.base import Scorer
from llmood.scorers.on_adapter import OnAdapter
from llmood.tables import write_json, write_text

FORMAT = 1
DETECTOR, CALIBRATION, CARD = "detector.json", "calibration.safetensors", "card.md"
LARGEST = {
    DETECTOR: 1 << 26,
    CALIBRATION: 1 << 30,
    CARD: 1 << 24,
    RECORD: 1 << 28,
    ARRAYS: 1 << 33,
    QUESTIONS: 1 << 30,
}  # bytes
AGAIN = "'llmood fit' makes it anew"


def write_detector(folder: Path, content: Content) -> str:
    """Write a detector, in place of the one that is there; gives its digest, as `read_detector`.

    Raises:
        ConfigError: the folder holds something else.
        StoreError: it can't be written.
    """
    check_free(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name[:40]}-", dir=folder.parent) as scratch:
            new = Path(scratch) / "new"
            written = _write(new, content.with_config(without_places(content.config)))
            if places := places_of(content.config, folder):
                write_json(new / PLACES, places)
            if folder.exists():
                folder.rename(Path(scratch) / "old")
            new.rename(folder)
    except OSError as error:
        raise StoreError(f"{folder}: can't be written: {error.strerror or error}") from error
    return written


def check_free(folder: Path) -> None:
    """Refuse to write where anything but a detector is.

    Raises:
        ConfigError: there is.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ConfigError(f"{folder}: is no folder", hint="choose another with -o")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / DETECTOR).is_file():
        raise ConfigError(f"{folder}: is not empty and holds no detector", hint="choose another with -o")


def read_detector(folder: Path) -> tuple[Content, str]:
    """Read a detector, and the digest over everything in its folder but where its models are.

    Raises:
        ConfigError: the folder holds none.
        StoreError: it is damaged, was changed, or is of another format.
    """
    path = folder / DETECTOR
    record = _record(path)
    read = {CALIBRATION: b"", QUESTIONS: b"[]"}
    for name, said in record["files"].items():
        own = folder / _inside(path, name)
        content = read_own_file(own, LARGEST[own.name], hint=AGAIN)
        if content is None:
            raise _damaged(own, "it is missing")
        if digest_bytes(content) != said:
            raise _damaged(own, f"its content is not what {DETECTOR} says")
        read |= {name: content} if name in read else {}
    try:
        return _content(folder, record, read), str(record["digest"])
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise _damaged(path, f"it holds {' '.join(str(error).split())[:200]}") from error


def _write(folder: Path, content: Content) -> str:
    folder.mkdir()
    scorers = [
        _write_scorer(folder, name, scorer, content.origins) for name, scorer in content.scorers.items()
    ]
    (folder / CALIBRATION).write_bytes(save(dict(content.calibration)))
    write_questions(folder, content.questions)
    write_text(folder / CARD, card_of(content))
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    record = {
        "format": FORMAT,
        "llmood": version("llmood"),
        "name": content.name,
        "stage": content.stage,
        "scorers": scorers,
        "thresholds": [threshold.to_json() for threshold in content.thresholds],
        "config": content.config.model_dump(mode="json"),
        "models": content.models,
        "captures": list(content.captures),
        "form": content.form.to_json(),
        "data": content.data,
        "calibrator": None if content.calibrator is None else content.calibrator.state(),
        "end": content.end,
        "files": {name: digest_bytes((folder / name).read_bytes()) for name in names},
    }
    whole = digest(record)
    write_json(folder / DETECTOR, record | {"digest": whole})
    return whole


def _write_scorer(folder: Path, name: str, scorer: Scorer, origins: Mapping[str, Origin]) -> dict[str, Any]:
    if not state_of(scorer.scorer if isinstance(scorer, OnAdapter) else scorer):
        return {"name": name, "folder": None, "packed": pack(scorer, {})}
    own = f"{SCORERS}/{safe_name(name)}"
    save_scorer(scorer, folder / own, origins[name], name=name)
    return {"name": name, "folder": own, "packed": None}


def _content(folder: Path, record: Mapping[str, Any], read: Mapping[str, bytes]) -> Content:
    scorers: dict[str, Scorer] = {}
    origins: dict[str, Origin] = {}
    for each in record["scorers"]:
        if each["folder"] is None:
            scorers[each["name"]] = unpack(each["packed"], {}, str(folder / DETECTOR))
        else:
            fitted = load_scorer(folder / _inside(folder / DETECTOR, each["folder"]))
            scorers[each["name"]], origins[each["name"]] = fitted.scorer, fitted.origin
    form = Form.from_json(record["form"])
    _ = form.columns  # what is no prompt is said here, not at the first record
    config = recorded_config(record["config"], place=f"{folder / DETECTOR}: config")
    return Content(
        record["name"],
        record["stage"],
        scorers,
        [Threshold.from_json(each) for each in record["thresholds"]],
        _arrays(folder / CALIBRATION, read[CALIBRATION], list(scorers)),
        with_places(config, folder),
        record["models"],
        record["captures"],
        form,
        record["data"],
        _calibrator(record["calibrator"]),
        record["end"],
        origins,
        parse_questions(read[QUESTIONS]),
    )


def _calibrator(state: Mapping[str, Any] | None) -> Calibrator | None:
    return None if state is None else calibrators.get(state["calibrator"]).from_state(state)


def _arrays(path: Path, content: bytes, scorers: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    try:
        found = {name: values.copy() for name, values in load(content).items()}
    except SafetensorError as error:
        raise _damaged(path, str(error)) from None
    members = [f"{name}/{CALIBRATORS}" for name in scorers] if len(scorers) > 1 else []
    for name in (f"{SCORE}/{THRESHOLDS}", *members):
        if not _sorted_scores(found.get(name)):
            raise _damaged(path, f"it has no sorted scores '{name}'")
    return found


def _sorted_scores(values: NDArray[Any] | None) -> bool:
    if values is None or values.dtype != np.float64 or values.ndim != 1 or not len(values):
        return False
    return bool((values[1:] >= values[:-1]).all()) and not np.isnan(values).any()


def _record(path: Path) -> dict[str, Any]:
    if path.parent.is_file():
        raise ConfigError(f"{path.parent}: is a file", hint="name the folder that 'llmood fit' made")
    content = read_own_file(path, LARGEST[DETECTOR], hint=AGAIN)
    if content is None:
        raise ConfigError(
            f"{path.parent}: holds no detector (it has no {DETECTOR})", hint="'llmood fit' makes one"
        )
    try:
        record = json.loads(content)
    except (ValueError, RecursionError):
        raise _damaged(path, "it is not JSON") from None
    if not isinstance(record, dict) or not isinstance(record.get("format"), int):
        raise _damaged(path, "it has no format")
    if record["format"] != FORMAT:
        hint = "update llmood" if record["format"] > FORMAT else AGAIN
        raise StoreError(f"{path}: format {record['format']}, this llmood reads {FORMAT}", hint=hint)
    try:
        whole = digest({key: value for key, value in record.items() if key != "digest"}) == record.get(
            "digest"
        )
    except (ValueError, RecursionError):
        whole = False
    if not whole:
        raise _damaged(path, "its content is not what its digest says")
    try:
        Kinds.model_validate(record)
    except ValidationError as error:
        said = error.errors()[0]
        raise _damaged(path, f"{'.'.join(map(str, said['loc']))}: {said['msg']}") from None
    return record


def _inside(path: Path, name: str) -> str:
    """The name of a file or folder of the detector, refused where it leads out or is of no kind that one holds."""
    parts = name.split("/")
    known = parts[-1] in LARGEST or len(parts) == 2
    if not known or any(part in ("", ".", "..") for part in parts) or Path(name).is_absolute():
        raise _damaged(path, f"it names a file '{name[:80]}'")
    return name


def _damaged(path: Path, why: str) -> StoreError:
    return StoreError(f"{path}: is damaged or was changed: {why}", hint=AGAIN)


__all__ = ["check_free", "read_detector", "write_detector"]
