"""`llmood validate`: is a configuration, a benchmark or a task right, before it costs anything?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from llmood.cli import options
from llmood.cli.errors import FAILED, reader_may_leave
from llmood.cli.terminal import print_json, print_table, say

NAME = "validate"
EPILOG = """Examples: llmood validate mine/config.yaml · llmood validate tasks/mine/mine.yaml

Exit 0: valid; an adapter that `llmood finetune` is still to make is listed as to do. 1: rows that can't be read. 2: a
mistake.
"""
REJECTS_SHOWN = 20


def command(
    file: Annotated[
        str,
        typer.Argument(
            help="A configuration, a benchmark or a task: a YAML file, a folder of `llmood init` or a built-in name."
        ),
    ],
    sets: options.Set = None,
    include_path: options.IncludePath = None,
    as_json: options.AsJson = False,
) -> None:
    """Check a configuration (names, models, data, tokens), a benchmark or a task (files, fields, splits, prompts)."""
    from llmood.cli import validating

    include = include_path or []
    kind = _kind(file, include)
    if kind == "configuration":
        found = validating.configuration(file, sets or [], include)
    elif kind == "benchmark":
        found = validating.benchmark(file, include)
    else:
        found = validating.task(file, include)
    with reader_may_leave():
        if as_json:
            print_json(found)
        else:
            _print(found)
    if found["rejects"]:
        raise typer.Exit(FAILED)


def _kind(file: str, include: Sequence[Path]) -> Literal["configuration", "benchmark", "task"]:
    """What the name or the file is: a built-in configuration's name comes before a task's, before a benchmark's."""
    from llmood.config_file import CONFIG
    from llmood.paths import builtin_root
    from llmood.tasks import list_benchmarks, list_tasks
    from llmood.tasks.lm_eval import PREFIX
    from llmood.yaml_files import read_yaml

    path = Path(file)
    if file.startswith(PREFIX):
        return "task"
    if path.is_file():
        data = read_yaml(path)
        keys = set(data) if isinstance(data, dict) else set()
        if "id" in keys and "benchmark" not in keys:
            return "benchmark"
        is_task = not keys.isdisjoint(("sources", "prompt", "messages", "messages_column"))
        return "task" if is_task else "configuration"
    if (path / CONFIG).is_file() or (builtin_root() / "configs" / f"{file}.yaml").is_file():
        return "configuration"
    if any(spec.name == file for spec in list_tasks(include_paths=include)):
        return "task"
    named = any(spec.name == file for spec in list_benchmarks(include_paths=include))
    return "benchmark" if named else "configuration"


def _print(found: Mapping[str, Any]) -> None:
    _print_splits(found["tasks"])
    _print_fields(found["tasks"])
    for sample in found["samples"]:
        say(f"--- {sample['task']} · {sample['split']} · {sample['source_line']}\n{sample['prompt']}")
        for reference in sample["references"]:
            say(f"→ {reference}")
    say("---")
    for line in (*found["checks"], *(f"rejected: {line}" for line in found["rejects"][:REJECTS_SHOWN])):
        say(line)
    if len(found["rejects"]) > REJECTS_SHOWN:
        say(f"… and {len(found['rejects']) - REJECTS_SHOWN} rejected rows more")
    for line in found["to_do"]:
        say(f"to do: {line}")
    say("valid" if not found["rejects"] else f"{len(found['rejects'])} rows can't be read; the rest is valid")


def _print_splits(tasks: Sequence[Mapping[str, Any]]) -> None:
    in_tokens = any("tokens" in task for task in tasks)
    header = ["task", "shift", "split", "samples", "characters (least, median, 95 %, most)"]
    rows = []
    for task in tasks:
        for split, seen in task["splits"].items():
            carved = f" (carved from {seen['carved_from']})" if seen["carved_from"] else ""
            row = [task["task"], task.get("shift") or "–", f"{split}{carved}", str(seen["samples"])]
            row.append(_listed(seen["characters"]))
            if in_tokens:
                row.append(_listed(task.get("tokens", {}).get(split, ())))
            rows.append(row)
    print_table([*header, "tokens (the same)"] if in_tokens else header, rows)


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers)) or "–"


def _print_fields(tasks: Sequence[Mapping[str, Any]]) -> None:
    say()
    for task in tasks:
        if task.get("made_of"):
            continue
        splits = task["splits"].values()
        rows = sum(seen["samples"] for seen in splits)
        names = dict.fromkeys(name for seen in splits for name in seen["fields"])
        shares = {
            name: sum(seen["fields"][name] * seen["samples"] for seen in splits) / rows for name in names
        }
        shown = ", ".join(f"{name} in {_percent(share)}" for name, share in shares.items())
        say(f"{task['task']}: {shown or 'no field beside the prompt'}")
        for split, seen in task["splits"].items():
            if seen["groups"]:
                say(
                    f"  {split}: {seen['groups']['groups']} groups, the largest of {seen['groups']['largest']} "
                    f"rows; {seen['groups']['without']} rows without one"
                )
        if len(task["splits"]) > 1:
            say("  no text stands in two splits")


def _percent(share: float) -> str:
    # 99.96 % of the rows is not all of them, and 0.02 % is not none.
    return "all rows" if share == 1 else "no row" if share == 0 else f"{min(max(share, 0.001), 0.999):.1%}"
