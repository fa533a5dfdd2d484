"""`llmood init`: from your own files to a task, a benchmark and a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from llmood.cli import options
from llmood.cli.errors import reader_may_leave
from llmood.cli.terminal import print_json, print_table, say
from llmood.records import Split

if TYPE_CHECKING:
    from llmood.cli.asking import Asking

NAME = "init"
EPILOG = """Examples:

  llmood init questions.jsonl --ood near:others.jsonl --ood far:gsm8k --base models/mine

  llmood init 'data/{split}.csv' --text-column body --reference-column none -o mine --yes

On a terminal it asks for what no option says; elsewhere, and with --yes, it guesses, and prints what it guessed.
"""
PROMPT_CHARACTERS = 2000
DATA, ROWS, MODEL = "Your files", "What their columns are", "Models"


def _column(what: str) -> Any:
    return typer.Option(metavar="NAME", help=what, rich_help_panel=ROWS)


def _split(name: str) -> Any:
    return typer.Option(metavar="FILE", help=f"The file of the split '{name}'.", rich_help_panel=DATA)


def command(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="JSONL, CSV or Parquet: one file, a name with {split} in it, or a folder with a file a split."
        ),
    ] = None,
    ood: Annotated[
        list[str] | None,
        typer.Option(
            "--ood",
            metavar="[SHIFT:]FILE|TASK",
            help="OOD questions, 'near:', 'far:' or 'covariate:' before a file or a task. May be repeated.",
            rich_help_panel=DATA,
        ),
    ] = None,
    train: Annotated[Path | None, _split("train")] = None,
    validation: Annotated[Path | None, _split("validation")] = None,
    test: Annotated[Path | None, _split("test")] = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            "--prompt",
            metavar="TEMPLATE",
            help="What the model reads: 'Q: {{ question }}\\nA:', where \\n is a new line.",
            rich_help_panel=ROWS,
        ),
    ] = None,
    text_column: Annotated[str | None, _column("The column that the model reads, as it stands.")] = None,
    reference_column: Annotated[str | None, _column("Of the accepted answers; none: there are none.")] = None,
    label_column: Annotated[str | None, _column("Of what kind a question is, or none.")] = None,
    group_column: Annotated[
        str | None, _column("Of what rows belong to (a document, a person), or none.")
    ] = None,
    base: Annotated[
        str | None, typer.Option("--base", help="The base model: hub name or folder.", rich_help_panel=MODEL)
    ] = None,
    adapter: Annotated[
        str | None,
        typer.Option(
            "--adapter",
            help="An adapter that is there; else `llmood finetune` makes one.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    adapters: Annotated[
        int | None,
        typer.Option("--adapters", min=1, help="Tune so many, a seed each.", rich_help_panel=MODEL),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option("--profile", metavar="small|default", help="How to tune.", rich_help_panel=MODEL),
    ] = None,
    scorers: Annotated[
        str | None,
        typer.Option("--scorers", metavar="A,B", help="Scorers to run.", rich_help_panel=options.INPUT),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--name", help="Of task and benchmark, by default the file's.", rich_help_panel=options.INPUT
        ),
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir",
            "-o",
            help="The folder to write, by default the name's.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace files that are there.", rich_help_panel=options.OUTPUT),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: take the guesses.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Write a task, a benchmark and a configuration for your own data and model."""
    from llmood.cli.asking import Asking, on_terminal
    from llmood.cli.init_data import Given
    from llmood.cli.initialising import decide
    from llmood.scaffold import write

    files: dict[Split, Path | None] = {"train": train, "validation": validation, "test": test}
    columns = {"references": reference_column, "label": label_column, "group": group_column}
    given = Given(
        file=file,
        splits={split: path for split, path in files.items() if path is not None},
        ood=tuple(ood or ()),
        prompt=prompt,
        text_column=text_column,
        columns={key: column for key, column in columns.items() if column is not None},
        base=base,
        adapter=adapter,
        adapters=adapters,
        profile=_profile(profile),
        scorers=tuple(part.strip() for part in scorers.split(",")) if scorers is not None else None,
        name=name,
        folder=output_dir,
        force=force,
    )
    asking = Asking(silent=yes or as_json or not on_terminal())
    draft, prompt = decide(given, asking)
    written = write(draft, force=force)
    config = written[-1]
    commands = [f"llmood {verb} {_shell(config)}" for verb in ("validate", "finetune", "run")]
    if not draft.seeds:
        del commands[1]
    with reader_may_leave():
        if as_json:
            print_json(
                {
                    "folder": str(draft.folder),
                    "files": [str(path) for path in written],
                    "decisions": [
                        dict(zip(("what", "value", "why"), row, strict=True)) for row in asking.decisions
                    ],
                    "notes": asking.notes,
                    "prompt": prompt,
                    "commands": commands,
                }
            )
        else:
            _print(asking, prompt, written, commands)


def _print(asking: Asking, prompt: str | None, files: list[Path], commands: list[str]) -> None:
    print_table(["what", "taken", "from"], asking.decisions)
    say()
    for note in asking.notes:
        say(f"note: {note}")
    if prompt is not None:
        cut = prompt if len(prompt) <= PROMPT_CHARACTERS else f"{prompt[:PROMPT_CHARACTERS]} …"
        say(f"--- the first prompt\n{cut}\n---")
    say(f"written: {', '.join(map(str, files))}")
    say("next:")
    for each in commands:
        say(f"  {each}")


def _shell(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))


def _profile(value: str | None) -> Literal["default", "small"] | None:
    from llmood.errors import ConfigError
    from llmood.registry import suggest

    known: dict[Any, Literal["default", "small"]] = {"default": "default", "small": "small"}
    if value is None:
        return None
    if value not in known:
        raise ConfigError(f"--profile: no profile '{value}'", hint=suggest(value, known))
    return known[value]
