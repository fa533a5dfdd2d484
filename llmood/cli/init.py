"""`llmood init`: from your own files to a task, a benchmark and a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from llmood.cli import init_options as own
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


def command(
    file: own.File = None,
    ood: own.Ood = None,
    train: own.Train = None,
    validation: own.Validation = None,
    test: own.Test = None,
    prompt: own.Prompt = None,
    text_column: own.TextColumn = None,
    image_column: own.ImageColumn = None,
    reference_column: own.ReferenceColumn = None,
    label_column: own.LabelColumn = None,
    group_column: own.GroupColumn = None,
    base: own.Base = None,
    adapter: own.Adapter = None,
    adapters: own.Adapters = None,
    profile: own.Profile = None,
    scorers: own.Scorers = None,
    name: own.Name = None,
    output_dir: own.OutputDir = None,
    force: own.Force = False,
    yes: own.Yes = False,
    as_json: options.AsJson = False,
) -> None:
    """Write a task, a benchmark and a configuration for your own data and model."""
    from llmood.cli.asking import Asking, on_terminal
    from llmood.cli.init_data import Given
    from llmood.cli.initialising import decide
    from llmood.scaffold import write

    files: dict[Split, Path | None] = {"train": train, "validation": validation, "test": test}
    columns = {
        "images": image_column,
        "references": reference_column,
        "label": label_column,
        "group": group_column,
    }
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
    commands = [f"llmood {verb} {_shell(written[-1])}" for verb in ("validate", "finetune", "run")]
    if not draft.seeds:
        del commands[1]
    with reader_may_leave():
        if as_json:
            _print_json(asking, prompt, written, commands)
        else:
            _print(asking, prompt, written, commands)


def _print_json(asking: Asking, prompt: str | None, files: list[Path], commands: list[str]) -> None:
    decisions = [dict(zip(("what", "value", "why"), row, strict=True)) for row in asking.decisions]
    print_json(
        {
            "folder": str(files[-1].parent),
            "files": [str(path) for path in files],
            "decisions": decisions,
            "notes": asking.notes,
            "prompt": prompt,
            "commands": commands,
        }
    )


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
