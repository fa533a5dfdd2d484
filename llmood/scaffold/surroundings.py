"""What can be known of a base model and of this machine's data without loading anything."""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path
from typing import Literal

from llmood.config import FullModel
from llmood.engines.folders import is_folder_name, resolve_model, sees
from llmood.errors import ConfigError
from llmood.paths import data_root, find_model_folder
from llmood.tasks import FileSource, list_tasks

SMALL = 100_000_000  # parameters: below, the profile `small` is proposed
FAR = ("gsm8k", "rt_polarity")  # built-in sets that are far from most things, and from one another


def profile_of(base: str) -> Literal["default", "small"] | None:
    """The tuning profile that suits a base's size; None where its files aren't here to tell."""
    folder = find_model_folder(base)
    if folder is None:
        return None
    try:
        found = resolve_model(FullModel(model=str(folder)), place="--base", relative_to=None)
        sizes = [math.prod(shape) for shape in found.shapes().values()]
    except ConfigError:
        return None  # `validate` says what is wrong with it
    return "small" if 0 < sum(sizes) < SMALL else "default"


def check_base(base: str) -> str | None:
    """What the user should know of a base that isn't here, or None."""
    if find_model_folder(base) is not None:
        return None
    if is_folder_name(base):
        return f"no folder '{base}' yet: it is written as given"
    return f"'{base}' is no folder here: taken for a name on the hub"


def check_sight(base: str) -> str | None:
    """What whoever has pictures should know of a base that is here and sees none, or None."""
    folder = find_model_folder(base)
    if folder is None or sees(folder):
        return None
    return f"'{base}' lacks a vision_config or a processor, and sees no pictures: name one that sees (--base)"


def has_chat_template(base: str) -> bool | None:
    """Whether a base's tokenizer files hold a chat template; None where they aren't here."""
    folder = find_model_folder(base)
    if folder is None:
        return None
    if any((folder / name).is_file() for name in ("chat_template.jinja", "chat_template.json")):
        return True
    path = folder / "tokenizer_config.json"
    return path.is_file() and '"chat_template"' in path.read_text(encoding="utf-8", errors="replace")


def far_sets_here(*, but: Collection[Path] = ()) -> list[str]:
    """Built-in tasks whose test files are in `LLMOOD_DATA`, to serve as far sets.

    Args:
        but: files that are the user's own ID data: a set made of them is left out.
    """
    root = data_root()
    if root is None:
        return []
    own = {path.resolve().parent for path in but}
    specs = {spec.name: spec for spec in list_tasks()}
    found = []
    for name in FAR:
        files = [
            root / source.paths["test"]
            for source in (specs[name].sources if name in specs else ())
            if isinstance(source, FileSource) and "test" in source.paths
        ]
        if any(path.is_file() and path.resolve().parent not in own for path in files):
            found.append(name)
    return found
