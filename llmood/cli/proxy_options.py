"""Options of `llmood serve` for a guard in front of a model."""

from __future__ import annotations

from typing import Annotated

import typer

from llmood.serve.settings import OnFailure, OnFlag

GUARD = "In front of a model"

UpstreamUrl = Annotated[
    str | None,
    typer.Option(
        "--upstream",
        metavar="URL",
        help="A server of OpenAI's protocol; clients use the guard's address in place of its.",
        rich_help_panel=GUARD,
    ),
]
PolicyKind = Annotated[
    OnFlag | None,
    typer.Option(
        "--policy",
        help="What becomes of what is flagged: it passes, marked (the default), or the message is answered.",
        rich_help_panel=GUARD,
    ),
]
FailureKind = Annotated[
    OnFailure | None,
    typer.Option(
        "--on-failure",
        help="What becomes of what could not be scored: it passes, marked (open; the default), or not (closed).",
        rich_help_panel=GUARD,
    ),
]
RefusalMessage = Annotated[
    str | None,
    typer.Option("--message", help="What a refused question is answered with.", rich_help_panel=GUARD),
]
UpstreamKeyEnv = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The environment variable with the upstream's key; else it is shown what the client shows.",
        rich_help_panel=GUARD,
    ),
]
UpstreamTimeout = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        help="Seconds until the upstream begins to answer, and between two pieces of its answer (600).",
        rich_help_panel=GUARD,
    ),
]
