"""Options of what reads a detector: where its models are, and what runs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from llmood.cli import options
from llmood.errors import ConfigError

ModelPath = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="ROLE=FOLDER",
        help="Where a model is, if it isn't where it was; it must be the same. May be repeated.",
        rich_help_panel=options.INPUT,
    ),
]
EngineKind = Annotated[
    str | None,
    typer.Option("--engine", help="Another engine than it was fitted on.", rich_help_panel=options.INPUT),
]


def model_paths(given: Sequence[str] | None) -> dict[str, str]:
    """Folders by role.

    Raises:
        ConfigError: one is not ROLE=FOLDER.
    """
    found = {}
    for each in given or ():
        role, equals, path = each.partition("=")
        if not equals or not role or not path:
            raise ConfigError(f"--model {each!r}: is not ROLE=FOLDER", hint="--model base=models/base")
        found[role] = path
    return found
