"""Where things are: built-in tasks and configs, the user's data and models, the store."""

from __future__ import annotations

import os
from pathlib import Path


def _from_environment(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value).expanduser() if value else None


def data_root() -> Path | None:
    """`LLMOOD_DATA`: a folder of local data sets, one folder each; None where it is not set."""
    return _from_environment("LLMOOD_DATA")


def models_root() -> Path | None:
    """`LLMOOD_MODELS`: a folder of local models, one folder each; None where it is not set."""
    return _from_environment("LLMOOD_MODELS")


def cache_root() -> Path:
    """`LLMOOD_CACHE`: the one observation store of all runs (default `~/.cache/llmood`)."""
    return _from_environment("LLMOOD_CACHE") or Path("~/.cache/llmood").expanduser()


def builtin_root() -> Path:
    """The folder that holds the built-in `tasks/` and `configs/`: in a wheel, or beside the package in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "_builtin"
    return installed if installed.is_dir() else package.parent


def find_model_folder(name: str, *, relative_to: Path | None = None) -> Path | None:
    """The local folder that a model's name means, or None where it must be a hub name.

    Tried in order: the path as it is (from the working directory), from the configuration's own folder, and
    under `LLMOOD_MODELS`.
    """
    given = Path(name).expanduser()
    candidates = [given]
    if not given.is_absolute():
        candidates += [root / given for root in (relative_to, models_root()) if root is not None]
    return next((path.resolve() for path in candidates if path.is_dir()), None)
