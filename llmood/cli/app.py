"""The commands, put together."""

from __future__ import annotations

import sys
from io import TextIOWrapper

import typer

from llmood.cli import (
    cache,
    compare,
    demo,
    doctor,
    finetune,
    fit,
    import_,
    init,
    ls,
    merge,
    report,
    rescore,
    run,
    score,
    serve,
    validate,
)
from llmood.cli.errors import handled

app = typer.Typer(
    name="llmood",
    help="Tells when a fine-tuned language model has left the domain it knows, and how far to trust it there.",
    epilog="Start with `llmood demo`; then `llmood ls benchmarks`, and a configuration of your own.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("llmood"))
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", help="Print the version.", callback=_version, is_eager=True
    ),
) -> None:
    pass


for module in (
    demo,
    run,
    merge,
    rescore,
    report,
    compare,
    import_,
    finetune,
    fit,
    score,
    serve,
    init,
    validate,
    doctor,
):
    app.command(module.NAME, epilog=module.EPILOG)(handled(module.command))
app.add_typer(ls.app, name="ls")
app.add_typer(cache.app, name="cache")


def main() -> None:
    """The entry point of the `llmood` command."""
    if isinstance(sys.stdout, TextIOWrapper):
        # A locale without a character that a prompt holds is no reason to fail.
        sys.stdout.reconfigure(errors="backslashreplace")
    app()
